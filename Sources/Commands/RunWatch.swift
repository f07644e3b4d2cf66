import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayPipeline

/// Follows one run to its end and shows it: live lines for people, the final record for programs.
struct RunWatch {
    let control: ControlClient
    let output: OutputFormat

    /// - Throws: `ExitCode(5)` when the run ended otherwise than in service.
    func watch(_ id: String) async throws {
        var view = RunView(ink: output == .text ? .standard : Ink(isOn: false))
        var last: RunRecord?
        var isLineUp = false
        let overwrites = output == .text && Talk.isTerminal
        try await control.lines("runs/\(id)/events") { line in
            let event = try line.decoded(as: RunEvent.self)
            if case .run(let run) = event { last = run }
            let lines = view.lines(for: event)
            if overwrites, isLineUp { Talk.raw("\r\u{1B}[K") }
            for text in lines {
                // With --output json stdout belongs to the record; what people read goes to stderr.
                if output == .text { Talk.data(text) } else { Talk.note(text) }
            }
            isLineUp = overwrites && !view.underWay.isEmpty
            if isLineUp { Talk.raw("  … \(view.underWay.prefix(100))") }
        }
        guard let last else { throw PlatformError(.unavailable, "the platform told nothing of run '\(id)'") }
        if output == .json { Talk.data(try JSONValue(encoding: last).canonicalText) }
        guard last.state == .succeeded || last.state == .pendingNotify else { throw ExitCode(5) }
    }
}

/// Tables of runs.
enum RunsView {
    static func table(_ runs: [RunRecord]) -> String {
        var table = TextTable(header: ["RUN", "MODEL", "VERSION", "STATE", "CREATED", "SUMMARY"])
        for run in runs {
            table.rows.append([
                run.id.text, run.model.text, run.candidate.map { "\($0)" } ?? "-", run.state.rawValue,
                String(run.created.description.prefix(19)), String(run.summary.prefix(100)),
            ])
        }
        return runs.isEmpty ? "No run yet: slipway run PROJECT" : table.text
    }
}
