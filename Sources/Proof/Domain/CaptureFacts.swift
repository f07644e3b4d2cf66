import SlipwayCore

/// What was observed of a platform, read claim by claim. A fact that is not there is `inconclusive`, never `pass`.
struct CaptureFacts {
    private let facts: JSONValue

    static let coreEngines = ["mlflow", "triton", "gateway", "airflow"]
    static let successConditions = 6

    init(_ facts: JSONValue) {
        self.facts = facts
    }

    var isCluster: Bool { facts["shape"] == "cluster" }

    private func missing(_ name: String, _ what: String) -> CaptureCheck {
        CaptureCheck(name, .inconclusive, "\(what) was not observed")
    }

    private func check(_ name: String, _ holds: Bool, _ finding: String) -> CaptureCheck {
        CaptureCheck(name, holds ? .pass : .fail, finding)
    }

    // MARK: Core

    var enginesHealthy: CaptureCheck {
        let name = "engines-healthy"
        guard let engines = facts["engines"]?.objectValue, !engines.isEmpty else { return missing(name, "the engines' health") }
        let ill = Self.coreEngines.filter { engines[$0] != .int(200) }
        let finding = ill.isEmpty ? "\(Self.coreEngines.joined(separator: ", ")) each answer 200" : ill.map { "\($0) answers \(engines[$0]?.canonicalText ?? "nothing")" }.joined(separator: ", ")
        return check(name, ill.isEmpty, finding)
    }

    /// Every Application of Core is there and allowed; in a cluster it is also synced and healthy.
    var applicationsSound: CaptureCheck {
        let name = "applications-sound"
        guard let applications = facts["applications"]?.arrayValue, !applications.isEmpty else { return missing(name, "the Applications") }
        let core = applications.filter { $0["layer"] == "core" && $0["role"] == "app" }
        guard !core.isEmpty else { return check(name, false, "there is no Application of Core") }
        var wrong: [String] = []
        for application in core {
            let own = application["name"]?.stringValue ?? "?"
            for condition in application["conditions"]?.arrayValue ?? [] where condition["type"] == "InvalidSpecError" {
                wrong.append("\(own): \(condition["message"]?.stringValue ?? "InvalidSpecError")")
            }
            guard isCluster else { continue }
            if application["sync"] != "Synced" || application["health"] != "Healthy" {
                wrong.append("\(own) is \(application["sync"]?.stringValue ?? "?"), \(application["health"]?.stringValue ?? "?")")
            }
        }
        return check(name, wrong.isEmpty, wrong.isEmpty ? "\(core.count) Applications of Core, each in a project that allows it" : wrong.joined(separator: "; "))
    }

    /// Every version that Git releases serves on every model server, and every gateway follows the commit.
    var modelsServe: CaptureCheck {
        let name = "models-serve"
        guard let models = facts["models"]?.arrayValue else { return missing(name, "what serves") }
        guard !models.isEmpty else { return check(name, false, "no model is released") }
        if isCluster {
            // The gateway's readiness is this very claim: every version that must serve does serve.
            let isReady = facts["engines"]?["gateway"] == .int(200) && facts["engines"]?["triton"] == .int(200)
            return check(name, isReady, "\(models.count) models have routes, and the gateway is \(isReady ? "" : "not ")ready to serve all of them")
        }
        var wrong: [String] = []
        for model in models {
            let own = model["model"]?.stringValue ?? "?"
            if model["sync"] != "Synced" { wrong.append("\(own) is \(model["sync"]?.stringValue ?? "?"): \(model["reason"]?.stringValue ?? "")") }
            let variants = model["variants"]?.arrayValue ?? []
            if variants.isEmpty { wrong.append("\(own) has no variant") }
            guard let servers = model["servers"]?.objectValue, !servers.isEmpty else {
                wrong.append("\(own) has no model server")
                continue
            }
            for (server, ready) in servers.sorted(by: { $0.key < $1.key }) {
                for variant in variants where !(ready.arrayValue ?? []).contains(variant["version"] ?? .null) {
                    wrong.append("version \(variant["version"]?.canonicalText ?? "?") of \(own) does not serve on \(server)")
                }
            }
        }
        return check(name, wrong.isEmpty, wrong.isEmpty ? "\(models.count) models serve what Git says, on every replica" : wrong.joined(separator: "; "))
    }

    var predictionsAnswered: CaptureCheck {
        let name = "predictions-answered"
        guard let predictions = facts["predictions"]?.arrayValue, !predictions.isEmpty else { return missing(name, "a prediction") }
        let released = Set((facts["models"]?.arrayValue ?? []).flatMap { $0["variants"]?.arrayValue ?? [] }.compactMap { $0["version"]?.canonicalText })
        let wrong = predictions.filter { $0["status"] != .int(200) || !released.contains($0["version"]?.stringValue ?? "") }
        let first = wrong.first.map { "status \($0["status"]?.canonicalText ?? "?"), version \($0["version"]?.canonicalText ?? "none")" } ?? ""
        return check(name, wrong.isEmpty, wrong.isEmpty ? "\(predictions.count) predictions, each by a version that Git releases" : "\(wrong.count) of \(predictions.count) predictions are wrong: \(first)")
    }

