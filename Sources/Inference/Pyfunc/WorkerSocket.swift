import Foundation
import SlipwayCore

/// Why a worker did not answer.
enum WorkerFailure: Error, Equatable {
    /// Its end of the socket is closed.
    case gone
    case tooSlow
    /// What it sent is no frame.
    case nonsense(String)
}

/// The server's end of a pair of connected Unix sockets; the other is a worker's standard input.
///
/// There is no path that somebody else could connect to, and the kernel closes both ends with their process:
/// whichever dies, the other sees it.
final class WorkerSocket: Sendable {
    private let descriptor: Int32

    private init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        _ = Foundation.close(descriptor)
    }

    /// - Parameter body: Gets the other end, which is closed here afterwards.
    static func pair<Result>(_ body: (WorkerSocket, Int32) throws -> Result) throws -> Result {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw PlatformError(.exhausted, "no socket for a worker process: \(String(cString: strerror(errno)))")
        }
        defer { _ = Foundation.close(ends[1]) }
        return try body(WorkerSocket(descriptor: ends[0]), ends[1])
    }

    /// Ends the conversation, whoever is in the middle of it.
    func shutDown() {
        _ = shutdown(descriptor, Int32(SHUT_RDWR))
    }

    /// Whether the other end is closed, or sent something that nobody asked for.
    var isSpent: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) != 0
    }

    /// - Parameter deadline: In nanoseconds of `DispatchTime`.
    func send(_ bytes: UnsafeRawBufferPointer, until deadline: UInt64) throws(WorkerFailure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest)
            let count = Foundation.send(descriptor, part.baseAddress, part.count, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
            if count > 0 {
                rest = rest.dropFirst(count)
                continue
            }
            try retry(after: errno, events: Int16(POLLOUT), until: deadline)
        }
    }

    /// Fills `space`.
    func receive(into space: UnsafeMutableRawBufferPointer, until deadline: UInt64) throws(WorkerFailure) {
        var filled = 0
        while filled < space.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: space[filled...])
            let count = recv(descriptor, rest.baseAddress, rest.count, Int32(MSG_DONTWAIT))
            guard count != 0 else { throw .gone }
            if count > 0 {
                filled += count
                continue
            }
            try retry(after: errno, events: Int16(POLLIN), until: deadline)
        }
    }

    /// Waits for a socket that was not ready.
    private func retry(after code: Int32, events: Int16, until deadline: UInt64) throws(WorkerFailure) {
        guard code != EINTR else { return }
        guard code == EAGAIN || code == EWOULDBLOCK else { throw .gone }
        let now = DispatchTime.now().uptimeNanoseconds
        guard now < deadline else { throw .tooSlow }
        var entry = pollfd(fd: descriptor, events: events, revents: 0)
        _ = poll(&entry, 1, Int32(clamping: (deadline - now) / 1_000_000 + 1))
    }
}
