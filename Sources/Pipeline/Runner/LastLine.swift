import Synchronization

/// The last line that a command wrote.
final class LastLine: Sendable {
    private let line = Mutex<String?>(nil)

    func set(_ text: String) { line.withLock { $0 = text } }

    var value: String? { line.withLock { $0 } }
}
