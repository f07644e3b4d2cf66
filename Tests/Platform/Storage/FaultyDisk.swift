import Synchronization

@testable import SlipwayStorage

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A real disk on which one call goes wrong.
final class FaultyDisk: Disk {
    enum Fault: CaseIterable {
        /// The disk is full: half of what was to be written is there.
        case full
        /// The process is killed before the call, or in the middle of writing.
        case killedBefore
        /// The process is killed right after the call.
        case killedAfter
    }

    struct Killed: Error {}

    private struct State {
        var calls = 0
        var isDead = false
    }

    private let disk = POSIXDisk()
    private let failAt: Int
    private let fault: Fault
    private let state = Mutex(State())

    /// - Parameter failAt: Which call, from 0 on; `Int.max` lets all pass.
    init(failAt: Int, _ fault: Fault) {
        self.failAt = failAt
        self.fault = fault
    }

    /// How many calls there were.
    var calls: Int { state.withLock { $0.calls } }
    var hasFailed: Bool { calls > failAt }

    func create(_ path: String, _ bytes: [UInt8], mode: mode_t) throws {
        try call(partly: { try self.disk.create(path, Array(bytes.prefix(bytes.count / 2)), mode: mode) }) {
            try disk.create(path, bytes, mode: mode)
        }
    }

    func read(_ path: String, bytesMax: Int) throws -> [UInt8] { try call { try disk.read(path, bytesMax: bytesMax) } }
    func rename(_ path: String, to target: String) throws { try call { try disk.rename(path, to: target) } }
    func link(_ path: String, to target: String) throws { try call { try disk.link(path, to: target) } }
    func remove(_ path: String) throws { try call { try disk.remove(path) } }
    func syncFolder(_ path: String) throws { try call { try disk.syncFolder(path) } }
    func names(in folder: String) throws -> [String] { try call { try disk.names(in: folder) } }

    private func call<Result>(partly: () throws -> Void = {}, _ body: () throws -> Result) throws -> Result {
        let number = try state.withLock { state in
            guard !state.isDead else { throw Killed() }
            state.calls += 1
            return state.calls - 1
        }
        guard number == failAt else { return try body() }
        switch fault {
        case .full:
            try partly()
            throw DiskError(call: "write", code: ENOSPC)
        case .killedBefore:
            state.withLock { $0.isDead = true }
            try partly()
            throw Killed()
        case .killedAfter:
            state.withLock { $0.isDead = true }
            _ = try body()
            throw Killed()
        }
    }
}
