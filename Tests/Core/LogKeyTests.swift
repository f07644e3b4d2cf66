import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@Suite("Keys of log lines")
struct LogKeyTests {
    private func config() throws -> String {
        try String(contentsOf: packageRoot.appending(path: "baseline/alloy/config.alloy"), encoding: .utf8)
    }

    @Test("Alloy reads every key of ours, and makes structured metadata of it", arguments: LogKey.allCases)
    func agrees(key: LogKey) throws {
        let name = key.rawValue.replacing(".", with: "_")
        let expression = #"\s\#(name)\s*= "\\"\#(key.rawValue)\\"""#
        let text = try config()
        #expect(try Regex(expression).firstMatch(in: text) != nil, "'\(key.rawValue)' is not read")
        let metadata = try #require(text.firstRange(of: "stage.structured_metadata"))
        let labels = try #require(text.firstRange(of: "stage.label_keep"))
        #expect(text[metadata.upperBound..<labels.lowerBound].contains("\(name) "), "'\(name)' is no structured metadata")
    }

    @Test("None of them is a label, nor anything else that Alloy keeps as one, but four of low cardinality")
    func labels() throws {
        let text = try config()
        let keep = try #require(text.firstRange(of: "stage.label_keep"))
        let line = try #require(text[keep.upperBound...].split(separator: "\n").first { $0.contains("values") })
        #expect(line.contains(#"["env", "layer", "app", "level"]"#))
    }
}
