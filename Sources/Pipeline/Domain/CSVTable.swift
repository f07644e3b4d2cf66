public import SlipwayCore

/// A table with a header: every column is all numbers or all texts.
public struct CSVTable: Sendable, Hashable {
    public struct Column: Sendable, Hashable {
        public let name: String
        public let cells: Cells
    }

    public enum Cells: Sendable, Hashable {
        /// An empty cell is NaN.
        case numbers([Double])
        case texts([String])
    }

    public let rows: Int
    public let columns: [Column]

    public func column(_ name: String) -> Column? {
        columns.first { $0.name == name }
    }

    /// Reads RFC 4180 with a header line: commas, `"quoted"` cells with `""` for a quote, CRLF or LF. Empty
    /// lines are skipped.
    ///
    /// - Parameter name: What messages call the file.
    /// - Throws: `invalid_argument` with the line: a row that is too short or long, a quote that does not
    ///   close, text after one, bytes that are not UTF-8, a name twice, a limit of ``PipelineLimits``.
    public init(csv bytes: [UInt8], name: String) throws(PlatformError) {
        guard bytes.count <= PipelineLimits.csvBytesMax else {
            throw PlatformError(
                .invalidArgument,
                "'\(name)' is larger than \(PipelineLimits.csvBytesMax >> 20) MiB"
            )
        }
        var reader = CSVReader(bytes: bytes, name: name)
        guard let header = try reader.nextRow(), !(header.count == 1 && header[0].isEmpty) else {
            throw PlatformError(
                .invalidArgument,
                "'\(name)' is empty",
                remedy: "write a header line and rows"
            )
        }
        let names = try header.map { cell throws(PlatformError) in try reader.text(cell) }
        guard Set(names).count == names.count else {
            let twice = Dictionary(grouping: names, by: \.self).filter { $0.value.count > 1 }.keys.min() ?? ""
            throw PlatformError(.invalidArgument, "\(name):1: column '\(twice.prefix(80))' is there twice")
        }
        var cells: [[CSVReader.Cell]] = names.map { _ in [] }
        var rows = 0
        while let row = try reader.nextRow() {
            guard row.count == names.count else {
                throw PlatformError(
                    .invalidArgument,
                    "\(name):\(reader.rowLine): \(row.count) cells, the header has \(names.count)"
                )
            }
            rows += 1
            guard rows <= PipelineLimits.csvRowsMax else {
                throw PlatformError(
                    .invalidArgument,
                    "'\(name)' has more than \(PipelineLimits.csvRowsMax) rows"
                )
            }
            for (index, cell) in row.enumerated() { cells[index].append(cell) }
        }
        var columns: [Column] = []
        for (name, column) in zip(names, cells) {
            if let numbers = reader.numbers(column) {
                columns.append(Column(name: name, cells: .numbers(numbers)))
            } else {
                columns.append(
                    Column(
                        name: name,
                        cells: .texts(try column.map { cell throws(PlatformError) in try reader.text(cell) })
                    )
                )
            }
        }
        self.rows = rows
        self.columns = columns
    }
}
