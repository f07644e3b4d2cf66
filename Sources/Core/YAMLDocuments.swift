import Yams

/// The documents of a YAML text as JSON values: what a chart renders, or a file that others define.
///
/// Files of ours are read by ``YAMLSection``, which refuses unknown keys; these are somebody else's.
public enum YAMLDocuments {
    /// How many documents one text may hold.
    public static let documentsMax = 10_000
    /// The largest text: a rendered chart with its definitions.
    public static let bytesMax = 32 << 20
    private static let depthMax = 128

    /// - Parameter name: What the text is called in messages.
    /// - Throws: `invalid_argument` with the line of a mistake, or for a key that is there twice.
    public static func parse(_ text: String, name: String) throws(PlatformError) -> [JSONValue] {
        guard text.utf8.count <= bytesMax else {
            throw PlatformError(.exhausted, "'\(name)' is larger than \(bytesMax >> 20) MiB")
        }
        var values: [JSONValue] = []
        do {
            for node in try Yams.compose_all(yaml: text) {
                guard values.count < documentsMax else {
                    throw PlatformError(.exhausted, "'\(name)' holds more than \(documentsMax) documents")
                }
                values.append(try value(node, name: name, depth: 0))
            }
        } catch {
            guard let known = error as? PlatformError else {
                throw PlatformError(.invalidArgument, "'\(name)' is not valid YAML: \(YAMLSection.reason(error))", cause: error)
            }
            throw known
        }
        return values.filter { !$0.isNull }
    }

    private static func value(_ node: Node, name: String, depth: Int) throws -> JSONValue {
        guard depth < depthMax else {
            throw PlatformError(.invalidArgument, "'\(name)' is nested deeper than \(depthMax)")
        }
        switch node {
        case .scalar(let scalar): return value(scalar)
        case .sequence(let items): return .array(try items.map { try value($0, name: name, depth: depth + 1) })
        case .mapping(let mapping):
            var members: [String: JSONValue] = [:]
            for (key, item) in mapping {
                guard case .scalar(let text) = key else {
                    throw PlatformError(.invalidArgument, "'\(name)' has a key that is no plain text at line \(key.mark?.line ?? 0)")
                }
                guard members.updateValue(try value(item, name: name, depth: depth + 1), forKey: text.string) == nil else {
                    throw PlatformError(.invalidArgument, "'\(name)' has key '\(text.string.prefix(80))' twice at line \(key.mark?.line ?? 0)")
                }
            }
            return .object(members)
        case .alias:
            throw PlatformError(.invalidArgument, "'\(name)' uses an anchor that is not declared")
        }
    }

    /// Plain scalars as YAML's core schema reads them; quoted ones are texts.
    private static func value(_ scalar: Node.Scalar) -> JSONValue {
        let text = scalar.string
        guard scalar.style == .plain || scalar.style == .any else { return .string(text) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default: break
        }
        guard let first = text.utf8.first, isNumberStart(first) else { return .string(text) }
        if let number = Int64(text) { return .int(number) }
        let isDecimal = text.utf8.allSatisfy { isNumberStart($0) || $0 == UInt8(ascii: "e") || $0 == UInt8(ascii: "E") }
        if isDecimal, let number = Double(text), number.isFinite { return .double(number) }
        return .string(text)
    }

    private static func isNumberStart(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || [UInt8(ascii: "-"), UInt8(ascii: "+"), UInt8(ascii: ".")].contains(byte)
    }
}
