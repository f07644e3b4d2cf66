public import SlipwayCore

/// Parses MLflow's filter language and its `order_by` terms.
///
/// ```
/// filter     = { condition | "AND" }
/// condition  = field ( operator value | [ "NOT" ] "IN" "(" text { "," text } ")"
///                    | ( "LIKE" | "ILIKE" ) text | "IS" [ "NOT" ] "NULL" )
/// field      = [ entity "." ] key      key: a word, or quoted with ` or "
/// ```
///
/// All conditions must hold: like MLflow, this does not insist on the AND between them, nor mind one too many.
/// What is no condition is refused first, wherever it is; then the first condition that means nothing.
/// https://mlflow.org/docs/latest/search-runs.html
public struct FilterParser {
    private let lexemes: [FilterLexeme]
    private let text: String
    private let words: FilterWords
    private var next = 0
    /// The first condition that is well formed and means nothing.
    private var refusal: PlatformError?

    private init(_ text: String, _ words: FilterWords) throws(PlatformError) {
        self.text = text
        self.words = words
        self.lexemes = try FilterLexeme.all(of: text)
    }

    public static func filter(_ text: String, words: FilterWords = .runs) throws(PlatformError) -> Filter {
        var parser = try FilterParser(text, words)
        var conditions: [Filter.Condition] = []
        while true {
            while parser.takeWord("AND") {}
            guard parser.next < parser.lexemes.count else { break }
            let start = parser.next
            do {
                conditions.append(try parser.condition())
            } catch {
                throw parser.mistake(at: start)
            }
        }
        if let refusal = parser.refusal { throw refusal }
        return Filter(conditions: conditions)
    }

    public static func sortTerm(_ text: String, words: FilterWords = .runs) throws(PlatformError) -> SortTerm {
        var parser = try FilterParser(text, words)
        let unreadable = PlatformError(.invalidArgument, "Invalid order_by clause '\(text.prefix(300))'. Could not be parsed.")
        let field: Filter.Field
        do { field = try parser.field() } catch { throw unreadable }
        let isDescending = parser.takeWord("DESC")
        let hasDirection = isDescending || parser.takeWord("ASC")
        guard parser.next == parser.lexemes.count else {
            guard !hasDirection, parser.next == parser.lexemes.count - 1, case .word = parser.lexemes[parser.next].token else { throw unreadable }
            throw PlatformError(.invalidArgument, "Invalid ordering key in order_by clause '\(text.prefix(300))'.")
        }
        if let refusal = parser.refusal { throw refusal }
        return SortTerm(field: field, isAscending: !isDescending)
    }

    /// The text is no condition. What is refused is told by where it began.
    private struct NoCondition: Error {}

    private mutating func refuse(_ error: PlatformError) {
        refusal = refusal ?? error
    }

    private mutating func take() throws(NoCondition) -> FilterLexeme {
        guard next < lexemes.count else { throw NoCondition() }
        next += 1
        return lexemes[next - 1]
    }

    private mutating func takeWord(_ word: String) -> Bool {
        guard next < lexemes.count, case .word(let found) = lexemes[next].token, found.uppercased() == word else { return false }
        next += 1
        return true
    }

    private mutating func takeSymbol(_ symbol: String) -> Bool {
        guard next < lexemes.count, lexemes[next].token == .symbol(symbol) else { return false }
        next += 1
        return true
    }

    private mutating func condition() throws(NoCondition) -> Filter.Condition {
        let field = try field()
        return Filter.Condition(field: field, comparison: try comparison(of: field))
    }

    private mutating func field() throws(NoCondition) -> Filter.Field {
        let first = try name()
        if case .word(let word) = lexemes[next - 1].token, FilterLexeme.isNumber(word) { throw NoCondition() }
        guard takeSymbol(".") else { return Filter.Field(kind: .attribute, key: first) }
        var kind = Filter.Field.Kind.attribute
        switch first {
        case "attribute", "attributes", "attr", "run": kind = .attribute
        case "metric", "metrics": kind = .metric
        case "param", "params", "parameter", "parameters": kind = .parameter
        case "tag", "tags": kind = .tag
        case "dataset", "datasets": kind = .dataset
        default: refuse(words.entity(first))
        }
        var key = try name()
        // Keys may have dots without quotes: tags.mlflow.user.
        while takeSymbol(".") { key += "." + (try name()) }
        return Filter.Field(kind: kind, key: key)
    }

    private func mistake(at start: Int) -> PlatformError {
        let first = lexemes[start]
        let isValue =
            switch first.token {
            case .text(_, let isDouble): !isDouble
            case .word(let word): FilterLexeme.isNumber(word)
            default: false
            }
        if isValue, start + 1 < lexemes.count, case .symbol(let symbol) = lexemes[start + 1].token, FilterLexeme.isComparison(symbol) {
            return PlatformError(.invalidArgument, "Invalid comparison clause. Expected 'Identifier' found '\(first.source.prefix(300))'")
        }
        return words.clauses(pieces(from: start))
    }

