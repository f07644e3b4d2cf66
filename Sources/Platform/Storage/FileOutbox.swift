import Foundation
public import SlipwayCore
public import SlipwayPipeline

/// A folder with one JSON file a notification.
///
/// What is finished stays there as the record of what was told, up to ``filesMax``; then the oldest
/// finished ones go.
public actor FileOutbox: OutboxStore {
    public static let filesMax = 10_000
    static let fileBytesMax = 1 << 20

    private let folder: String
    private let disk: any Disk
    private let filesMax: Int

    /// - Parameter folder: Exists.
    public init(folder: String) throws(PlatformError) {
        try self.init(folder: folder, disk: POSIXDisk())
    }

    init(folder: String, disk: any Disk, filesMax: Int = FileOutbox.filesMax) throws(PlatformError) {
        self.folder = folder
        self.disk = disk
        self.filesMax = filesMax
        do {
            try AtomicFile.clearTemporaries(in: folder, disk: disk)
        } catch {
            throw .wrapping(error, doing: "clear up the outbox", code: .unavailable)
        }
    }

    public func save(_ entry: OutboxEntry) async throws {
        let file = file(fileName(key: entry.notification.key))
        let isNew = try file.contents(bytesMax: Self.fileBytesMax) == nil
        if isNew { try makeRoom() }
        let bytes = Array((try JSONValue(encoding: entry).prettyText + "\n").utf8)
        guard bytes.count <= Self.fileBytesMax else {
            throw PlatformError(.exhausted, "notification '\(entry.notification.key.prefix(80))' is larger than \(Self.fileBytesMax >> 20) MiB")
        }
        try file.write(bytes)
    }

    public func entry(key: String) async throws -> OutboxEntry? {
        try read(fileName(key: key))
    }

    public func unfinished() async throws -> [OutboxEntry] {
        try names().compactMap { try read($0) }
            .filter { $0.state == .waiting || $0.state == .sending }
            .sorted { ($0.created, $0.notification.key) < ($1.created, $1.notification.key) }
    }

    /// What a person recognises of the key, and enough of its digest that no two keys share a file.
    public nonisolated func fileName(key: String) -> String {
        let readable = key.unicodeScalars.prefix(80).map { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "-") ? Character(scalar) : "_"
        }
        return "\(String(readable))-\(Digest(of: key.utf8).hex.prefix(12)).json"
    }

    private func file(_ name: String) -> AtomicFile {
        AtomicFile("\(folder)/\(name)", isPrivate: true, disk: disk)
    }

    private func names() throws -> [String] {
        try disk.names(in: folder).filter { $0.hasSuffix(".json") && !$0.hasPrefix(".") }
    }

    private func read(_ name: String) throws -> OutboxEntry? {
        guard let bytes = try file(name).contents(bytesMax: Self.fileBytesMax) else { return nil }
        do {
            return try JSONValue(parsing: bytes).decoded(as: OutboxEntry.self)
        } catch {
            throw PlatformError(.corrupt, "'\(name)' of the outbox cannot be read", remedy: "move the file away", cause: error)
        }
    }

    private func makeRoom() throws {
        let names = try names()
        guard names.count >= filesMax else { return }
        let finished = try names.compactMap { name in try read(name).map { (name: name, entry: $0) } }
            .filter { $0.entry.state != .waiting && $0.entry.state != .sending }
            .sorted { $0.entry.created < $1.entry.created }
        guard !finished.isEmpty else {
            throw PlatformError(.exhausted, "the outbox holds \(names.count) notifications that have not gone out", remedy: "see why Slack takes none")
        }
        for old in finished.prefix(names.count - filesMax + 1) { try file(old.name).remove() }
    }
}
