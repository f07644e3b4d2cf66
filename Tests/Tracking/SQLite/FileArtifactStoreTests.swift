import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import Testing

@Suite("File artifact store")
struct FileArtifactStoreTests {
    private func append(_ text: String, to writer: any ArtifactWriter) throws {
        try Array(text.utf8).withUnsafeBytes { try writer.append($0) }
    }

    private func put(_ text: String, _ path: String, in store: FileArtifactStore) throws {
        let writer = try store.write(try ArtifactPath(path))
        try append(text, to: writer)
        try writer.commit()
    }

    private func get(_ path: String, in store: FileArtifactStore) throws -> String {
        let reader = try store.read(try ArtifactPath(path))
        var bytes: [UInt8] = []
        while true {
            let chunk = try reader.next(3)
            guard !chunk.isEmpty else { break }
            bytes += chunk
        }
        #expect(reader.byteCount == Int64(bytes.count))
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test("A file is there whole or not at all, and replaces the one before in one step")
    func whole() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            let path = try ArtifactPath("0/run/model.onnx")
            let writer = try store.write(path)
            try append("half of", to: writer)
            #expect(throws: PlatformError.self) { try store.read(path) }
            #expect(try store.list(nil).isEmpty)
            try append(" it", to: writer)
            try writer.commit()
            #expect(try get(path.text, in: store) == "half of it")

            let second = try store.write(path)
            try append("new", to: second)
            #expect(try get(path.text, in: store) == "half of it")
            try second.commit()
            #expect(try get(path.text, in: store) == "new")
        }
    }

    @Test("What is abandoned, or was half-written at a crash, was never there")
    func abandoned() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            let staging = folder.appending(path: ".staging").path
            let writer = try store.write(try ArtifactPath("a"))
            try append("x", to: writer)
            #expect(try FileManager.default.contentsOfDirectory(atPath: staging).count == 1)
            writer.abandon()
            #expect(try FileManager.default.contentsOfDirectory(atPath: staging).isEmpty)
            let crashed = try store.write(try ArtifactPath("b"))
            try append("x", to: crashed)
            let reopened = try FileArtifactStore(root: folder)
            #expect(try FileManager.default.contentsOfDirectory(atPath: staging).isEmpty)
            #expect(try reopened.list(nil).isEmpty)
        }
    }

    @Test("A name that begins with a combining mark is a name like any other, below a folder too")
    func combiningMark() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            try put("x", "a/\u{301}b", in: store)
            #expect(try get("a/\u{301}b", in: store) == "x")
            let names = try store.list(try ArtifactPath("a")).map { Array($0.name.utf8) }
            #expect(names == [Array("\u{301}b".utf8)])
            #expect(FileManager.default.fileExists(atPath: folder.path + "/a/\u{301}b"))
        }
    }

    @Test("Where files are staged is neither listed nor reached", arguments: [".staging", ".staging/x"])
    func staging(path: String) async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            try put("x", "a", in: store)
            #expect(try store.list(nil).map(\.name) == ["a"])
            let path = try ArtifactPath(path)
            #expect(throws: PlatformError.self) { try store.write(path) }
            #expect(throws: PlatformError.self) { try store.read(path) }
            #expect(throws: PlatformError.self) { try store.list(path) }
            #expect(throws: PlatformError.self) { try store.delete(path) }
        }
    }

    @Test("A symbolic link is refused as a file and on the way, is not listed, and what it shows stays")
    func links() async throws {
        try await withScratchFolder { folder in
            let outside = folder.appending(path: "outside")
            try FileManager.default.createDirectory(at: outside, withIntermediateDirectories: true)
            try Data("secret".utf8).write(to: outside.appending(path: "secret"))
            let root = folder.appending(path: "root")
            let store = try FileArtifactStore(root: root)
            try FileManager.default.createSymbolicLink(at: root.appending(path: "way"), withDestinationURL: outside)
            try FileManager.default.createSymbolicLink(at: root.appending(path: "file"), withDestinationURL: outside.appending(path: "secret"))
            for text in ["way", "way/secret", "way/new", "file"] {
                let path = try ArtifactPath(text)
                for refused in [
                    #expect(throws: PlatformError.self) { try store.write(path) },
                    #expect(throws: PlatformError.self) { _ = try store.read(path) },
                    #expect(throws: PlatformError.self) { _ = try store.list(path) },
                    #expect(throws: PlatformError.self) { try store.delete(path) },
                ] { #expect(refused?.code == .invalidArgument) }
            }
            #expect(try store.list(nil).isEmpty)
            #expect(try String(contentsOf: outside.appending(path: "secret"), encoding: .utf8) == "secret")
            #expect(!FileManager.default.fileExists(atPath: outside.appending(path: "new").path))
        }
    }

    @Test("A path through a file, or onto a folder, is refused as the caller's mistake")
    func clashes() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            try put("x", "a/b", in: store)
            let onto = #expect(throws: PlatformError.self) { try put("y", "a", in: store) }
            #expect(onto?.code == .invalidArgument)
            let through = #expect(throws: PlatformError.self) { try put("y", "a/b/c", in: store) }
            #expect(through?.code == .invalidArgument)
            #expect(try get("a/b", in: store) == "x")
        }
    }

    @Test("Listing shows files and folders by name; deleting takes a folder with all that is in it")
    func listing() async throws {
        try await withScratchFolder { folder in
            let store = try FileArtifactStore(root: folder)
            try put("123", "m/z", in: store)
            try put("", "m/a/x", in: store)
            let path = try ArtifactPath("m")
            #expect(
                try store.list(path) == [.init(name: "a", isFolder: true, bytes: 0), .init(name: "z", isFolder: false, bytes: 3)]
            )
            #expect(try store.list(try ArtifactPath("nothing")).isEmpty)
            try store.delete(path)
            try store.delete(path)
            #expect(try store.list(nil).isEmpty)
            let gone = #expect(throws: PlatformError.self) { _ = try store.read(path) }
            #expect(gone?.code == .notFound)
        }
    }
}
