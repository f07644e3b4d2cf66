import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import Testing

@Suite("Artifact digests")
struct ArtifactDigestTests {
    private let path = "0/run/model.onnx"

    private func put(_ bytes: [UInt8], _ path: String, in store: FileArtifactStore, expecting checks: ArtifactChecks = ArtifactChecks()) throws -> Digest {
        let writer = try store.write(try ArtifactPath(path), expecting: checks)
        try bytes.withUnsafeBytes { try writer.append($0) }
        return try writer.commit()
    }

    private func get(_ path: String, in store: FileArtifactStore) throws -> [UInt8] {
        let reader = try store.read(try ArtifactPath(path))
        var bytes: [UInt8] = []
        while true {
            let piece = try reader.next(300_000)
            guard !piece.isEmpty else { return bytes }
            bytes += piece
        }
    }

    private func names(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    private static let sizeCases = [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20]

    @Test("The digest kept is the file's, whatever its size and the pieces that it comes in", arguments: sizeCases)
    func sizes(size: Int) async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let writer = try store.write(try ArtifactPath(path))
            var rest = bytes[...]
            while !rest.isEmpty {
                try Array(rest.prefix(333_333)).withUnsafeBytes { try writer.append($0) }
                rest = rest.dropFirst(333_333)
            }
            #expect(try writer.commit() == Digest(of: bytes))
            let reopened = try FileArtifactStore(root: folder)
            #expect(try reopened.read(try ArtifactPath(path)).digest == Digest(of: bytes))
            #expect(try get(path, in: reopened) == bytes)
        }
    }

    @Test("One changed, missing or added byte is corrupt, in the first block and in the last")
    func changed() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            let bytes = [UInt8](repeating: 9, count: (2 << 20) + 10)
            let file = folder.appending(path: path)
            for damaged in [[1] + bytes.dropFirst(), bytes.dropLast() + [1], Array(bytes.dropLast()), bytes + [9], []] {
                _ = try put(bytes, path, in: store)
                try Data(damaged).write(to: file)
                let error = #expect(throws: PlatformError.self) { _ = try get(path, in: store) }
                #expect(error?.code == .corrupt)
                #expect(error?.message.contains("'\(path)'") == true)
            }
            _ = try put(bytes, path, in: store)
            #expect(try get(path, in: store) == bytes)
        }
    }

    @Test("No damaged byte is given out, and parts that are whole still are")
    func parts() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            var bytes = [UInt8](repeating: 9, count: 3 << 20)
            _ = try put(bytes, path, in: store)
            bytes[(3 << 20) / 2] = 1
            try Data(bytes).write(to: folder.appending(path: path))
            let reader = try store.read(try ArtifactPath(path))
            var given = 0
            let error = #expect(throws: PlatformError.self) {
                while true {
                    let piece = try reader.next(4096)
                    guard !piece.isEmpty else { break }
                    given += piece.count
                }
            }
            #expect(error?.code == .corrupt && given == 1 << 20)
            try reader.select(Int64(2 << 20)..<Int64((2 << 20) + 5))
            #expect(try reader.next(100) == [9, 9, 9, 9, 9])
            #expect(try reader.next(100).isEmpty)
            #expect(throws: PlatformError.self) { try reader.select(0..<Int64.max) }
        }
    }

    @Test("A damaged or exchanged digest is corrupt too: what was stored cannot be told any more")
    func record() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            _ = try put([1], "a", in: store)
            _ = try put([2], "b", in: store)
            let record = folder.appending(path: ".digests/a")
            let good = try Data(contentsOf: record)
            let other = try Data(contentsOf: folder.appending(path: ".digests/b"))
            let hex = Digest(of: [1]).hex
            let forged = Data(String(decoding: good, as: UTF8.self).replacing(hex, with: Digest(of: [2]).hex).utf8)
            for damaged in [Data(), Data("{}\n".utf8), good.dropFirst(), other, forged] {
                try damaged.write(to: record)
                let error = #expect(throws: PlatformError.self) { _ = try get("a", in: store) }
                #expect(error?.code == .corrupt)
            }
            try good.write(to: record)
            #expect(try get("a", in: store) == [1])
        }
    }

    @Test("A file stored without a digest is digested at its first read, and checked from then on")
    func older() async throws {
        try await withScratchFolder { folder in
            let bytes = [UInt8](repeating: 3, count: (1 << 20) + 1)
            let file = folder.appending(path: path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(bytes).write(to: file)
            let store = try FileArtifactStore(root: folder)
            #expect(try get(path, in: store) == bytes)
            #expect(try store.read(try ArtifactPath(path)).digest == Digest(of: bytes))
            #expect(try names(folder.appending(path: ".staging")).isEmpty)
            try Data([UInt8](repeating: 4, count: (1 << 20) + 1)).write(to: file)
            let error = #expect(throws: PlatformError.self) { _ = try get(path, in: store) }
            #expect(error?.code == .corrupt)
        }
    }

    @Test("A crash between the file's rename and its digest's is finished at the next start")
    func crashBetween() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            _ = try put([1], path, in: store)
            let old = try Data(contentsOf: folder.appending(path: ".digests/\(path)"))
            _ = try put([2], path, in: store)
            // As it is after the first rename: the new file, the old digest, and the new one staged.
            let record = folder.appending(path: ".digests/\(path)")
            try FileManager.default.moveItem(at: record, to: folder.appending(path: ".staging/X.digest"))
            try old.write(to: record)
            #expect(throws: PlatformError.self) { _ = try get(path, in: store) }
            let reopened = try FileArtifactStore(root: folder)
            #expect(try get(path, in: reopened) == [2])
            #expect(try names(folder.appending(path: ".staging")).isEmpty)
        }
    }

    @Test("A crash before the file's rename leaves the file that was there, with its digest")
    func crashBefore() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            _ = try put([1], path, in: store)
            let old = try Data(contentsOf: folder.appending(path: ".digests/\(path)"))
            _ = try put([2], path, in: store)
            let staging = folder.appending(path: ".staging")
            try FileManager.default.moveItem(at: folder.appending(path: path), to: staging.appending(path: "X"))
            try FileManager.default.moveItem(at: folder.appending(path: ".digests/\(path)"), to: staging.appending(path: "X.digest"))
            try Data([1]).write(to: folder.appending(path: path))
            try old.write(to: folder.appending(path: ".digests/\(path)"))
            // A digest that was left by a commit before the last one is not true any more.
            try FileManager.default.copyItem(at: staging.appending(path: "X.digest"), to: staging.appending(path: "Y.digest"))
            let reopened = try FileArtifactStore(root: folder)
            #expect(try get(path, in: reopened) == [1])
            #expect(try names(staging).isEmpty)
        }
    }

    @Test("Digests of files that are gone stand in nobody's way")
    func leftovers() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            _ = try put([1], "a", in: store)
            try FileManager.default.removeItem(at: folder.appending(path: "a"))
            _ = try put([2], "a/b", in: store)
            #expect(try get("a/b", in: store) == [2])
            try FileManager.default.removeItem(at: folder.appending(path: "a"))
            _ = try put([3], "a", in: store)
            #expect(try get("a", in: store) == [3])
        }
    }

    @Test("What is not as announced is not stored, by any of the digests", arguments: 0..<3)
    func announced(which: Int) async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            var checks = ArtifactChecks()
            switch which {
            case 0: checks.sha256 = Digest(of: [9])
            case 1: checks.sha512 = [UInt8](repeating: 0, count: 64)
            default: checks.md5 = [UInt8](repeating: 0, count: 16)
            }
            let error = #expect(throws: PlatformError.self) { _ = try put([1], path, in: store, expecting: checks) }
            #expect(error?.code == .invalidArgument)
            #expect(throws: PlatformError.self) { _ = try store.read(try ArtifactPath(path)) }
            #expect(try names(folder.appending(path: ".staging")).isEmpty)
        }
    }

    @Test("Writers and readers of one path at once: each read is one of the files, whole and with its own digest")
    func concurrent() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            _ = try put([UInt8](repeating: 0, count: 1000), path, in: store)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 1...4 {
                    group.addTask {
                        try await onThread {
                            for round in 0..<20 { _ = try put([UInt8](repeating: UInt8(writer), count: 1000 + round), path, in: store) }
                        }
                    }
                    group.addTask {
                        let mixed = try await onThread {
                            var mixed = 0
                            for _ in 0..<100 {
                                let bytes = try get(path, in: store)
                                if bytes.count < 1000 || Set(bytes).count != 1 { mixed += 1 }
                            }
                            return mixed
                        }
                        #expect(mixed == 0)
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
