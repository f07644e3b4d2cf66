import Logging
import NIOCore
import NIOPosix
import SlipwayCore
import Synchronization

/// Says which requests failed or were slow, with what a person needs to find them again.
///
/// Off the path of good requests. Lines are written by a thread of their own, never by an event loop, and
/// at most ``GatewayLimits/requestLinesPerSecondMax`` a second: an outage must not become one of the disk.
final class RequestLog: Sendable {
    /// One request that has ended.
    struct Line: Sendable {
        let level: Logger.Level
        let message: String
        let metadata: Logger.Metadata
    }

    private struct State {
        var second: UInt64 = 0
        var linesInSecond = 0
        var waiting: [Line] = []
        var leftOut = 0
        var isWriting = false
    }

    private let logger: Logger
    private let state = Mutex(State())
    /// The second in which no more lines are taken: what a failing request pays for then is one read.
    private let fullSecond = Atomic<UInt64>(.max)
    private let leftOutUnlocked = Atomic<Int>(0)

    init(_ logger: Logger) {
        self.logger = logger
    }

    /// Takes a line, unless there were too many in this second.
    ///
    /// - Parameter line: Made only when it is taken.
    func take(_ line: () -> Line) {
        let second = NIODeadline.now().uptimeNanoseconds / 1_000_000_000
        guard fullSecond.load(ordering: .relaxed) != second else {
            leftOutUnlocked.wrappingAdd(1, ordering: .relaxed)
            return
        }
        let line = line()
        let begins = state.withLock { state in
            if state.second != second {
                state.second = second
                state.linesInSecond = 0
            }
            guard state.linesInSecond < GatewayLimits.requestLinesPerSecondMax, state.waiting.count < GatewayLimits.requestLinesWaitingMax else {
                state.leftOut += 1
                fullSecond.store(second, ordering: .relaxed)
                return false
            }
            state.linesInSecond += 1
            state.waiting.append(line)
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if begins { NIOThreadPool.singleton.submit { _ in self.write() } }
    }

    /// Writes what waits, until nothing does; one at a time.
    private func write() {
        while true {
            let (lines, leftOut) = state.withLock { state in
                let lines = state.waiting
                state.waiting = []
                guard !lines.isEmpty else {
                    state.isWriting = false
                    return (lines, 0)
                }
                let leftOut = state.leftOut + leftOutUnlocked.exchange(0, ordering: .relaxed)
                state.leftOut = 0
                return (lines, leftOut)
            }
            guard !lines.isEmpty else { return }
            if leftOut > 0 {
                logger.warning("requests were left out of the log", metadata: ["count": "\(leftOut)"])
            }
            for line in lines { logger.log(level: line.level, "\(line.message)", metadata: line.metadata) }
        }
    }
}
