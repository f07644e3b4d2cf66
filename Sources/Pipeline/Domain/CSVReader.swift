import SlipwayCore

/// Splits bytes into rows of cells without copying them.
struct CSVReader {
    struct Cell {
        let start: Int
        let end: Int
        /// Whether a `""` in it stands for one quote.
        let hasEscapes: Bool

        var isEmpty: Bool { start == end }
    }

    private let bytes: [UInt8]
    private let name: String
    private var offset = 0
    private var line = 1
    /// The line on which the last row began.
    private(set) var rowLine = 1

    init(bytes: [UInt8], name: String) {
        self.bytes = bytes
        self.name = name
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    /// `nil` at the end.
    mutating func nextRow() throws(PlatformError) -> [Cell]? {
        skipEmptyLines()
        guard offset < bytes.count else { return nil }
        rowLine = line
        var cells: [Cell] = []
        while true {
            cells.append(try nextCell())
            guard cells.count <= PipelineLimits.csvColumnsMax else {
                throw mistake("more than \(PipelineLimits.csvColumnsMax) cells")
            }
            guard offset < bytes.count else { return cells }
            guard bytes[offset] == UInt8(ascii: ",") else {
                skipLineEnd()
                return cells
            }
            offset += 1
        }
    }

    func text(_ cell: Cell) throws(PlatformError) -> String {
        guard let text = String(validating: bytes[cell.start..<cell.end], as: UTF8.self) else {
            throw PlatformError(
                .invalidArgument,
                "'\(name)' has a cell at byte \(cell.start) that is not UTF-8"
            )
        }
        return cell.hasEscapes
            ? text.split(separator: "\"\"", omittingEmptySubsequences: false).joined(separator: "\"") : text
    }

    /// Every cell as a number, an empty one as NaN; `nil` when one is something else, or all are empty.
    func numbers(_ cells: [Cell]) -> [Double]? {
        var numbers: [Double] = []
        numbers.reserveCapacity(cells.count)
        var isAnyThere = cells.isEmpty
        for cell in cells {
            if cell.isEmpty {
                numbers.append(.nan)
                continue
            }
            guard let number = number(cell) else { return nil }
            numbers.append(number)
            isAnyThere = true
        }
        return isAnyThere ? numbers : nil
    }

    private func number(_ cell: Cell) -> Double? {
        var start = cell.start
        var end = cell.end
        while start < end, bytes[start] == 0x20 { start += 1 }
        while end > start, bytes[end - 1] == 0x20 { end -= 1 }
        guard end - start <= 64 else { return nil }
        return Double(String(decoding: bytes[start..<end], as: UTF8.self))
    }

    private mutating func nextCell() throws(PlatformError) -> Cell {
        guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else {
            let start = offset
            while offset < bytes.count, !isCellEnd(bytes[offset]) { offset += 1 }
            return try checked(Cell(start: start, end: offset, hasEscapes: false))
        }
        offset += 1
        let start = offset
        var hasEscapes = false
        while true {
            guard offset < bytes.count else { throw mistake("a quoted cell does not close") }
            let byte = bytes[offset]
            if byte == 0x0A { line += 1 }
            offset += 1
            guard byte == UInt8(ascii: "\"") else { continue }
            guard offset < bytes.count, bytes[offset] == UInt8(ascii: "\"") else { break }
            hasEscapes = true
            offset += 1
        }
        guard offset == bytes.count || isCellEnd(bytes[offset]) else {
            throw mistake("text follows a quoted cell")
        }
        return try checked(Cell(start: start, end: offset - 1, hasEscapes: hasEscapes))
    }

    private func checked(_ cell: Cell) throws(PlatformError) -> Cell {
        guard cell.end - cell.start <= PipelineLimits.csvCellBytesMax else {
            throw mistake("a cell of more than \(PipelineLimits.csvCellBytesMax >> 10) KiB")
        }
        return cell
    }

    private func isCellEnd(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == 0x0A || (byte == 0x0D)
    }

    private mutating func skipLineEnd() {
        if bytes[offset] == 0x0D { offset += 1 }
        if offset < bytes.count, bytes[offset] == 0x0A { offset += 1 }
        line += 1
    }

    private mutating func skipEmptyLines() {
        while offset < bytes.count, bytes[offset] == 0x0A || bytes[offset] == 0x0D { skipLineEnd() }
    }

    private func mistake(_ what: String) -> PlatformError {
        PlatformError(.invalidArgument, "\(name):\(rowLine): \(what)")
    }
}
