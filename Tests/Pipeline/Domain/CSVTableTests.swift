import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayPipeline

@Suite("CSV")
struct CSVTableTests {
    @Test("Quotes, escaped quotes, commas and line ends in cells, CRLF, a byte-order mark, missing values")
    func reads() throws {
        let table = try table("\u{FEFF}a,\"b,c\",d\r\n1,\"x \"\"y\"\"\",2.5\r\n\r\n,\"two\nlines\",-1e3")
        #expect(table.rows == 2)
        #expect(table.columns.map(\.name) == ["a", "b,c", "d"])
        #expect(table.column("d")?.cells == .numbers([2.5, -1_000]))
        #expect(table.column("b,c")?.cells == .texts(["x \"y\"", "two\nlines"]))
        guard case .numbers(let numbers) = table.column("a")?.cells else { return #expect(Bool(false)) }
        #expect(numbers[0] == 1 && numbers[1].isNaN)
    }

    @Test(
        "A broken file is refused with the line",
        arguments: [
            ("", "is empty"), ("\n\n", "is empty"), ("a,b\n1,2\n1", "f.csv:3: 1 cells, the header has 2"),
            ("a\n\"1", "f.csv:2: a quoted cell does not close"), ("a\n\"1\"2", "f.csv:2: text follows"),
            ("a,a\n1,2", "column 'a' is there twice"), ("a,b\n\"x\ny\",1\n1,2,3", "f.csv:4: 3 cells"),
        ]
    )
    func refuses(text: String, message: String) throws {
        let error = try #require(throws: PlatformError.self) { try table(text) }
        #expect(error.message.contains(message), "\(error.message)")
    }

    @Test("Limits: cells and columns")
    func limits() throws {
        #expect(throws: PlatformError.self) {
            try table("a\n" + String(repeating: "x", count: PipelineLimits.csvCellBytesMax + 1))
        }
        #expect(throws: PlatformError.self) {
            try table(String(repeating: ",", count: PipelineLimits.csvColumnsMax))
        }
        #expect(throws: PlatformError.self) { try CSVTable(csv: [0x61, 0x0A, 0xFF], name: "f.csv") }
    }

    @Test("No bytes crash the reader, and what it reads is rectangular", arguments: 0..<300)
    func fuzz(seed: Int) {
        var random = SeededGenerator(seed: UInt64(seed))
        let alphabet = Array("a1,,\"\"\n\n\r .-eN".utf8) + [0xFF, 0x00, 0xEF]
        let bytes = (0..<Int.random(in: 0..<200, using: &random)).map { _ in
            alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
        }
        do {
            let table = try CSVTable(csv: bytes, name: "f.csv")
            for column in table.columns {
                switch column.cells {
                case .numbers(let numbers): #expect(numbers.count == table.rows)
                case .texts(let texts): #expect(texts.count == table.rows)
                }
            }
        } catch {
            #expect(error.code == .invalidArgument)
        }
    }

    private func table(_ text: String) throws(PlatformError) -> CSVTable {
        try CSVTable(csv: Array(text.utf8), name: "f.csv")
    }
}
