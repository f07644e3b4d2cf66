import Foundation
import SlipwayCore

/// The only place that prints: data to stdout, talk to stderr.
enum Talk {
    static func data(_ text: String) {
        write(text + "\n", to: .standardOutput)
    }

    static func note(_ text: String) {
        write(text + "\n", to: .standardError)
    }

    static func error(_ error: PlatformError) {
        note(error.report)
    }

    static func raw(_ text: String) {
        write(text, to: .standardOutput)
    }

    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    /// A reader that went away (`slipway runs list | head -1`) is no failure of ours.
    private static func write(_ text: String, to handle: FileHandle) {
        try? handle.write(contentsOf: Data(text.utf8))
    }
}

/// ANSI colours, empty where nobody sees them.
struct Ink {
    let isOn: Bool

    static let standard = Ink(isOn: Talk.isTerminal && ProcessInfo.processInfo.environment["NO_COLOR"] == nil)

    func green(_ text: String) -> String { wrap(text, "32") }
    func red(_ text: String) -> String { wrap(text, "31") }
    func yellow(_ text: String) -> String { wrap(text, "33") }
    func dim(_ text: String) -> String { wrap(text, "2") }
    func bold(_ text: String) -> String { wrap(text, "1") }

    private func wrap(_ text: String, _ code: String) -> String {
        isOn ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}

/// Columns that line up, for people.
struct TextTable {
    let header: [String]
    var rows: [[String]] = []

    var text: String {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        return all.map { row in
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                guard column < row.count - 1 else { continue }
                line += String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            return line
        }.joined(separator: "\n")
    }
}
