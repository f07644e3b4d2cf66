import Yams

/// A mapping of a YAML file whose every key must be expected.
///
/// An unknown key is refused with its line and the nearest known one: a typing mistake in a policy must
/// not become the default.
public struct YAMLSection {
    public let file: String
    /// `spec.rollout`; empty at the root.
    public let path: String
    public let line: Int
    public private(set) var keys: [String] = []
    private var nodes: [String: Node] = [:]
    private var lines: [String: Int] = [:]

    public static func parse(_ text: String, file: String) throws(PlatformError) -> YAMLSection {
        guard text.utf8.count <= Limits.yamlBytesMax else {
            throw PlatformError(.invalidArgument, "'\(file)' is larger than \(Limits.yamlBytesMax >> 10) KiB")
        }
        if let anchor = repeatedAnchor(in: text) {
            throw PlatformError(
                .invalidArgument,
                "'\(file)' repeats the anchor '\(anchor.prefix(40))'",
                remedy: "write the value out where it is used"
            )
        }
        let node: Node?
        do {
            node = try Yams.compose(yaml: text)
        } catch {
            throw PlatformError(.invalidArgument, "'\(file)' is not valid YAML: \(Self.reason(error))", cause: error)
        }
        guard let node else { throw PlatformError(.invalidArgument, "'\(file)' is empty") }
        return try YAMLSection(node, file: file, path: "")
    }

