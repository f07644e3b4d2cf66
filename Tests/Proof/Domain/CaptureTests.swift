import SlipwayCore
import Testing

@testable import SlipwayProof

@Suite("Captures of a whole platform")
struct CaptureTests {
    static let sound: JSONValue = [
        "shape": "machine", "environment": "dev",
        "engines": ["mlflow": 200, "triton": 200, "gateway": 200, "airflow": 200],
        "applications": [
            ["name": "gateway-dev", "role": "app", "layer": "core", "env": "dev", "conditions": []],
            ["name": "minio-dev", "role": "app", "layer": "baseline", "env": "dev", "conditions": []],
        ],
        "models": [[
            "model": "tumor", "sync": "Synced", "reason": "",
            "variants": [["alias": "A", "version": 2, "weight": 100], ["alias": "B", "version": 1, "weight": 0]],
            "servers": ["http://a": [1, 2]],
        ]],
        "predictions": [["status": 200, "version": "2"], ["status": 200, "version": "1"]],
        "proofs": ["holds": true, "count": 12],
        "optional": ["git": false, "phase": "detached", "health": .null],
    ]

    static let attached: JSONValue = sound.setting("optional", ["git": true, "phase": "serving", "health": 200])
        .setting("switch", ["changedPaths": [["envs/dev/optional.yaml"], ["envs/dev/optional.yaml"]], "before": "sha256:a", "after": "sha256:a"])
        .setting("features", ["before": [1.5, 2], "after": [1.5, 2]])
        .setting("traffic", ["requests": 100, "failed": 0])

    static let ran: JSONValue = sound
        .setting("run", [
            "id": "r1", "model": "tumor", "state": "succeeded", "version": 2, "proven": true,
            "conditions": ["registered", "ready", "loaded", "smoke-passed", "gateway-reloaded", "notified"],
        ])
        .setting("traffic", ["requests": 100, "failed": 0])

    static let whole: [(CaptureKind, JSONValue)] = [(.coreOnly, sound), (.optionalOn, attached), (.endToEnd, ran)]

    @Test("A sound platform passes every check of its kind", arguments: whole)
    func passes(kind: CaptureKind, facts: JSONValue) {
        let capture = Capture(kind: kind, facts: facts)
        #expect(capture.verdict == .pass, "\(capture.checks)")
        #expect(capture.checks.count >= 7)
    }

    struct Fault: Sendable, CustomTestStringConvertible {
        let kind: CaptureKind
        let fact: String
        let value: JSONValue
        let fails: String
        var testDescription: String { "\(kind.rawValue): \(fails) when \(fact) is \(value.canonicalText.prefix(60))" }
    }