    private mutating func name() throws(NoCondition) -> String {
        switch try take().token {
        case .word(let text), .quotedName(let text): return text
        case .text(let text, let isDouble) where isDouble: return text
        default: throw NoCondition()
        }
    }

    private mutating func comparison(of field: Filter.Field) throws(NoCondition) -> Filter.Comparison {
        if takeWord("LIKE") { return .like(pattern: try pattern("LIKE", field), ignoresCase: false) }
        if takeWord("ILIKE") { return .like(pattern: try pattern("ILIKE", field), ignoresCase: true) }
        if takeWord("IN") { return .isIn(try list(of: field)) }
        if takeWord("NOT") {
            if takeWord("IN") { return .isNotIn(try list(of: field)) }
            for word in ["LIKE", "ILIKE", "RLIKE"] where takeWord(word) { return try unknown("NOT \(word)", field) }
            throw NoCondition()
        }
        if takeWord("RLIKE") { return try unknown("RLIKE", field) }
        if takeWord("IS") {
            let isNot = takeWord("NOT")
            guard takeWord("NULL") else { throw NoCondition() }
            return isNot ? .isNotNull : .isNull
        }
        guard case .symbol(let symbol) = try take().token, FilterLexeme.isComparison(symbol) else { throw NoCondition() }
        guard let comparator = Filter.Operator(rawValue: symbol) else { return try unknown(symbol, field) }
        let value = try take()
        switch value.token {
        case .text(let text, _): return .compare(comparator, .text(text))
        case .number(let number): return .compare(comparator, .number(number))
        case .word, .quotedName:
            refuse(words.unquoted(value.source, for: field))
            return .compare(comparator, .text(value.source))
        case .symbol, .stray: throw NoCondition()
        }
    }

    /// A comparison that nothing can be compared by: reads what it is compared with, and goes on.
    private mutating func unknown(_ comparator: String, _ field: Filter.Field) throws(NoCondition) -> Filter.Comparison {
        switch try take().token {
        case .text, .number, .word, .quotedName: break
        case .symbol, .stray: throw NoCondition()
        }
        refuse(words.comparator(comparator, of: field, isNumber: false))
        return .isNotNull
    }

    private mutating func pattern(_ comparator: String, _ field: Filter.Field) throws(NoCondition) -> String {
        let value = try take()
        switch value.token {
        case .text(let text, _): return text
        case .word, .quotedName: refuse(words.unquoted(value.source, for: field))
        case .number where field.kind == .metric: refuse(words.comparator(comparator, of: field, isNumber: true))
        case .number: refuse(words.notText(value.source, for: field))
        case .symbol, .stray: throw NoCondition()
        }
        return value.source
    }

    private mutating func list(of field: Filter.Field) throws(NoCondition) -> [String] {
        guard takeSymbol("(") else { throw NoCondition() }
        var items: [String] = []
        var sources: [String] = []
        var isText = true
        while !takeSymbol(")") {
            if !items.isEmpty {
                guard takeSymbol(",") else { throw NoCondition() }
                if takeSymbol(")") { break }
            }
            let item = try take()
            switch item.token {
            case .text(let text, _): items.append(text)
            case .word, .number, .quotedName:
                isText = false
                items.append(item.source)
            case .symbol, .stray: throw NoCondition()
            }
            sources.append(item.source)
        }
        if (field.kind == .attribute || field.kind == .dataset) && (items.isEmpty || !isText) { refuse(words.list(isText ? [] : sources, for: field)) }
        return items
    }

    /// What stands there instead of a condition, piece by piece, up to the next AND.
    private func pieces(from start: Int) -> [String] {
        switch lexemes[start].token {
        case .word(let word) where ["OR", "NOT"].contains(word.uppercased()): return [lexemes[start].source]
        case .symbol("("): return [group(from: start)]
        default: break
        }
        var pieces: [String] = []
        var isJoined = false
        for lexeme in lexemes[start...] {
            if case .word(let word) = lexeme.token, word.uppercased() == "AND", !pieces.isEmpty { break }
            // A path is one piece.
            if (isJoined || lexeme.token == .symbol(".")), let last = pieces.popLast() {
                pieces.append(last + lexeme.source)
            } else {
                pieces.append(lexeme.source)
            }
            isJoined = lexeme.token == .symbol(".")
        }
        return pieces
    }

    /// From the parenthesis to the one that closes it, or to the end.
    private func group(from start: Int) -> String {
        var depth = 0
        var group = ""
        for lexeme in lexemes[start...] {
            if lexeme.token == .symbol("(") { depth += 1 }
            if lexeme.token == .symbol(")") { depth -= 1 }
            group += (group.isEmpty || !lexeme.followsSpace ? "" : " ") + lexeme.source
            if depth == 0 { break }
        }
        return group
    }
}
