import SlipwayCore
import SlipwayTesting
import SlipwayTrackingImport
import Testing

@testable import SlipwayCommands

@Suite("Import view")
struct ImportViewTests {
    @Test("Sizes are short and exact below a KiB", arguments: [
        (0, "0 bytes"), (1_023, "1023 bytes"), (1_024, "1.0 KiB"), (1_536, "1.5 KiB"), (5 << 30, "5.0 GiB"), (Int64.max, "8388608.0 TiB"),
    ] as [(Int64, String)])
    func sizes(bytes: Int64, text: String) {
        #expect(ImportView.size(bytes) == text)
    }

    @Test("The table counts, the notes say why, and what failed stands last")
    func view() throws {
        let json = #"""
            {"source":"http://127.0.0.1:5000","sourceVersion":"3.17.2","bytes":1536,"notesLeftOut":2,"problems":1,"corrupt":0,
             "counts":{"runs":{"copied":3,"updated":1,"unchanged":2,"skipped":0},"prompts":{"copied":0,"updated":0,"unchanged":0,"skipped":1}},
             "notes":[{"level":"problem","what":"model 'a/b'","why":"no"},{"level":"omission","what":"prompt 'p'","why":"prompts are not copied"},
                      {"level":"remark","what":"experiment 'x'","why":"its id is 2 here, 1 there"}]}
            """#
        let report = try JSONValue(parsing: json).decoded(as: ImportReport.self)
        let lines = [ImportView.progress(report), ImportView.table(report)] + ImportView.notes(report)
        try expectSnapshot(lines.joined(separator: "\n") + "\n", named: "tracking-import.txt")
        let error = #expect(throws: PlatformError.self) { try report.check() }
        #expect(error?.code == .failedPrecondition)
    }
}
