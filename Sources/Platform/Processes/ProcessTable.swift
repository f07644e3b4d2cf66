import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Ends processes that nobody waits for any more.
enum ProcessTable {
    /// Kills what is left of a group whose leader has ended.
    ///
    /// The kernel gives no new process a number that still names a group, so as long as a member is left
    /// this reaches nobody else; when none is, there is nothing to find.
    static func endGroup(_ leader: Int32) {
        guard leader > 1 else { return }
        _ = kill(-leader, SIGKILL)
    }

    /// How many processes are looked at.
    private static let processesMax = 100_000

    /// Kills every process of ours whose environment has exactly `entry`, and answers how many.
    static func end(environmentEntry entry: String) -> Int {
        let wanted = Array(entry.utf8)
        let own = getpid()
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        var ended = 0
        for name in names.prefix(processesMax) {
            guard let identifier = Int32(name), identifier > 1, identifier != own,
                let environment = FileManager.default.contents(atPath: "/proc/\(identifier)/environ"),
                [UInt8](environment).split(separator: 0).contains(where: { $0.elementsEqual(wanted) })
            else { continue }
            if kill(identifier, SIGKILL) == 0 { ended += 1 }
        }
        return ended
    }
}
