import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayStorage

/// What was synced last on one machine: `<home>/apps/<application>.json`.
///
/// A cluster has its live objects; one machine has this record of what they would be.
struct SyncedState {
    let revision: String
    let inputs: Digest
    let time: Timestamp
    let objects: [JSONValue]

    static let bytesMax = 64 << 20

    static func load(_ application: String, root: URL) throws -> SyncedState? {
        guard let bytes = try file(application, root).contents(bytesMax: bytesMax) else { return nil }
        let json = try JSONValue(parsing: bytes, depthMax: 128)
        guard let revision = json["revision"]?.stringValue, let inputs = json["inputs"]?.stringValue, let time = json["time"]?.intValue,
            let objects = json["objects"]?.arrayValue
        else { throw PlatformError(.corrupt, "the synced state of '\(application)' cannot be read", remedy: "slipway app sync \(application)") }
        return SyncedState(revision: revision, inputs: try Digest(inputs), time: Timestamp(milliseconds: time), objects: objects)
    }

    func save(_ application: String, root: URL) throws {
        try FileManager.default.createDirectory(at: root.appending(path: "apps"), withIntermediateDirectories: true)
        let json: JSONValue = [
            "revision": .string(revision), "inputs": .string(inputs.text), "time": .int(time.milliseconds), "objects": .array(objects),
        ]
        try Self.file(application, root).write(json.canonicalText + "\n")
    }

    private static func file(_ application: String, _ root: URL) -> AtomicFile {
        AtomicFile(root.appending(path: "apps/\(application).json").path)
    }
}
