import Foundation
import Logging
import SlipwayCore

/// One JSON object a line on stderr: time, level, label, message, and the metadata's own keys.
struct JSONLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .notice
    private let label: String

    init(label: String) {
        self.label = label
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members: [String: JSONValue] = [
            "time": .string(Timestamp(Date()).description), "level": .string(event.level.rawValue), "logger": .string(label),
            "message": .string("\(event.message)"),
        ]
        for (key, value) in metadata.merging(event.metadata ?? [:], uniquingKeysWith: { _, own in own }) where members[key] == nil {
            members[key] = .string("\(value)")
        }
        Talk.note(JSONValue.object(members).canonicalText)
    }
}
