import Foundation
public import SlipwayCore

/// Where a page of a search ended: the values that its last item is ordered by.
///
/// The next page begins after them, wherever other clients have put or removed items meanwhile. A count of
/// items passed would then repeat some and skip others.
public struct SearchCursor: Sendable, Hashable {
    public enum Value: Sendable, Hashable {
        case null
        case integer(Int64)
        case real(Double)
        case text(String)
    }

    /// One for each thing that the search is ordered by.
    public let values: [Value]

    /// The longest token that is read.
    private static let tokenBytesMax = 16 << 10

    public init(values: [Value]) {
        self.values = values
    }

    /// Reads a `page_token`.
    ///
    /// - Throws: `invalid_argument` for what no search of ours has given out.
    public init(token: String) throws(PlatformError) {
        guard
            token.utf8.count <= Self.tokenBytesMax,
            let data = Data(base64Encoded: token.replacing("-", with: "+").replacing("_", with: "/")),
            let items = try? JSONValue(parsing: data).arrayValue,
            !items.isEmpty
        else { throw Self.mistake(token) }
        var values: [Value] = []
        for item in items {
            guard let value = Self.value(item) else { throw Self.mistake(token) }
            values.append(value)
        }
        self.init(values: values)
    }

    /// Opaque to clients; safe in a URL.
    public var token: String {
        let items = values.map { value -> JSONValue in
            switch value {
            case .null: .null
            case .integer(let number): .int(number)
            case .real(let number): .object(["r": .string(String(number.bitPattern, radix: 16))])
            case .text(let text): .string(text)
            }
        }
        return Data(JSONValue.array(items).canonicalText.utf8).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_")
    }

    private static func value(_ item: JSONValue) -> Value? {
        if item.isNull { return .null }
        if let text = item.stringValue { return .text(text) }
        if let number = item.intValue { return .integer(number) }
        guard let bits = item["r"]?.stringValue.flatMap({ UInt64($0, radix: 16) }) else { return nil }
        let number = Double(bitPattern: bits)
        return number.isNaN ? nil : .real(number)
    }

    private static func mistake(_ token: String) -> PlatformError {
        PlatformError(.invalidArgument, "Invalid page token, could not parse '\(token.prefix(100))'")
    }
}
