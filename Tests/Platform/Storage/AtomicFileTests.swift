import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayStorage

@Suite("Atomic file")
struct AtomicFileTests {
    private static let old = Array("old".utf8)
    private static let new = Array(repeating: UInt8(ascii: "n"), count: 10_000)

    @Test("What was written reads back, also over what was there; absent is not_found or nil")
    func roundTrip() async throws {
        try await withScratchFolder { folder in
            let file = AtomicFile(folder.appending(path: "a").path)
            #expect(try file.contents(bytesMax: 10) == nil)
            let absent = #expect(throws: PlatformError.self) { try file.read(bytesMax: 10) }
            #expect(absent?.code == .notFound)
            try file.write(Self.old)
            try file.write(Self.new)
            #expect(try file.read(bytesMax: Self.new.count) == Self.new)
            try file.write([])
            #expect(try file.read(bytesMax: 10) == [])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
        }
    }

    @Test("Reading is bounded: a larger file is corrupt")
    func bounded() async throws {
        try await withScratchFolder { folder in
            let file = AtomicFile(folder.appending(path: "a").path)
            try file.write(Self.new)
            let error = #expect(throws: PlatformError.self) { try file.read(bytesMax: Self.new.count - 1) }
            #expect(error?.code == .corrupt)
        }
    }

    @Test("Create leaves a file that is there alone")
    func create() async throws {
        try await withScratchFolder { folder in
            let file = AtomicFile(folder.appending(path: "a").path)
            try file.create(Self.old)
            let error = #expect(throws: PlatformError.self) { try file.create(Self.new) }
            #expect(error?.code == .alreadyExists)
            #expect(try file.read(bytesMax: 10) == Self.old)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
        }
    }

    @Test("A private file is 0600 from its first byte on; a public one is readable")
    func modes() async throws {
        try await withScratchFolder { folder in
            let secret = folder.appending(path: "secret").path
            try AtomicFile(secret, isPrivate: true).write("x")
            #expect(try mode(secret) == 0o600)
            let page = folder.appending(path: "page").path
            try AtomicFile(page).write("x")
            #expect(try mode(page) & 0o600 == 0o600)
        }
    }

    @Test("A folder that is not there is a clear error that shows no path")
    func noFolder() async throws {
        try await withScratchFolder { folder in
            let file = AtomicFile(folder.appending(path: "none/a").path)
            let error = #expect(throws: PlatformError.self) { try file.write("x") }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains(folder.path) == false)
        }
    }

    @Test("Removing is for good, and may be repeated")
    func remove() async throws {
        try await withScratchFolder { folder in
            let file = AtomicFile(folder.appending(path: "a").path)
            try file.write("x")
            try file.remove()
            try file.remove()
            #expect(try file.contents(bytesMax: 1) == nil)
        }
    }

    @Test("At every file call, full disk or kill: the file is the old one or the new one, whole", arguments: FaultyDisk.Fault.allCases)
    func everyFault(fault: FaultyDisk.Fault) async throws {
        var failed = 0
        for step in 0..<20 {
            try await withScratchFolder { folder in
                let path = folder.appending(path: "a").path
                try AtomicFile(path).write(Self.old)
                let disk = FaultyDisk(failAt: step, fault)
                var thrown: PlatformError?
                do throws(PlatformError) {
                    try AtomicFile(path, disk: disk).write(Self.new)
                } catch {
                    thrown = error
                }
                let found = try AtomicFile(path).read(bytesMax: 100_000)
                #expect(found == Self.old || found == Self.new)
                if thrown == nil { #expect(found == Self.new) }
                guard disk.hasFailed else { return }
                failed += 1
                #expect(thrown != nil)
                if fault == .full {
                    #expect(thrown?.code == .exhausted)
                    #expect(thrown?.remedy != nil)
                    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"], "something half written stays")
                } else {
                    try AtomicFile.clearTemporaries(in: folder.path, disk: POSIXDisk())
                    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
                }
            }
        }
        // create, read back, rename, sync of the folder.
        #expect(failed == 4)
    }

    @Test("Bytes that read back differently are an error, not a file")
    func readBack() async throws {
        try await withScratchFolder { folder in
            let error = #expect(throws: PlatformError.self) {
                try AtomicFile(folder.appending(path: "a").path, disk: LyingDisk()).write("right")
            }
            #expect(error?.code == .unavailable)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(left.isEmpty)
        }
    }

    /// Stores other bytes than it was given.
    private struct LyingDisk: Disk {
        let disk = POSIXDisk()
        func create(_ path: String, _ bytes: [UInt8], mode: mode_t) throws { try disk.create(path, Array("wrong".utf8), mode: mode) }
        func read(_ path: String, bytesMax: Int) throws -> [UInt8] { try disk.read(path, bytesMax: bytesMax) }
        func rename(_ path: String, to target: String) throws { try disk.rename(path, to: target) }
        func link(_ path: String, to target: String) throws { try disk.link(path, to: target) }
        func remove(_ path: String) throws { try disk.remove(path) }
        func syncFolder(_ path: String) throws { try disk.syncFolder(path) }
        func names(in folder: String) throws -> [String] { try disk.names(in: folder) }
    }
}

func mode(_ path: String) throws -> Int {
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return try #require(attributes[.posixPermissions] as? Int)
}
