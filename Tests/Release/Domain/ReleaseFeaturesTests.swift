import SlipwayCore
import Testing

@testable import SlipwayRelease

@Suite("What a release takes from the feature store")
struct ReleaseFeaturesTests {
    private static let path = "envs/dev/models/tumor.yaml"
    private static let head = """
        apiVersion: slipway.dev/v1
        kind: Release
        metadata: { name: tumor }
        spec:
          variants:
            A: { version: 3, weight: 100 }
          lastGood: 3

        """
    private static let features = """
          features:
            service: "tumor"
            entities: [patient_id]
            columns: [radius, texture]
            policy: default
            defaults: { radius: 1.5, texture: 0.0 }
            timeoutMilliseconds: 80
            ageSecondsMax: 3600

        """

    @Test("A release with features is read, and written as it was")
    func roundTrip() throws {
        let text = Self.head + Self.features
        let release = try ReleaseFile.parse(text, path: Self.path)
        let features = try #require(release.features)
        #expect(features == Release.Features(
            service: "tumor", entities: ["patient_id"], columns: ["radius", "texture"], policy: .default,
            defaults: ["radius": 1.5, "texture": 0], timeoutMilliseconds: 80, ageSecondsMax: 3600
        ))
        #expect(ReleaseFile.text(release) == text)
        #expect(try ReleaseFile.parse(Self.head, path: Self.path).features == nil)
    }

    @Test("A rollout keeps what the gateway joins; a release that brings its own keeps that")
    func keeps() throws {
        let before = Self.head + Self.features
        let next = Self.head.replacing("version: 3", with: "version: 4")
        let kept = ReleaseFile.text(next, keepingFeaturesOf: before, path: Self.path)
        #expect(kept == next + Self.features)
        let own = next + Self.features.replacing("80", with: "90")
        #expect(ReleaseFile.text(own, keepingFeaturesOf: before, path: Self.path) == own)
        #expect(ReleaseFile.text(next, keepingFeaturesOf: nil, path: Self.path) == next)
    }

    @Test("Through JSON, as state and gateways keep it, nothing is lost")
    func json() throws {
        let release = try ReleaseFile.parse(Self.head + Self.features, path: Self.path)
        #expect(try JSONValue(encoding: release).decoded(as: Release.self) == release)
    }

    @Test("A release that needs features is refused while there are none, and what was accepted before stays")
    func acceptance() throws {
        let commit = try CommitID(String(repeating: "b", count: 40))
        let plain = try ReleaseFile.parse(Self.head, path: Self.path)
        let previous = AcceptedReleases(entries: [plain.model: .init(release: plain, commit: commit)])
        let files = [Self.path: Self.head + Self.features]
        func accept(_ hasFeatures: Bool?) -> ReleaseAcceptance {
            ReleaseAcceptance(files: files, commit: commit, previous: previous, hasFeatures: hasFeatures) { _, _ in true }
        }
        let off = accept(false)
        #expect(off.accepted == previous)
        #expect(off.refusals.first?.reason == "\(Self.path): 'tumor' takes features of service 'tumor', and Optional is detached")
        for hasFeatures in [true, nil] {
            #expect(accept(hasFeatures).refusals.isEmpty)
            #expect(accept(hasFeatures).accepted.entries[plain.model]?.release.features != nil)
        }
        // One that serves already goes on: its requests are refused, and told why.
        let serving = accept(true).accepted
        let still = ReleaseAcceptance(files: files, commit: commit, previous: serving, hasFeatures: false) { _, _ in true }
        #expect(still.accepted == serving && still.refusals.isEmpty)
        let back = [Self.path: files[Self.path]?.replacing("version: 3", with: "version: 2") ?? ""]
        let rolledBack = ReleaseAcceptance(files: back, commit: commit, previous: serving, hasFeatures: false) { _, _ in true }
        #expect(rolledBack.refusals.isEmpty && rolledBack.accepted.entries[plain.model]?.release.champion.version.number == 2)
        #expect(ReleaseFile.mayTakeFeatures(files) && !ReleaseFile.mayTakeFeatures([Self.path: Self.head]))
    }

    struct Mistake: Sendable, CustomTestStringConvertible {
        let what: String
        let by: String
        let says: String
        var testDescription: String { says }
    }

    static let mistakes: [Mistake] = [
        Mistake(what: "service: \"tumor\"", by: "service: \"\"", says: "'spec.features.service' is missing"),
        Mistake(what: "entities: [patient_id]", by: "entities: []", says: "'spec.features.entities' names none"),
        Mistake(what: "columns: [radius, texture]", by: "columns: [radius, radius]", says: "names 'radius' twice"),
        Mistake(what: "columns: [radius, texture]", by: "columns: [radius, \"te xture\"]", says: "no name of a feature"),
        Mistake(what: "policy: default", by: "policy: ignore", says: "must be one of"),
        Mistake(what: "    policy: default\n", by: "", says: "'spec.features.policy' is missing"),
        Mistake(what: "defaults: { radius: 1.5, texture: 0.0 }", by: "defaults: { radius: 1.5 }", says: "has none for column 'texture'"),
        Mistake(what: "defaults: { radius: 1.5, texture: 0.0 }", by: "defaults: { radius: 1.5, area: 2 }", says: "unknown key 'area'"),
        Mistake(what: "timeoutMilliseconds: 80", by: "timeoutMilliseconds: 0", says: "whole number from 1 to 5000"),
        Mistake(what: "timeoutMilliseconds: 80", by: "timeout: 80", says: "unknown key 'timeout'"),
    ]

    @Test("A mistake is refused with file and line", arguments: mistakes)
    func refuses(mistake: Mistake) throws {
        let text = (Self.head + Self.features).replacing(mistake.what, with: mistake.by)
        let error = try #require(throws: PlatformError.self) { try ReleaseFile.parse(text, path: Self.path) }
        #expect(error.code == .invalidArgument)
        #expect(error.message.hasPrefix("\(Self.path):") && error.message.contains(mistake.says), "\(error.message)")
    }
}
