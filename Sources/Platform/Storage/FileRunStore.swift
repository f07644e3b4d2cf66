import Foundation
public import SlipwayCore
public import SlipwayPipeline

/// Runs as one file each, `<runs>/<id>/run.json`: for steps that are processes of their own, on volumes
/// where a database's locks cannot be relied upon.
///
/// A returned save has reached the disk, and a reader sees it whole or the one before. One process at a
/// time works on a run: ``FileLock``.
public struct FileRunStore: RunStore {
    /// The largest record that is read.
    static let bytesMax = 64 << 20
    /// How many runs are looked at to list them.
    static let runsMax = 100_000

    private let folder: String

    /// - Parameter folder: Absolute; each run has a folder of its id in it.
    public init(folder: String) {
        self.folder = folder
    }

    public func save(_ run: RunRecord) async throws {
        let place = "\(folder)/\(run.id)"
        try PrivateFolder.makeIfMissing(place)
        let bytes: [UInt8]
        do {
            bytes = Array(try JSONEncoder().encode(run))
        } catch {
            throw PlatformError(.unexpected, "could not encode run '\(run.id)'", cause: error)
        }
        try AtomicFile(file(run.id)).write(bytes)
    }

    public func run(_ id: RunID) async throws -> RunRecord? {
        guard let bytes = try AtomicFile(file(id)).contents(bytesMax: Self.bytesMax) else { return nil }
        do {
            return try JSONDecoder().decode(RunRecord.self, from: Data(bytes))
        } catch {
            throw PlatformError(.corrupt, "the record of run '\(id)' cannot be read", cause: error)
        }
    }

    public func runs(limit: Int) async throws -> [RunRecord] {
        Array(try await all().sorted { ($0.created, $0.id.text) > ($1.created, $1.id.text) }.prefix(max(0, limit)))
    }

    public func unfinished() async throws -> [RunRecord] {
        try await all().filter { !$0.state.isFinal }.sorted { ($0.created, $0.id.text) < ($1.created, $1.id.text) }
    }

    private func all() async throws -> [RunRecord] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        guard names.count <= Self.runsMax else {
            throw PlatformError(.exhausted, "there are more than \(Self.runsMax) runs", remedy: "move old ones out of the folder 'runs'")
        }
        var runs: [RunRecord] = []
        for name in names {
            guard let id = try? RunID(name), let run = try await run(id) else { continue }
            runs.append(run)
        }
        return runs
    }

    private func file(_ id: RunID) -> String { "\(folder)/\(id)/run.json" }
}
