import Foundation
import SlipwayCore

/// How much resident memory the process may have, and whether one more version fits.
struct MemoryBudget: Sendable {
    /// `nil`: as much as there is.
    let bytesMax: Int?
    /// Bytes resident now; 0 where nobody tells.
    let resident: @Sendable () -> Int

    init(bytesMax: Int?, resident: @escaping @Sendable () -> Int = { ResidentMemory.bytes }) {
        self.bytesMax = bytesMax
        self.resident = resident
    }

    /// Refuses a load that would lead over the cap.
    ///
    /// - Parameters:
    ///   - needed: Bytes of the version's files: its weights need at least as many in memory.
    ///   - pending: What loads under way will need.
    /// - Throws: `exhausted`, naming what could be unloaded, largest first.
    func admit(_ needed: Int, of what: String, pending: Int, loaded: [LoadedVersion]) throws(PlatformError) {
        guard let bytesMax else { return }
        let now = resident() + pending
        guard now + needed > bytesMax else { return }
        let largest = loaded.sorted { $0.bytes > $1.bytes }.prefix(3)
            .map { "'\($0.model)' version \($0.version) (\(Self.text($0.bytes)))" }
        throw PlatformError(
            .exhausted,
            "\(what) needs about \(Self.text(needed)); \(Self.text(now)) of \(Self.text(bytesMax)) are in use",
            remedy: largest.isEmpty ? "raise --memory-max-mb" : "unload \(largest.joined(separator: " or ")), or raise --memory-max-mb"
        )
    }

    /// Files tell little about a graph that unfolds: what was opened is held against the cap once more.
    func checkAfterOpening(of what: String) throws(PlatformError) {
        guard let bytesMax else { return }
        let now = resident()
        guard now > bytesMax else { return }
        throw PlatformError(
            .exhausted,
            "\(what) is loaded with \(Self.text(now)) of \(Self.text(bytesMax)) in use, and closed again",
            remedy: "unload another version, or raise --memory-max-mb"
        )
    }

    static func text(_ bytes: Int) -> String {
        "\(((Double(bytes) / 1_048_576) * 10).rounded() / 10) MiB"
    }
}

/// This process, as the kernel counts it.
enum ResidentMemory {
    private static let pageBytes = Int(sysconf(Int32(_SC_PAGESIZE)))

    static var bytes: Int {
        guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
        let fields = text.split(separator: " ")
        return fields.count > 1 ? (Int(fields[1]) ?? 0) * pageBytes : 0
    }
}
