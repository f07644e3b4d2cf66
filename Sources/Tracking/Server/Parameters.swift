import Foundation
import NIOCore
import SlipwayCore
import SlipwayTracking

/// The parameters of one call: the JSON body, or the query of a GET.
///
/// Reads them with MLflow's rules and messages. As in protobuf's JSON, an int64 may come as a text, and
/// a double as `"NaN"`, `"Infinity"` or `"-Infinity"`.
struct Parameters: Sendable {
    private let members: [String: JSONValue]
    /// A query cannot say that one value is a list of one.
    private let isQuery: Bool

    init(_ members: [String: JSONValue], isQuery: Bool = false) {
        self.members = members
        self.isQuery = isQuery
    }

    /// The query of a request, in the form that browsers and Python send: `+` is a space, a key that
    /// comes more than once is a list.
    init(query: String?) {
        var members: [String: JSONValue] = [:]
        // By bytes: a sign with a combining mark behind it is another character to Swift.
        for pair in (query ?? "").utf8.split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false).map(Self.decoded)
            guard let key = parts.first else { continue }
            let text = JSONValue.string(parts.count > 1 ? parts[1] : "")
            switch members[key] {
            case nil: members[key] = text
            case .array(let items): members[key] = .array(items + [text])
            case .some(let first): members[key] = .array([first, text])
            }
        }
        self.init(members, isQuery: true)
    }

    /// The query of a request's target: `/runs/get?run_id=x`.
    init(target: String?) {
        let target = target ?? ""
        self.init(query: target.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(target[$0...].utf8.dropFirst()) ?? "" })
    }

    /// A JSON object, or nothing.
    ///
    /// Untyped `throws`, and not inlined: Swift 6.3 crashes on what it makes of the other in an asynchronous caller.
    @inline(never)
    init(body: ByteBuffer) throws {
        isQuery = false
        guard body.readableBytes > 0 else {
            members = [:]
            return
        }
        guard let members = try JSONValue(parsing: body.readableBytesView).objectValue else {
            throw PlatformError(.invalidArgument, "the request body must be a JSON object")
        }
        self.members = members
    }

    /// Not Foundation's decoder, which takes away a byte order mark.
    private static func decoded(_ text: Substring.UTF8View) -> String {
        let spaced = String(decoding: text.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: " ") : $0 }, as: UTF8.self)
        return PercentEncoding.decoded(spaced) ?? spaced
    }

    /// With these values on top.
    func overlaid(_ others: [String: JSONValue]) -> Parameters {
        Parameters(members.merging(others) { _, other in other }, isQuery: isQuery)
    }

    func filtered(_ isKept: (String) -> Bool) -> Parameters {
        Parameters(members.filter { isKept($0.key) }, isQuery: isQuery)
    }

    func value(_ key: String) -> JSONValue? {
        guard let value = members[key], !value.isNull else { return nil }
        return value
    }

    func text(_ key: String) throws(PlatformError) -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value.stringValue else { throw invalid(value, key) }
        return text
    }

    func required(_ key: String) throws(PlatformError) -> String {
        guard let text = try text(key), !text.isEmpty else { throw missing(key) }
        return text
    }

    /// `run_id`, or the older `run_uuid`.
    func runID() throws(PlatformError) -> String {
        if let id = try text("run_id"), !id.isEmpty { return id }
        if let id = try text("run_uuid"), !id.isEmpty { return id }
        throw missing("run_id")
    }

    func int(_ key: String) throws(PlatformError) -> Int64? {
        guard let value = value(key) else { return nil }
        guard let number = value.intValue ?? value.stringValue.flatMap({ Int64($0) }) else { throw invalid(value, key) }
        return number
    }

    /// A case of an enumeration that comes as its number in the protocol, where the first is 1; `nil`: it does not.
    func numbered<Choice: CaseIterable>(_: Choice.Type, _ key: String) -> Choice? where Choice.AllCases == [Choice] {
        guard let value = value(key), let number = value.intValue ?? value.stringValue.flatMap({ Int64($0) }) else { return nil }
        return (1...Int64(Choice.allCases.count)).contains(number) ? Choice.allCases[Int(number) - 1] : nil
    }

    func double(_ key: String) throws(PlatformError) -> Double {
        guard let value = value(key) else { throw missing(key) }
        if let number = value.doubleValue { return number }
        if let isTrue = value.boolValue { return isTrue ? 1 : 0 }
        switch value.stringValue {
        case "NaN"?: return .nan
        case "Infinity"?, "inf"?: return .infinity
        case "-Infinity"?, "-inf"?: return -.infinity
        case let text?:
            guard let number = Double(text) else { throw invalid(value, key) }
            return number
        case nil: throw invalid(value, key)
        }
    }

    func bool(_ key: String) -> Bool? {
        value(key).flatMap { $0.boolValue ?? $0.stringValue.map { $0.lowercased() == "true" } }
    }

    func list(_ key: String) throws(PlatformError) -> [JSONValue] {
        guard let value = value(key) else { return [] }
        if isQuery, value.stringValue != nil { return [value] }
        guard let items = value.arrayValue else { throw invalid(value, key) }
        return items
    }

    func texts(_ key: String) throws(PlatformError) -> [String] {
        var texts: [String] = []
        for item in try list(key) {
            guard let text = item.stringValue ?? item.intValue.map(String.init) else { throw invalid(item, key) }
            texts.append(text)
        }
        return texts
    }

    /// The objects of a list.
    func objects(_ key: String) throws(PlatformError) -> [Parameters] {
        var objects: [Parameters] = []
        for item in try list(key) {
            guard let members = item.objectValue else { throw invalid(item, key) }
            objects.append(Parameters(members))
        }
        return objects
    }

    /// A list of `{"key":…,"value":…}`; the last of equal keys wins.
    func pairs(_ key: String) throws(PlatformError) -> [String: String] {
        Dictionary(try orderedPairs(key), uniquingKeysWith: { _, last in last })
    }

    /// The same in the order given, with what is given twice.
    func orderedPairs(_ key: String) throws(PlatformError) -> [(String, String)] {
        var pairs: [(String, String)] = []
        for (index, item) in try objects(key).enumerated() {
            guard let name = try item.text("key"), !name.isEmpty else { throw missing("\(key)[\(index)].key") }
            pairs.append((name, try item.text("value") ?? ""))
        }
        return pairs
    }

    /// The name of a registered model.
    func modelName(_ key: String = "name") throws(PlatformError) -> String {
        let name = try required(key)
        guard !name.allSatisfy(\.isWhitespace) else { throw NameRules.missing(key) }
        try NameRules.check(modelName: name)
        return name
    }

    /// The number of a version, as the text that stores and messages use.
    func modelVersion() throws(PlatformError) -> String {
        let version = try required("version")
        guard Int64(version) != nil else {
            throw PlatformError(.invalidArgument, "Parameter 'version' must be an integer, got '\(version.prefix(100))'.")
        }
        return version
    }

    func missing(_ key: String) -> PlatformError {
        PlatformError(.invalidArgument, "Missing value for required parameter '\(key)'. \(Self.hint)")
    }

    func invalid(_ value: JSONValue, _ key: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "Invalid value \(value.canonicalText.prefix(200)) for parameter '\(key)' supplied:  Hint: Value was of type "
                + "'\(Self.pythonType(value))'. \(Self.hint)"
        )
    }

    static let hint = "See the API docs for more information about request parameters."

    /// What MLflow's messages call a value's type.
    private static func pythonType(_ value: JSONValue) -> String {
        if value.isNull { return "NoneType" }
        if value.stringValue != nil { return "str" }
        if value.boolValue != nil { return "bool" }
        if value.intValue != nil { return "int" }
        if value.doubleValue != nil { return "float" }
        return value.arrayValue != nil ? "list" : "dict"
    }
}
