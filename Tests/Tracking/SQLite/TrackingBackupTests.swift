import Foundation
import GRDB
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@testable import SlipwayTrackingSQLite

@Suite("Tracking backup and restore", .timeLimit(.minutes(5)))
struct TrackingBackupTests {
    @Test("A backup while four writers write is one moment: every write acknowledged before it is in, and none is half in")
    func online() async throws {
        try await withScratchFolder { folder in
            let home = TrackingHome(folder: folder.appending(path: "home"))
            let (store, artifacts) = try open(home)
            let writers = 4
            let acknowledged = Acknowledged(writers: writers)
            let (before, restored) = try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<writers {
                    group.addTask {
                        while !Task.isCancelled {
                            let run = try await store.createRun(experiment: "0", name: nil, user: "", started: nil, tags: [:])
                            let path = "0/\(run.id)/artifacts/a b/model.bin"
                            try put(artifacts, path, "bytes of \(run.id)")
                            // After the file: what the database knows of must be in the backup.
                            try await store.log(
                                runID: run.id, metrics: [], parameters: ["a": "1", "b": "2"], tags: ["artifact": path]
                            )
                            acknowledged.add(run.id, by: writer)
                        }
                    }
                }
                await acknowledged.wait { $0.allSatisfy { $0.count >= 20 } }
                let before = acknowledged.runs
                let backup = folder.appending(path: "backup")
                let report = try await onThread { try TrackingBackup(home: home).write(to: backup) }
                // They wrote on meanwhile and go on: the backup has stopped nobody.
                let after = acknowledged.runs
                await acknowledged.wait { zip($0, after).allSatisfy { $0.count > $1.count } }
                group.cancelAll()
                #expect(report.linked > 0 && report.files > writers * 20)
                let copy = TrackingHome(folder: folder.appending(path: "copy"))
                let restored = try await onThread { try TrackingRestore(home: copy).read(from: backup) }
                #expect(restored.files == report.files && restored.manifest == report.manifest && restored.keptAside == nil)
                return (before.flatMap { $0 }, try open(copy))
            }
            for id in before {
                let run = try await restored.0.run(id: id)
                #expect(run.tags["artifact"] != nil)
            }
            for run in try await restored.0.searchRuns(experiments: ["0"], everything).items where !run.parameters.isEmpty {
                #expect(run.parameters == ["a": "1", "b": "2"])
                let path = try #require(run.tags["artifact"])
                #expect(try get(restored.1, path) == "bytes of \(run.id)")
            }
        }
    }

    private let everything = Search(limit: 50_000)

    /// The runs that each writer was told are there.
    private final class Acknowledged: Sendable {
        private let state: Mutex<[[String]]>
        private let (events, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

        init(writers: Int) {
            state = Mutex(Array(repeating: [], count: writers))
        }

        var runs: [[String]] { state.withLock { $0 } }

        func add(_ run: String, by writer: Int) {
            state.withLock { $0[writer].append(run) }
            signal.yield()
        }

        func wait(until isTrue: ([[String]]) -> Bool) async {
            for await _ in events where isTrue(runs) { return }
        }
    }

    @Test("Unfinished files and symbolic links are in no backup; copies share nothing with the original")
    func contents() async throws {
        try await withHome { home, folder in
            try put(try open(home).1, "0/r/artifacts/x", "one")
            for name in [".staging/half", ".uploads/part", ".digests/0/x"] {
                let file = home.artifacts.appending(path: name)
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try Data("x".utf8).write(to: file)
            }
            try FileManager.default.createSymbolicLink(at: home.artifacts.appending(path: "leak"), withDestinationURL: URL(filePath: "/etc/passwd"))
            for copies in [false, true] {
                let backup = folder.appending(path: "backup-\(copies)")
                let report = try TrackingBackup(home: home).write(to: backup, copies: copies)
                let manifest = try JSONValue(parsing: [UInt8](try Data(contentsOf: backup.appending(path: "manifest.json")))).decoded(as: BackupManifest.self)
                let paths = manifest.files.map(\.path)
                #expect(paths.first == "tracking.db" && paths.contains("artifacts/.digests/0/x") && paths.contains("artifacts/0/r/artifacts/x"))
                #expect(!paths.contains { $0.contains("half") || $0.contains("part") || $0.contains("leak") }, "\(paths)")
                #expect(manifest.migrations == TrackingSchema.migrator.migrations)
                #expect(report.linked == (copies ? 0 : paths.count - 1) && report.files == paths.count)
                #expect(try links(backup.appending(path: "artifacts/0/r/artifacts/x")) == (copies ? 1 : 2))
                #expect(try FileManager.default.contentsOfDirectory(atPath: backup.path).sorted() == ["artifacts", "manifest.json", "tracking.db"])
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.contains("partial") } == [])
        }
    }

    @Test("A backup goes into a new folder only, of a home that is one, and not among the artifacts")
    func backupRefusals() async throws {
        try await withHome { home, folder in
            func code(_ home: TrackingHome, _ target: URL) -> PlatformError.Code? {
                #expect(throws: PlatformError.self) { try TrackingBackup(home: home).write(to: target) }?.code
            }
            _ = try open(home)
            let full = folder.appending(path: "full")
            try FileManager.default.createDirectory(at: full, withIntermediateDirectories: true)
            try Data().write(to: full.appending(path: "x"))
            #expect(code(home, full) == .alreadyExists)
            #expect(code(home, full.appending(path: "x")) == .alreadyExists)
            #expect(code(home, home.artifacts.appending(path: "backup")) == .invalidArgument)
            #expect(code(TrackingHome(folder: folder.appending(path: "nothing")), folder.appending(path: "b")) == .notFound)
            try Data("no database at all, but long enough to be looked at".utf8).write(to: full.appending(path: "tracking.db"))
            #expect(code(TrackingHome(folder: full), folder.appending(path: "b")) == .corrupt)
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "b").path))
        }
    }

    @Test("A home in use, or one that holds something, is not restored into; with --replace what was there is kept aside")
    func restoreRefusals() async throws {
        try await withHome { home, folder in
            let backup = folder.appending(path: "backup")
            do {
                let (store, artifacts) = try open(home)
                try await store.setExperimentTag(id: "0", key: "which", value: "backup")
                try put(artifacts, "0/r/artifacts/x", "backup")
                _ = try TrackingBackup(home: home).write(to: backup)
                try await store.setExperimentTag(id: "0", key: "which", value: "later")
                try artifacts.delete(try ArtifactPath("0/r/artifacts/x"))
                try put(artifacts, "0/r/artifacts/y", "later")
                let inUse = #expect(throws: PlatformError.self) { try TrackingRestore(home: home).read(from: backup, replace: true) }
                #expect(inUse?.code == .failedPrecondition && inUse?.message.contains("in use") == true)
                let second = #expect(throws: PlatformError.self) { try home.lock() }
                #expect(second?.code == .failedPrecondition)
                try store.database.close()
            }
            let full = #expect(throws: PlatformError.self) { try TrackingRestore(home: home).read(from: backup) }
            #expect(full?.code == .failedPrecondition && full?.remedy?.contains("--replace") == true)
            let report = try TrackingRestore(home: home).read(from: backup, replace: true)
            do {
                let (store, artifacts) = try open(home)
                #expect(try await store.experiment(id: "0").tags["which"] == "backup")
                #expect(try get(artifacts, "0/r/artifacts/x") == "backup")
                #expect(throws: PlatformError.self) { try get(artifacts, "0/r/artifacts/y") }
                // Writing to what was restored does not reach into the backup.
                try await store.setExperimentTag(id: "0", key: "which", value: "after")
                try store.database.close()
            }
            let aside = URL(filePath: try #require(report.keptAside))
            let old = try SQLiteTrackingStore(path: aside.appending(path: "tracking.db").path)
            #expect(try await old.experiment(id: "0").tags["which"] == "later")
            #expect(try String(contentsOf: aside.appending(path: "artifacts/0/r/artifacts/y"), encoding: .utf8) == "later")
            _ = try TrackingRestore(home: TrackingHome(folder: folder.appending(path: "again"))).read(from: backup)
        }
    }

    private enum Damage: String, CaseIterable {
        case flippedDatabase, flippedArtifact, shortArtifact, missingArtifact, missingManifest, brokenManifest, newerSchema, newerFormat, leadsOut, linkInside
    }

    @Test("A damaged or strange backup changes nothing", arguments: Damage.allCases)
    private func damage(damage: Damage) async throws {
        try await withHome { home, folder in
            let backup = folder.appending(path: "backup")
            let (store, artifacts) = try open(home)
            try put(artifacts, "0/r/artifacts/x", "whole")
            _ = try TrackingBackup(home: home).write(to: backup, copies: true)
            try store.database.close()
            let (database, artifact, manifest) = (
                backup.appending(path: "tracking.db"), backup.appending(path: "artifacts/0/r/artifacts/x"), backup.appending(path: "manifest.json")
            )
            func edit(_ from: String, _ to: String) throws {
                let text = try String(contentsOf: manifest, encoding: .utf8)
                try #require(text.contains(from))
                try text.replacing(from, with: to).write(to: manifest, atomically: false, encoding: .utf8)
            }
            var expected = PlatformError.Code.corrupt
            switch damage {
            case .flippedDatabase:
                var bytes = try Data(contentsOf: database)
                bytes[bytes.count / 2] ^= 1
                try bytes.write(to: database)
            case .flippedArtifact: try Data("whale".utf8).write(to: artifact)
            case .shortArtifact: try Data("whol".utf8).write(to: artifact)
            case .missingArtifact: try FileManager.default.removeItem(at: artifact)
            case .missingManifest:
                try FileManager.default.removeItem(at: manifest)
                expected = .notFound
            case .brokenManifest: try Data("{".utf8).write(to: manifest)
            case .newerSchema:
                try edit("\"3 registry\"", "\"9 from the future\"")
                expected = .failedPrecondition
            case .newerFormat:
                try edit("\"format\": 1", "\"format\": 2")
                expected = .failedPrecondition
            case .leadsOut: try edit("artifacts/0/r/artifacts/x", "artifacts/../../x")
            case .linkInside:
                try FileManager.default.removeItem(at: artifact)
                try FileManager.default.createSymbolicLink(at: artifact, withDestinationURL: URL(filePath: "/etc/passwd"))
            }
            let target = TrackingHome(folder: folder.appending(path: "target"))
            let error = #expect(throws: PlatformError.self) { try TrackingRestore(home: target).read(from: backup) }
            #expect(error?.code == expected, "\(String(describing: error))")
            #expect(!target.hasData)
            let left = (try? FileManager.default.contentsOfDirectory(atPath: target.folder.path)) ?? []
            #expect(Set(left).isSubset(of: ["tracking.lock"]), "\(left)")
        }
    }

    @Test("After a restore that was interrupted no server starts, until one has come to its end")
    func interrupted() async throws {
        try await withHome { home, folder in
            let backup = folder.appending(path: "backup")
            do {
                let (store, _) = try open(home)
                _ = try TrackingBackup(home: home).write(to: backup)
                try store.database.close()
            }
            // As a stop between two renames leaves it.
            try Data().write(to: home.restoreMarker)
            try FileManager.default.createDirectory(at: home.folder.appending(path: ".restore-12345678/artifacts"), withIntermediateDirectories: true)
            try FileManager.default.removeItem(at: home.database)
            let refused = #expect(throws: PlatformError.self) { try home.lock() }
            #expect(refused?.code == .failedPrecondition && refused?.remedy?.contains("restore") == true)
            _ = try TrackingRestore(home: home).read(from: backup, replace: true)
            _ = try open(home)
            let left = try FileManager.default.contentsOfDirectory(atPath: home.folder.path)
            #expect(!left.contains { $0.hasPrefix(".restore-") })
        }
    }

    // MARK: Fixtures

    private func withHome(_ body: (TrackingHome, URL) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            try await body(TrackingHome(folder: folder.appending(path: "home")), folder)
        }
    }

    private func open(_ home: TrackingHome) throws -> (SQLiteTrackingStore, FileArtifactStore) {
        let lock = try home.lock()
        return (try SQLiteTrackingStore(path: home.database.path, lock: lock), try FileArtifactStore(root: home.artifacts))
    }

    private func put(_ artifacts: FileArtifactStore, _ path: String, _ text: String) throws {
        let writer = try artifacts.write(try ArtifactPath(path))
        try Array(text.utf8).withUnsafeBytes { try writer.append($0) }
        try writer.commit()
    }

    private func get(_ artifacts: FileArtifactStore, _ path: String) throws -> String {
        let reader = try artifacts.read(try ArtifactPath(path))
        return String(decoding: try reader.next(1 << 20), as: UTF8.self)
    }

    private func links(_ file: URL) throws -> Int {
        try #require(try FileManager.default.attributesOfItem(atPath: file.path)[.referenceCount] as? Int)
    }
}
