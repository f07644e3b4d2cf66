import SlipwayCore

/// What a filter is made of: a token, as it was written.
struct FilterLexeme: Equatable {
    enum Token: Equatable {
        case word(String)
        /// In backticks: always a name.
        case quotedName(String)
        case text(String, isDouble: Bool)
        case number(Double)
        case symbol(String)
        /// What has no place in any filter: a quote that does not end, a sign that means nothing.
        case stray
    }

    let token: Token
    let source: String
    let followsSpace: Bool

    /// The longest filter that is read.
    static let bytesMax = 64 << 10

    /// `=`, `!=`, `<`, `<=`, …, and what people write who think of other languages: `==`, `<>`, `=>`.
    static func isComparison(_ symbol: String) -> Bool {
        symbol.unicodeScalars.allSatisfy { "=!<>".unicodeScalars.contains($0) }
    }

    /// Decimal: neither `nan` nor `0x1F`, which Swift would read, too.
    static func isNumber(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { "0123456789.+-eE".unicodeScalars.contains($0) } && Double(text) != nil
    }

    static func all(of text: String) throws(PlatformError) -> [FilterLexeme] {
        guard text.utf8.count <= bytesMax else {
            throw PlatformError(.invalidArgument, "Invalid filter: longer than \(bytesMax) bytes")
        }
        var lexer = Lexer(characters: Array(text.unicodeScalars))
        return lexer.all()
    }
}

private struct Lexer {
    let characters: [Unicode.Scalar]
    var index = 0
    /// After a comparison comes a value, which may be a number.
    var expectsValue = false
    /// Quotes of which one did not end, so that no other will: looked for once, whatever a text is made of.
    var endless: Set<Unicode.Scalar> = []

    mutating func all() -> [FilterLexeme] {
        var lexemes: [FilterLexeme] = []
        var followsSpace = false
        while index < characters.count {
            if [" ", "\t", "\n", "\r"].contains(characters[index]) {
                index += 1
                followsSpace = true
                continue
            }
            let start = index
            let token = token()
            expectsValue = if case .symbol(let symbol) = token { FilterLexeme.isComparison(symbol) || ["(", ","].contains(symbol) } else { false }
            if case .word(let word) = token, ["LIKE", "ILIKE"].contains(word.uppercased()) { expectsValue = true }
            var source = String.UnicodeScalarView()
            source.append(contentsOf: characters[start..<index])
            lexemes.append(FilterLexeme(token: token, source: String(source), followsSpace: followsSpace))
            followsSpace = false
        }
        return lexemes
    }

    private mutating func token() -> FilterLexeme.Token {
        let character = characters[index]
        switch character {
        case "'", "\"", "`": return quoted()
        // After a comparison, a dot begins a number.
        case "." where expectsValue: return wordOrNumber()
        case "(", ")", ",", ".":
            index += 1
            return .symbol(String(character))
        case "=", "!", "<", ">":
            let start = index
            while index < characters.count, "=!<>".unicodeScalars.contains(characters[index]) { index += 1 }
            return .symbol(String(String.UnicodeScalarView(characters[start..<index])))
        default: return wordOrNumber()
        }
    }

    private mutating func quoted() -> FilterLexeme.Token {
        let start = index
        let quote = characters[index]
        var value = String.UnicodeScalarView()
        index += 1
        while index < characters.count, !endless.contains(quote) {
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
        // It does not end: the quote is what is wrong, and the rest is read as if it were not there.
        endless.insert(quote)
        index = start + 1
        return .stray
    }

    private mutating func wordOrNumber() -> FilterLexeme.Token {
        let start = index
        var word = String.UnicodeScalarView()
        while index < characters.count {
            let character = characters[index]
            let isWord = character.properties.isAlphabetic || character.properties.numericType != nil || "_-/:@#$%&*+;?^|~[]{}".unicodeScalars.contains(character)
            guard isWord || (expectsValue && character == ".") else { break }
            word.append(character)
            index += 1
        }
        guard index > start else {
            index += 1
            return .stray
        }
        let text = String(word)
        // Names of metrics have dots, too, and are no values.
        if expectsValue, FilterLexeme.isNumber(text), let number = Double(text) { return .number(number) }
        return .word(text)
    }
}
