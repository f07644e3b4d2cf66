/// Cuts a stream of bytes into lines, each with a bounded length and repaired UTF-8.
struct LineSplitter {
    /// A longer line comes in pieces of this many bytes.
    static let lineBytesMax = 16 << 10

    private var pending: [UInt8] = []

    /// Calls `onLine` for each line that `bytes` complete.
    mutating func take(_ bytes: UnsafeRawBufferPointer, onLine: (String) -> Void) {
        for byte in bytes {
            guard byte != 0x0A else {
                emit(onLine)
                continue
            }
            pending.append(byte)
            if pending.count >= Self.lineBytesMax { emit(onLine) }
        }
    }

    /// What stands after the last line end.
    mutating func finish(onLine: (String) -> Void) {
        if !pending.isEmpty { emit(onLine) }
    }

    /// A progress bar rewrites its line with carriage returns: only its last state is kept.
    private mutating func emit(_ onLine: (String) -> Void) {
        if pending.last == 0x0D { pending.removeLast() }
        let start = pending.lastIndex(of: 0x0D).map { $0 + 1 } ?? 0
        onLine(String(decoding: pending[start...], as: UTF8.self))
        pending.removeAll(keepingCapacity: true)
    }
}