    static let faults: [Fault] = [
        Fault(kind: .coreOnly, fact: "engines", value: ["mlflow": 200, "triton": 503, "gateway": 200, "airflow": 200], fails: "engines-healthy"),
        Fault(kind: .coreOnly, fact: "engines", value: ["mlflow": 200, "gateway": 200, "airflow": 200], fails: "engines-healthy"),
        Fault(kind: .coreOnly, fact: "applications", value: [["name": "x", "role": "app", "layer": "core", "env": "dev", "conditions": [["type": "InvalidSpecError", "message": "no"]]]], fails: "applications-sound"),
        Fault(kind: .coreOnly, fact: "applications", value: [["name": "feast-dev", "role": "app", "layer": "optional", "env": "dev"]], fails: "no-optional-application"),
        Fault(kind: .coreOnly, fact: "models", value: [], fails: "models-serve"),
        Fault(kind: .coreOnly, fact: "models", value: [["model": "t", "sync": "OutOfSync", "variants": [["version": 1]], "servers": ["a": [1]]]], fails: "models-serve"),
        Fault(kind: .coreOnly, fact: "models", value: [["model": "t", "sync": "Synced", "variants": [["version": 2]], "servers": ["a": [2], "b": []]]], fails: "models-serve"),
        Fault(kind: .coreOnly, fact: "predictions", value: [["status": 200, "version": "2"], ["status": 503]], fails: "predictions-answered"),
        Fault(kind: .coreOnly, fact: "predictions", value: [["status": 200, "version": "9"]], fails: "predictions-answered"),
        Fault(kind: .coreOnly, fact: "proofs", value: ["holds": false, "count": 3], fails: "proofs-hold"),
        Fault(kind: .coreOnly, fact: "proofs", value: ["holds": true, "count": 0], fails: "proofs-hold"),
        Fault(kind: .coreOnly, fact: "optional", value: ["git": true, "phase": "detached"], fails: "optional-detached"),
        Fault(kind: .coreOnly, fact: "optional", value: ["git": false, "phase": "serving"], fails: "optional-detached"),
        Fault(kind: .optionalOn, fact: "optional", value: ["git": true, "phase": "failing", "health": .null], fails: "optional-attached"),
        Fault(kind: .optionalOn, fact: "optional", value: ["git": true, "phase": "serving", "health": 500], fails: "optional-attached"),
        Fault(kind: .optionalOn, fact: "switch", value: ["changedPaths": [["envs/dev/optional.yaml", "charts/gateway/values.yaml"]], "before": "a", "after": "a"], fails: "switch-is-one-file"),
        Fault(kind: .optionalOn, fact: "switch", value: ["changedPaths": [["envs/prod/optional.yaml"]], "before": "a", "after": "a"], fails: "switch-is-one-file"),
        Fault(kind: .optionalOn, fact: "switch", value: ["changedPaths": [["envs/dev/optional.yaml"]], "before": "a", "after": "b"], fails: "core-and-baseline-untouched"),
        Fault(kind: .optionalOn, fact: "features", value: ["before": [1.5], "after": [.null]], fails: "data-survived"),
        Fault(kind: .optionalOn, fact: "traffic", value: ["requests": 100, "failed": 1], fails: "no-request-failed"),
        Fault(kind: .endToEnd, fact: "run", value: ["id": "r", "model": "tumor", "state": "rolled_back", "version": 2, "proven": true, "conditions": []], fails: "run-succeeded"),
        Fault(kind: .endToEnd, fact: "run", value: ["id": "r", "model": "tumor", "state": "succeeded", "version": 2, "proven": false, "conditions": [1, 2, 3, 4, 5, 6]], fails: "run-proven"),
        Fault(kind: .endToEnd, fact: "run", value: ["id": "r", "model": "tumor", "state": "succeeded", "version": 1, "proven": true, "conditions": [1, 2, 3, 4, 5, 6]], fails: "run-serves"),
    ]

    @Test("What is broken fails its check, and the capture with it", arguments: faults)
    func fails(fault: Fault) throws {
        let facts = try #require(Self.whole.first { $0.0 == fault.kind }).1
        let capture = Capture(kind: fault.kind, facts: facts.setting(fault.fact, fault.value))
        #expect(capture.verdict == .fail)
        #expect(capture.checks.first { $0.name == fault.fails }?.verdict == .fail, "\(capture.checks)")
    }

    @Test("A fact that was not observed is inconclusive, and nothing at all proves nothing", arguments: whole)
    func noData(kind: CaptureKind, facts: JSONValue) {
        #expect(Capture(kind: kind, facts: [:]).verdict == .inconclusive)
        #expect(CaptureCheck.verdict(of: []) == .inconclusive)
        for name in facts.objectValue?.keys.sorted() ?? [] where name != "shape" && name != "environment" && !(kind == .endToEnd && name == "optional") {
            let verdict = Capture(kind: kind, facts: facts.setting(name, nil)).verdict
            #expect(verdict != .pass, "without '\(name)'")
        }
    }

    @Test("A stored capture is judged again from its facts: a changed fact, check or verdict is found")
    func verifies() throws {
        let capture = Capture(kind: .coreOnly, facts: Self.sound)
        let transition = try capture.transition(environment: try EnvironmentName("dev"), commit: nil, time: Timestamp(milliseconds: 1))
        #expect(try Capture(verifying: transition, factsBytes: capture.factsBytes) == capture)

        let other = Capture(kind: .coreOnly, facts: Self.sound.setting("engines", ["mlflow": 500]))
        #expect(throws: PlatformError.self) { try Capture(verifying: transition, factsBytes: other.factsBytes) }

        // Signed by whoever has the key, but not borne by the facts.
        let lie = Transition(
            kind: transition.kind, environment: transition.environment, model: transition.model, version: nil, run: nil, commit: nil,
            subjects: [Capture.factsName: Digest(of: other.factsBytes)], observed: transition.observed, verdict: .pass, time: transition.time
        )
        let error = try #require(throws: PlatformError.self) { try Capture(verifying: lie, factsBytes: other.factsBytes) }
        #expect(error.code == .corrupt)
    }
}

extension JSONValue {
    /// The object with one member set, or taken away.
    fileprivate func setting(_ name: String, _ value: JSONValue?) -> JSONValue {
        var members = objectValue ?? [:]
        members[name] = value
        return .object(members)
    }
}
