import SlipwayTrackingImport

/// An import for people: a line while it runs, a table and the reasons at the end.
enum ImportView {
    private static let labels: [(ImportReport.Kind, String)] = [
        (.experiments, "experiments"), (.runs, "runs"), (.loggedModels, "logged models"), (.models, "models"),
        (.versions, "versions"), (.aliases, "aliases"), (.files, "files"), (.prompts, "prompts"),
    ]

    static func progress(_ report: ImportReport) -> String {
        let parts = labels.compactMap { kind, label -> String? in
            let count = report.count(kind)
            let done = count.copied + count.updated + count.unchanged
            return done > 0 ? "\(done) \(label)" : nil
        }
        return "… \(parts.joined(separator: ", ")); \(size(report.bytes)) copied"
    }

    static func table(_ report: ImportReport) -> String {
        var table = TextTable(header: ["WHAT", "COPIED", "UPDATED", "ALREADY HERE", "SKIPPED"])
        for (kind, label) in labels {
            let count = report.count(kind)
            guard kind != .prompts || count.skipped > 0 else { continue }
            table.rows.append([label, "\(count.copied)", "\(count.updated)", "\(count.unchanged)", "\(count.skipped)"])
        }
        let version = report.sourceVersion.map { " (\($0))" } ?? ""
        return "\(table.text)\n\(size(report.bytes)) of files copied from \(report.source)\(version)"
    }

    /// The gravest last, where they are seen.
    static func notes(_ report: ImportReport) -> [String] {
        let order: [(ImportReport.Note.Level, String)] = [(.remark, "note"), (.omission, "not copied"), (.problem, "failed")]
        var lines = order.flatMap { level, label in
            report.notes.filter { $0.level == level }.map { "\(label): \($0.what): \($0.why)" }
        }
        if report.notesLeftOut > 0 { lines.append("… and \(report.notesLeftOut) more") }
        return lines
    }

    static func size(_ bytes: Int64) -> String {
        let units = ["bytes", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(bytes)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        guard unit > 0 else { return "\(bytes) bytes" }
        let tenths = (value * 10).rounded() / 10
        return "\(tenths) \(units[unit])"
    }
}