    var proofsHold: CaptureCheck {
        let name = "proofs-hold"
        guard let holds = facts["proofs"]?["holds"]?.boolValue, let count = facts["proofs"]?["count"]?.intValue else { return missing(name, "the chain of proofs") }
        guard holds else { return check(name, false, facts["proofs"]?["failure"]?.stringValue ?? "the chain of proofs does not hold") }
        return check(name, count > 0, "\(count) proofs hold from the first on")
    }

    // MARK: Optional

    var optionalDetached: CaptureCheck {
        let name = "optional-detached"
        guard let isAttached = facts["optional"]?["git"]?.boolValue, let phase = facts["optional"]?["phase"]?.stringValue else { return missing(name, "Optional's state") }
        return check(name, !isAttached && phase == "detached", "Git says \(isAttached ? "attached" : "detached"), and Feast and Redis are \(phase)")
    }

    var noOptionalApplication: CaptureCheck {
        let name = "no-optional-application"
        guard let applications = facts["applications"]?.arrayValue, !applications.isEmpty else { return missing(name, "the Applications") }
        let own = applications.filter { $0["layer"] == "optional" && $0["role"] == "app" && $0["env"] == facts["environment"] }.compactMap { $0["name"]?.stringValue }
        return check(name, own.isEmpty, own.isEmpty ? "no Application of Optional exists" : "there are \(own.joined(separator: ", "))")
    }

    var optionalAttached: CaptureCheck {
        let name = "optional-attached"
        guard let isAttached = facts["optional"]?["git"]?.boolValue, let phase = facts["optional"]?["phase"]?.stringValue else { return missing(name, "Optional's state") }
        let isHealthy = facts["optional"]?["health"] == .int(200)
        return check(name, isAttached && phase == "serving" && isHealthy, "Git says \(isAttached ? "attached" : "detached"), Feast and Redis are \(phase), Feast answers \(facts["optional"]?["health"]?.canonicalText ?? "nothing")")
    }

    var switchChangedOneFile: CaptureCheck {
        let name = "switch-is-one-file"
        guard let commits = facts["switch"]?["changedPaths"]?.arrayValue, !commits.isEmpty else { return missing(name, "what the switch's commits change") }
        let own = facts["environment"]?.stringValue.map { JSONValue.string("envs/\($0)/optional.yaml") } ?? .null
        let wrong = commits.filter { $0.arrayValue != [own] }
        return check(name, wrong.isEmpty, wrong.isEmpty ? "\(commits.count) commits, each of \(own.stringValue ?? "") alone" : "a commit changes \(wrong[0].canonicalText)")
    }

    var coreUntouched: CaptureCheck {
        let name = "core-and-baseline-untouched"
        guard let before = facts["switch"]?["before"]?.stringValue, let after = facts["switch"]?["after"]?.stringValue else { return missing(name, "Core's and Baseline's digest") }
        return check(name, before == after, before == after ? "everything outside of Optional is \(before) before and after" : "it was \(before) and is \(after)")
    }

    var dataSurvived: CaptureCheck {
        let name = "data-survived"
        guard let before = facts["features"]?["before"]?.arrayValue, let after = facts["features"]?["after"]?.arrayValue, !before.isEmpty else {
            return missing(name, "features before and after")
        }
        guard before.contains(where: { !$0.isNull }) else { return missing(name, "a feature with a value") }
        return check(name, before == after, before == after ? "\(before.count) features are the same after detaching and attaching" : "features were \(JSONValue.array(before).canonicalText) and are \(JSONValue.array(after).canonicalText)")
    }

    var traffic: CaptureCheck {
        let name = "no-request-failed"
        guard let requests = facts["traffic"]?["requests"]?.intValue, let failed = facts["traffic"]?["failed"]?.intValue, requests > 0 else { return missing(name, "traffic meanwhile") }
        return check(name, failed == 0, "\(requests) requests meanwhile, \(failed) failed")
    }

    // MARK: A run

    var runSucceeded: CaptureCheck {
        let name = "run-succeeded"
        guard let state = facts["run"]?["state"]?.stringValue else { return missing(name, "a run") }
        let conditions = facts["run"]?["conditions"]?.arrayValue?.count ?? 0
        return check(name, state == "succeeded" && conditions == Self.successConditions, "run \(facts["run"]?["id"]?.stringValue ?? "?") is \(state) with \(conditions) of \(Self.successConditions) conditions")
    }

    var runProven: CaptureCheck {
        let name = "run-proven"
        guard let holds = facts["run"]?["proven"]?.boolValue else { return missing(name, "the run's proofs") }
        return check(name, holds, facts["run"]?["proofFailure"]?.stringValue ?? "the run has its \(Self.successConditions) proofs, each with verdict pass")
    }

    var runServes: CaptureCheck {
        let name = "run-serves"
        guard let version = facts["run"]?["version"]?.intValue, let model = facts["run"]?["model"]?.stringValue else { return missing(name, "the run's version") }
        let serving = (facts["models"]?.arrayValue ?? []).first { $0["model"]?.stringValue == model }
        let champion = serving?["variants"]?.arrayValue?.max { ($0["weight"]?.doubleValue ?? 0) < ($1["weight"]?.doubleValue ?? 0) }
        return check(name, champion?["version"]?.intValue == version, "version \(version) of \(model) came out of the run, and version \(champion?["version"]?.canonicalText ?? "none") has the most traffic")
    }
}
