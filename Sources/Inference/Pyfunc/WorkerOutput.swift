import Foundation
import SlipwayCore
import Synchronization

/// What a worker prints: every line goes to the log, and the end of it is kept for the error that tells of
/// the worker's end.
final class WorkerOutput: Sendable {
    private let kept = Mutex<[UInt8]>([])

    /// The last lines.
    var tail: String {
        String(decoding: kept.withLock { $0 }, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// - Parameter body: Gets the end to write to, which is closed here afterwards.
    func collect<Result>(onLine: @escaping @Sendable (String) -> Void, _ body: (Int32) throws -> Result) throws -> Result {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw PlatformError(.exhausted, "no pipe for a worker process: \(String(cString: strerror(errno)))")
        }
        let (input, output) = (ends[0], ends[1])
        // A child of somebody else that starts just now would keep them; a worker closes what it was not given.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        // Ends when the last process that writes has: the worker's whole group ends with it.
        Thread.detachNewThread { [self] in
            read(from: input, onLine: onLine)
            _ = close(input)
        }
        defer { _ = close(output) }
        return try body(output)
    }

    private func read(from input: Int32, onLine: (String) -> Void) {
        var buffer = [UInt8](repeating: 0, count: 4096)
        var line: [UInt8] = []
        while true {
            let count = Foundation.read(input, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            kept.withLock { kept in
                kept += buffer[..<count]
                if kept.count > PyfuncLimits.outputBytesMax { kept.removeFirst(kept.count - PyfuncLimits.outputBytesMax) }
            }
            for byte in buffer[..<count] {
                if byte != 0x0A { line.append(byte) }
                if byte == 0x0A || line.count >= PyfuncLimits.lineBytesMax {
                    onLine(String(decoding: line, as: UTF8.self))
                    line.removeAll(keepingCapacity: true)
                }
            }
        }
        if !line.isEmpty { onLine(String(decoding: line, as: UTF8.self)) }
    }
}
