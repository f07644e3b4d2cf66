import SlipwayCore
import SlipwayTracking
import Synchronization

/// The report of an import while it runs, and who watches it grow.
final class ImportTally: Sendable {
    private let report: Mutex<ImportReport>
    /// What this import has tried to copy whole, and could not.
    private let incomplete = Mutex<Set<ImportItem>>([])
    private let watch: @Sendable (ImportReport) -> Void

    init(_ report: ImportReport, watch: @escaping @Sendable (ImportReport) -> Void) {
        self.report = Mutex(report)
        self.watch = watch
    }

    var current: ImportReport { report.withLock { $0 } }

    func change(_ body: (inout ImportReport) -> Void) {
        let changed = report.withLock { report in
            body(&report)
            return report
        }
        watch(changed)
    }

    /// Counts what a write of the store came to.
    ///
    /// - Parameter level: Of the note about a refusal.
    func count(_ outcome: ImportOutcome, _ kind: ImportReport.Kind, _ what: String, level: ImportReport.Note.Level = .problem) {
        change { report in
            switch outcome {
            case .copied: report.change(kind) { $0.copied += 1 }
            case .updated: report.change(kind) { $0.updated += 1 }
            case .unchanged: report.change(kind) { $0.unchanged += 1 }
            case .refused(let why):
                report.change(kind) { $0.skipped += 1 }
                report.add(.init(level, what, why))
            }
        }
    }

    func skip(_ kind: ImportReport.Kind, _ what: String, _ why: String, _ level: ImportReport.Note.Level = .problem) {
        count(.refused(why), kind, what, level: level)
    }

    /// A failure that concerns one thing only; others end the import.
    func fail(_ kind: ImportReport.Kind, _ what: String, _ error: PlatformError) {
        change { report in
            report.change(kind) { $0.skipped += 1 }
            if error.code == .corrupt { report.corrupt += 1 }
            report.add(.init(.problem, what, error.message))
        }
    }

    /// Notes that something is not whole here, so that it is tried once only.
    func giveUp(_ item: ImportItem) {
        incomplete.withLock { _ = $0.insert(item) }
    }

    func hasGivenUp(_ item: ImportItem) -> Bool { incomplete.withLock { $0.contains(item) } }

    func remark(_ what: String, _ why: String) {
        change { $0.add(.init(.remark, what, why)) }
    }
}
