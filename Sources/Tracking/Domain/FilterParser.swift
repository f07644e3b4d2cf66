public import SlipwayCore

/// Parses MLflow's filter language and its `order_by` terms.
///
/// ```
/// filter     = condition { "AND" condition }
/// condition  = field ( operator value | [ "NOT" ] "IN" "(" text { "," text } ")"
///                    | ( "LIKE" | "ILIKE" ) text | "IS" [ "NOT" ] "NULL" )
/// field      = [ entity "." ] key      key: a word, or quoted with ` or "
/// ```
/// https://mlflow.org/docs/latest/search-runs.html
public struct FilterParser {
    private var tokens: [FilterToken]
    private var next = 0
    private let text: String

    private init(_ text: String) throws(PlatformError) {
        self.text = text
        self.tokens = try FilterToken.all(of: text)
    }

    public static func filter(_ text: String) throws(PlatformError) -> Filter {
        var parser = try FilterParser(text)
        guard !parser.tokens.isEmpty else { return .everything }
        var conditions = [try parser.condition()]
        while parser.takeWord("AND") { conditions.append(try parser.condition()) }
        guard parser.next == parser.tokens.count else { throw parser.mistake("expected AND") }
        return Filter(conditions: conditions)
    }

    public static func sortTerm(_ text: String) throws(PlatformError) -> SortTerm {
        var parser = try FilterParser(text)
        let field = try parser.field()
        let isDescending = parser.takeWord("DESC")
        if !isDescending { _ = parser.takeWord("ASC") }
        guard parser.next == parser.tokens.count else {
            throw PlatformError(.invalidArgument, "Invalid order_by clause '\(text)'")
        }
        return SortTerm(field: field, isAscending: !isDescending)
    }

    private func mistake(_ what: String) -> PlatformError {
        PlatformError(.invalidArgument, "Invalid filter '\(text.prefix(300))': \(what)")
    }

    private mutating func take() throws(PlatformError) -> FilterToken {
        guard next < tokens.count else { throw mistake("it ends too early") }
        next += 1
        return tokens[next - 1]
    }

    private mutating func takeWord(_ word: String) -> Bool {
        guard next < tokens.count, case .word(let found) = tokens[next], found.uppercased() == word else { return false }
        next += 1
        return true
    }

    private mutating func takeSymbol(_ symbol: String) -> Bool {
        guard next < tokens.count, tokens[next] == .symbol(symbol) else { return false }
        next += 1
        return true
    }

    private mutating func condition() throws(PlatformError) -> Filter.Condition {
        Filter.Condition(field: try field(), comparison: try comparison())
    }

    private mutating func field() throws(PlatformError) -> Filter.Field {
        let first = try name()
        guard takeSymbol(".") else { return Filter.Field(kind: .attribute, key: first) }
        let kind: Filter.Field.Kind
        switch first {
        case "attribute", "attributes", "attr", "run": kind = .attribute
        case "metric", "metrics": kind = .metric
        case "param", "params", "parameter", "parameters": kind = .parameter
        case "tag", "tags": kind = .tag
        case "dataset", "datasets": kind = .dataset
        default: throw mistake("'\(first)' is not an entity: use attributes, metrics, params, tags or datasets")
        }
        var key = try name()
        // Keys may have dots without quotes: tags.mlflow.user.
        while takeSymbol(".") { key += "." + (try name()) }
        return Filter.Field(kind: kind, key: key)
    }

    private mutating func name() throws(PlatformError) -> String {
        switch try take() {
        case .word(let text), .quotedName(let text): text
        case .text(let text, let isDouble) where isDouble: text
        default: throw mistake("expected a name")
        }
    }

    private mutating func comparison() throws(PlatformError) -> Filter.Comparison {
        if takeWord("LIKE") { return .like(pattern: try string(), ignoresCase: false) }
        if takeWord("ILIKE") { return .like(pattern: try string(), ignoresCase: true) }
        if takeWord("IN") { return .isIn(try list()) }
        if takeWord("NOT") {
            guard takeWord("IN") else { throw mistake("expected IN after NOT") }
            return .isNotIn(try list())
        }
        if takeWord("IS") {
            let isNot = takeWord("NOT")
            guard takeWord("NULL") else { throw mistake("expected NULL") }
            return isNot ? .isNotNull : .isNull
        }
        guard case .symbol(let symbol) = try take(), let comparator = Filter.Operator(rawValue: symbol) else {
            throw mistake("expected a comparison")
        }
        switch try take() {
        case .text(let text, _): return .compare(comparator, .text(text))
        case .number(let number): return .compare(comparator, .number(number))
        default: throw mistake("expected a number or a text in quotes")
        }
    }

