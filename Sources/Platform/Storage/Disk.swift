import Foundation
import SlipwayCore

/// The few file calls that durable files are made of; a test puts faults in between.
///
/// Every call throws ``DiskError``.
protocol Disk: Sendable {
    /// Makes a new file with these bytes and waits until they are on the disk.
    func create(_ path: String, _ bytes: [UInt8], mode: mode_t) throws
    /// - Parameter bytesMax: A larger file is not read.
    func read(_ path: String, bytesMax: Int) throws -> [UInt8]
    /// Replaces `target` in one step.
    func rename(_ path: String, to target: String) throws
    /// Gives the file a second name, which must be free.
    func link(_ path: String, to target: String) throws
    func remove(_ path: String) throws
    /// Waits until the folder's names are on the disk.
    func syncFolder(_ path: String) throws
    func names(in folder: String) throws -> [String]
}

/// A failed file call.
struct DiskError: Error, CustomStringConvertible {
    let call: String
    let code: Int32

    var description: String { "\(call): \(String(cString: strerror(code)))" }
}

/// The real one.
struct POSIXDisk: Disk {
    /// How often a call that a signal interrupts is made again.
    private static let interruptionsMax = 1_000
    private static let chunkBytes = 1 << 20

    func create(_ path: String, _ bytes: [UInt8], mode: mode_t) throws {
        let file = try Self.call("open") { open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode) }
        defer { _ = close(file) }
        try bytes.withUnsafeBytes { buffer in
            var offset = 0
            while offset < buffer.count {
                let count = min(Self.chunkBytes, buffer.count - offset)
                offset += try Self.call("write") { write(file, buffer.baseAddress.map { $0 + offset }, count) }
            }
        }
        _ = try Self.call("fsync") { fsync(file) }
    }

    func read(_ path: String, bytesMax: Int) throws -> [UInt8] {
        let file = try Self.call("open") { open(path, O_RDONLY | O_CLOEXEC) }
        defer { _ = close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = try Self.call("read") { Foundation.read(file, &chunk, chunk.count) }
            guard count > 0 else { return bytes }
            guard bytes.count + count <= bytesMax else { throw DiskError(call: "read", code: EFBIG) }
            bytes += chunk[0..<count]
        }
    }

    func rename(_ path: String, to target: String) throws {
        _ = try Self.call("rename") { Foundation.rename(path, target) }
    }

    func link(_ path: String, to target: String) throws {
        _ = try Self.call("link") { Foundation.link(path, target) }
    }

    func remove(_ path: String) throws {
        _ = try Self.call("unlink") { unlink(path) }
    }

    func syncFolder(_ path: String) throws {
        let folder = try Self.call("open") { open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        defer { _ = close(folder) }
        _ = try Self.call("fsync") { fsync(folder) }
    }

    func names(in folder: String) throws -> [String] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: folder)
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile {
            throw DiskError(call: "list", code: ENOENT)
        } catch {
            throw DiskError(call: "list", code: EIO)
        }
    }

    private static func call<Number: SignedInteger>(_ name: String, _ body: () -> Number) throws -> Number {
        for _ in 0..<interruptionsMax {
            let result = body()
            guard result < 0 else { return result }
            let code = errno
            guard code == EINTR else { throw DiskError(call: name, code: code) }
        }
        throw DiskError(call: name, code: EINTR)
    }
}
