import Foundation
import SlipwayCore
import Synchronization

/// A step's log on disk, bounded.
final class RunLog: Sendable {
    private struct State {
        var handle: FileHandle?
        var bytesLeft: Int
        var lastLines: [String] = []
    }

    /// How many of the last lines are kept at hand for a failure's record.
    static let lastLinesMax = 5

    private let state: Mutex<State>

    /// Appends to `file`; a log that cannot be opened does not stop a step.
    init(file: String, bytesMax: Int) {
        if !FileManager.default.fileExists(atPath: file) {
            _ = FileManager.default.createFile(atPath: file, contents: nil)
        }
        let handle = FileHandle(forWritingAtPath: file)
        _ = try? handle?.seekToEnd()
        state = Mutex(State(handle: handle, bytesLeft: bytesMax))
    }

    func write(_ line: String) {
        state.withLock { state in
            state.lastLines.append(String(line.prefix(500)))
            if state.lastLines.count > Self.lastLinesMax { state.lastLines.removeFirst() }
            guard state.bytesLeft > 0, let handle = state.handle else { return }
            state.bytesLeft -= line.utf8.count + 1
            let text = state.bytesLeft > 0 ? line + "\n" : "(the log is full: later lines are dropped)\n"
            do {
                try handle.write(contentsOf: Data(text.utf8))
            } catch {
                // The disk is full: the step's outcome does not depend on its log.
                state.bytesLeft = 0
            }
        }
    }

    var lastLines: [String] { state.withLock { $0.lastLines } }

    func close() {
        state.withLock { state in
            try? state.handle?.close()
            state.handle = nil
        }
    }
}