    private mutating func string() throws(PlatformError) -> String {
        guard case .text(let text, _) = try take() else { throw mistake("expected a text in quotes") }
        return text
    }

    private mutating func list() throws(PlatformError) -> [String] {
        guard takeSymbol("(") else { throw mistake("expected '('") }
        var items = [try string()]
        while takeSymbol(",") {
            if takeSymbol(")") { return items }
            items.append(try string())
        }
        guard takeSymbol(")") else { throw mistake("expected ')'") }
        return items
    }
}

/// What a filter is made of.
enum FilterToken: Equatable {
    case word(String)
    /// In backticks: always a name.
    case quotedName(String)
    case text(String, isDouble: Bool)
    case number(Double)
    case symbol(String)

    /// The longest filter that is read.
    static let bytesMax = 64 << 10

    private var isComparison: Bool {
        if case .symbol(let symbol) = self { Filter.Operator(rawValue: symbol) != nil } else { false }
    }

    static func all(of text: String) throws(PlatformError) -> [FilterToken] {
        guard text.utf8.count <= bytesMax else {
            throw PlatformError(.invalidArgument, "Invalid filter: longer than \(bytesMax) bytes")
        }
        var tokens: [FilterToken] = []
        let characters = Array(text.unicodeScalars)
        var index = 0
        while index < characters.count {
            let character = characters[index]
            switch character {
            case " ", "\t", "\n", "\r": index += 1
            case "'", "\"", "`":
                tokens.append(try quoted(characters, &index, text: text))
            // After a comparison, a dot begins a number.
            case "." where tokens.last?.isComparison == true:
                tokens.append(try wordOrNumber(characters, &index, text: text, after: tokens.last))
            case "(", ")", ",", ".":
                tokens.append(.symbol(String(character)))
                index += 1
            case "=", "!", "<", ">":
                tokens.append(try comparator(characters, &index, text: text))
            default:
                tokens.append(try wordOrNumber(characters, &index, text: text, after: tokens.last))
            }
        }
        return tokens
    }

    private static func quoted(_ characters: [Unicode.Scalar], _ index: inout Int, text: String) throws(PlatformError) -> FilterToken {
        let quote = characters[index]
        var value = String.UnicodeScalarView()
        index += 1
        while index < characters.count {
            let character = characters[index]
            index += 1
            if character == quote {
                let string = String(value)
                return quote == "`" ? .quotedName(string) : .text(string, isDouble: quote == "\"")
            }
            if character == "\\", index < characters.count, characters[index] == quote || characters[index] == "\\" {
                value.append(characters[index])
                index += 1
            } else {
                value.append(character)
            }
        }
        throw PlatformError(.invalidArgument, "Invalid filter '\(text.prefix(300))': a quote that does not end")
    }

    private static func comparator(_ characters: [Unicode.Scalar], _ index: inout Int, text: String) throws(PlatformError) -> FilterToken {
        var symbol = String(characters[index])
        index += 1
        if index < characters.count, characters[index] == "=" {
            symbol += "="
            index += 1
        }
        if symbol == "==" { symbol = "=" }
        guard Filter.Operator(rawValue: symbol) != nil else {
            throw PlatformError(.invalidArgument, "Invalid filter '\(text.prefix(300))': '\(symbol)' is no comparison")
        }
        return .symbol(symbol)
    }

    private static func wordOrNumber(
        _ characters: [Unicode.Scalar],
        _ index: inout Int,
        text: String,
        after previous: FilterToken?
    ) throws(PlatformError) -> FilterToken {
        let expectsValue = previous?.isComparison == true
        var word = ""
        while index < characters.count {
            let character = characters[index]
            let isWord = character.properties.isAlphabetic || character.properties.numericType != nil || "_-/:@#$%&*+;?^|~[]{}".unicodeScalars.contains(character)
            guard isWord || (expectsValue && character == ".") else { break }
            word.unicodeScalars.append(character)
            index += 1
        }
        guard !word.isEmpty else {
            throw PlatformError(.invalidArgument, "Invalid filter '\(text.prefix(300))': '\(characters[index])' is not expected")
        }
        if expectsValue {
            guard let number = Double(word) else {
                throw PlatformError(.invalidArgument, "Invalid filter '\(text.prefix(300))': '\(word.prefix(80))' is neither a number nor in quotes")
            }
            return .number(number)
        }
        return .word(word)
    }
}
