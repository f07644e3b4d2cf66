import Foundation
import SlipwayCore
import SlipwayStorage

/// The feature store of one machine, as its supervisor last wrote it: `<home>/<env>/optional/state.json`.
struct FeatureStoreState: Equatable {
    enum Phase: String {
        /// Git says that Optional is detached, and nothing runs.
        case detached
        case starting
        case serving
        /// It should run and does not: ``problem`` says why.
        case failing
    }

    var phase: Phase
    /// Feast's feature server while it serves.
    var url: String?
    var redisPort: Int?
    var problem: String?

    private static let bytesMax = 64 << 10

    static func folder(_ home: EnvironmentHome) -> String { "\(home.folder)/optional" }
    private static func file(_ home: EnvironmentHome) -> AtomicFile { AtomicFile("\(folder(home))/state.json") }

    /// `nil` when no platform has ever supervised one here.
    static func load(_ home: EnvironmentHome) -> FeatureStoreState? {
        guard let bytes = try? file(home).contents(bytesMax: bytesMax), let json = try? JSONValue(parsing: bytes),
            let phase = json["phase"]?.stringValue.flatMap({ Phase(rawValue: $0) })
        else { return nil }
        return FeatureStoreState(
            phase: phase, url: json["url"]?.stringValue, redisPort: json["redisPort"]?.intValue.flatMap { Int(exactly: $0) },
            problem: json["problem"]?.stringValue
        )
    }

    func save(_ home: EnvironmentHome) throws {
        try Self.file(home).write(json.canonicalText + "\n")
    }

    var json: JSONValue {
        [
            "phase": .string(phase.rawValue), "url": url.map { .string($0) } ?? .null,
            "redisPort": redisPort.map { .int(Int64($0)) } ?? .null, "problem": problem.map { .string($0) } ?? .null,
        ]
    }
}