    /// An anchor that an alias may repeat: aliases of aliases make a few lines take for ever to compose.
    ///
    /// Looks at bytes, before any YAML is read, and so in comments and quotes too.
    private static func repeatedAnchor(in text: String) -> String? {
        let bytes = Array(text.utf8)
        var anchors: Set<ArraySlice<UInt8>> = []
        for (place, byte) in bytes.enumerated() where byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") {
            let name = bytes[(place + 1)...].prefix { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"): true
                default: false
                }
            }
            if byte == UInt8(ascii: "&") {
                anchors.insert(name)
            } else if !name.isEmpty, anchors.contains(name) {
                return String(decoding: name, as: UTF8.self)
            }
        }
        return nil
    }

    static func reason(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "line \(mark.line): \(problem)"
        case .duplicatedKeysInMapping(let duplicates, _):
            "key '\(duplicates.sorted().first ?? "")' is there twice"
        default: "it cannot be read"
        }
    }

    init(_ node: Node, file: String, path: String) throws(PlatformError) {
        self.file = file
        self.path = path
        self.line = node.mark?.line ?? 1
        guard case .mapping(let mapping) = node else {
            throw Self.mistake(file, line, "'\(path)' must be a mapping of keys to values")
        }
        for (key, value) in mapping {
            guard case .scalar(let scalar) = key else {
                throw Self.mistake(file, key.mark?.line ?? line, "a key under '\(path)' is no plain text")
            }
            guard nodes.updateValue(value, forKey: scalar.string) == nil else {
                throw Self.mistake(file, key.mark?.line ?? line, "key '\(scalar.string)' is there twice")
            }
            keys.append(scalar.string)
            lines[scalar.string] = key.mark?.line
        }
    }

    /// - Throws: For the first key that is not one of `known`.
    public func expect(_ known: [String]) throws(PlatformError) {
        for key in keys where !known.contains(key) {
            let place = path.isEmpty ? "" : " under '\(path)'"
            throw PlatformError(
                .invalidArgument,
                "\(file):\(lineOf(key)): unknown key '\(key.prefix(80))'\(place)",
                remedy: Self.nearest(key, known).map { "did you mean '\($0)'?" }
                    ?? "known are \(known.map { "'\($0)'" }.joined(separator: ", "))"
            )
        }
    }

    public func has(_ key: String) -> Bool {
        nodes[key].map { !Self.isNull($0) } ?? false
    }

    /// Where the key stands; its value may begin further down.
    public func lineOf(_ key: String) -> Int { lines[key] ?? line }

    public func mistake(_ key: String, _ what: String, remedy: String? = nil) -> PlatformError {
        Self.mistake(file, lineOf(key), "'\(path.isEmpty ? key : "\(path).\(key)")' \(what)", remedy: remedy)
    }

    public func section(_ key: String) throws(PlatformError) -> YAMLSection? {
        guard let node = nodes[key], !Self.isNull(node) else { return nil }
        return try YAMLSection(node, file: file, path: path.isEmpty ? key : "\(path).\(key)")
    }

    public func text(_ key: String) throws(PlatformError) -> String? {
        guard let node = nodes[key], !Self.isNull(node) else { return nil }
        guard case .scalar(let scalar) = node else { throw mistake(key, "must be a text") }
        return scalar.string
    }

    public func texts(_ key: String) throws(PlatformError) -> [String]? {
        guard let node = nodes[key] else { return nil }
        guard case .sequence(let items) = node else { throw mistake(key, "must be a list") }
        var texts: [String] = []
        for item in items {
            guard case .scalar(let scalar) = item else { throw mistake(key, "must be a list of texts") }
            texts.append(scalar.string)
        }
        return texts
    }

    /// Every value under the key, as text.
    public func table(_ key: String) throws(PlatformError) -> [String: String] {
        guard let section = try section(key) else { return [:] }
        var table: [String: String] = [:]
        for name in section.keys { table[name] = try section.text(name) ?? "" }
        return table
    }

    public func number(_ key: String, in range: ClosedRange<Double>) throws(PlatformError) -> Double? {
        guard let text = try text(key) else { return nil }
        guard let number = Double(text), range.contains(number) else {
            throw mistake(key, "must be a number from \(range.lowerBound) to \(range.upperBound), not '\(text.prefix(40))'")
        }
        return number
    }

    public func integer(_ key: String, in range: ClosedRange<Int>) throws(PlatformError) -> Int? {
        guard let text = try text(key) else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw mistake(key, "must be a whole number from \(range.lowerBound) to \(range.upperBound), not '\(text.prefix(40))'")
        }
        return number
    }

    public func flag(_ key: String) throws(PlatformError) -> Bool? {
        guard let text = try text(key) else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default: throw mistake(key, "must be true or false, not '\(text.prefix(40))'")
        }
    }

    public func choice<Choice: RawRepresentable & CaseIterable>(
        _ key: String,
        _ type: Choice.Type
    ) throws(PlatformError) -> Choice? where Choice.RawValue == String {
        guard let text = try text(key) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let known = Choice.allCases.map(\.rawValue)
            throw mistake(
                key,
                "must be one of \(known.map { "'\($0)'" }.joined(separator: ", ")), not '\(text.prefix(40))'",
                remedy: Self.nearest(text, known).map { "did you mean '\($0)'?" }
            )
        }
        return choice
    }

    private static func mistake(_ file: String, _ line: Int, _ what: String, remedy: String? = nil) -> PlatformError {
        PlatformError(.invalidArgument, "\(file):\(line): \(what)", remedy: remedy)
    }

    private static func isNull(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.style == .plain && ["", "~", "null"].contains(scalar.string)
    }

    /// The known word that is a few letters away.
    public static func nearest(_ word: String, _ known: [String]) -> String? {
        let word = word.prefix(64).lowercased()
        let distances = known.map { (name: $0, distance: editDistance(Array(word), Array($0.lowercased()))) }
        guard let best = distances.min(by: { $0.distance < $1.distance }),
            best.distance <= max(1, min(word.count, best.name.count) / 3 + 1), best.distance < best.name.count
        else { return nil }
        return best.name
    }

    /// Insertions, deletions, replacements and swaps of neighbours.
    private static func editDistance(_ left: [Character], _ right: [Character]) -> Int {
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for (row, letter) in left.enumerated() {
            var current = [row + 1]
            for (column, other) in right.enumerated() {
                var best = min(previous[column + 1] + 1, current[column] + 1, previous[column] + (letter == other ? 0 : 1))
                if row > 0, column > 0, letter == right[column - 1], left[row - 1] == other {
                    best = min(best, beforePrevious[column - 1] + 1)
                }
                current.append(best)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
