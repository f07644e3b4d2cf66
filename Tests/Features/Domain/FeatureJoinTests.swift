import SlipwayCore
import Testing

@testable import SlipwayFeatures

@Suite("Features joined to a request")
struct FeatureJoinTests {
    private static let now = Timestamp(milliseconds: 1_000_000_000)

    private func settings(_ policy: FeatureSettings.Policy, defaults: [String: Double] = ["a": -1, "b": -2], age: Int? = nil) -> FeatureSettings {
        FeatureSettings(service: "s", entities: ["id"], columns: ["b", "a"], policy: policy, defaults: defaults, ageSecondsMax: age)
    }

    private func answer(_ a: [Double?], _ b: [Double?], ageSeconds: Int64 = 0) -> FeatureAnswer {
        func values(_ numbers: [Double?]) -> [FeatureValue?] {
            numbers.map { $0.map { FeatureValue($0, time: Timestamp(milliseconds: Self.now.milliseconds - ageSeconds * 1000)) } }
        }
        return FeatureAnswer(columns: ["a": values(a), "b": values(b), "id": values([7, 8])])
    }

    private func join(_ settings: FeatureSettings, _ answer: FeatureAnswer?, known: [String: Double] = [:]) throws -> FeatureJoin {
        try FeatureJoin(
            settings, entities: [[7], [8]], answer: answer,
            known: { entity, column in known["\(entity[0].canonicalText).\(column)"].map { FeatureValue($0, time: nil) } }, now: Self.now
        )
    }

    @Test("Columns come in the release's order, whatever the store's is", arguments: FeatureSettings.Policy.allCases)
    func order(policy: FeatureSettings.Policy) throws {
        let joined = try join(settings(policy), answer([1, 2], [10, 20]))
        #expect(joined.rows == [[10, 1], [20, 2]])
        #expect(joined.stale.isEmpty && joined.missing.isEmpty)
    }

    @Test("A value that is not there is the last known one and stale, else its default and missing", arguments: [FeatureSettings.Policy.default, .warn])
    func fallbacks(policy: FeatureSettings.Policy) throws {
        let joined = try join(settings(policy), answer([1, nil], [nil, nil]), known: ["8.a": 22, "7.b": 70])
        #expect(joined.rows == [[70, 1], [-2, 22]])
        #expect(joined.stale == ["b", "a"])
        #expect(joined.missing == ["b"])
    }

    @Test("A store that does not answer at all leaves the last known values")
    func away() throws {
        let joined = try join(settings(.default), nil, known: ["7.a": 1, "7.b": 2, "8.a": 3, "8.b": 4])
        #expect(joined.rows == [[2, 1], [4, 3]])
        #expect(joined.stale == ["b", "a"] && joined.missing.isEmpty)
    }

    @Test("A value whose event is too old is stale")
    func age() throws {
        #expect(try join(settings(.warn, age: 60), answer([1, 2], [3, 4], ageSeconds: 61)).stale == ["b", "a"])
        #expect(try join(settings(.warn, age: 60), answer([1, 2], [3, 4], ageSeconds: 60)).stale.isEmpty)
        #expect(throws: PlatformError.self) { try join(settings(.reject, age: 60), answer([1, 2], [3, 4], ageSeconds: 61)) }
    }

    @Test("'reject' refuses what is missing and what is stale, and names column and entity")
    func reject() throws {
        let missing = try #require(throws: PlatformError.self) { try join(settings(.reject), answer([1, nil], [3, 4])) }
        #expect(missing.message == "feature 'a' of id=8 is missing")
        #expect(missing.code == .failedPrecondition)
        let stale = try #require(throws: PlatformError.self) { try join(settings(.reject), answer([1, nil], [3, 4]), known: ["8.a": 1]) }
        #expect(stale.message == "feature 'a' of id=8 is stale")
    }

    @Test("'warn' refuses a missing value that has no default")
    func noDefault() throws {
        #expect(throws: PlatformError.self) { try join(settings(.warn, defaults: ["b": 0]), answer([1, nil], [3, 4])) }
    }

    @Test("The last known values are of one service and entity, the newest, and bounded")
    func known() {
        var known = LastKnownFeatures(entitiesMax: 2)
        known.remember(answer([1, 2], [3, nil]), of: [[7], [8]], in: "s")
        #expect(known.value(of: "a", for: [8], in: "s")?.number == 2)
        #expect(known.value(of: "b", for: [8], in: "s") == nil)
        #expect(known.value(of: "a", for: [8], in: "other") == nil)
        known.remember(answer([5, nil], [nil, 6]), of: [[7], [8]], in: "s")
        #expect(known.value(of: "a", for: [7], in: "s")?.number == 5)
        #expect(known.value(of: "b", for: [7], in: "s")?.number == 3)
        known.remember(answer([9, 9], [9, 9]), of: [["x"], ["y"]], in: "s")
        #expect(known.count == 2)
        #expect(known.value(of: "a", for: [7], in: "s") == nil)
        #expect(known.value(of: "a", for: ["y"], in: "s")?.number == 9)
    }
}
