import Foundation
import NIOConcurrencyHelpers

/// How busy the machine's processors were between two looks, as the kernel counts.
final class ProcessorUse: Sendable {
    private let last = NIOLockedValueBox<(busy: Int, all: Int)>((0, 0))

    /// From 0 to 1, since the last call; 0 where nobody tells.
    func rate() -> Double {
        let now = Self.read()
        return last.withLockedValue { last in
            defer { last = now }
            guard now.all > last.all else { return 0 }
            return min(1, max(0, Double(now.busy - last.busy) / Double(now.all - last.all)))
        }
    }

    private static func read() -> (busy: Int, all: Int) {
        guard let text = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
            let line = text.split(separator: "\n").first
        else { return (0, 0) }
        let ticks = line.split(separator: " ").dropFirst().prefix(8).map { Int($0) ?? 0 }
        let all = ticks.reduce(0, +)
        // Idle, and waiting for disks.
        return (all - ticks.dropFirst(3).prefix(2).reduce(0, +), all)
    }
}

enum MachineMemory {
    /// Bytes; 0 where nobody tells.
    static func read() -> (total: Int, used: Int) {
        guard let text = try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8) else { return (0, 0) }
        func bytes(_ name: String) -> Int {
            let line = text.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
        }
        let total = bytes("MemTotal")
        return (total, max(0, total - bytes("MemAvailable")))
    }
}
