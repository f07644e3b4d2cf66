import Foundation

/// Codable knows one kind of number, so a whole double may come back as an integer; canonical bytes are
/// exact only by way of the parser and the writer.
extension JSONValue: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let flag = try? container.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? container.decode(Int64.self) {
            self = .int(number)
        } else if let number = try? container.decode(Double.self) {
            self = .double(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let items = try? container.decode([JSONValue].self) {
            self = .array(items)
        } else {
            self = .object(try container.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let flag): try container.encode(flag)
        case .int(let number): try container.encode(number)
        case .double(let number): try container.encode(number)
        case .string(let text): try container.encode(text)
        case .array(let items): try container.encode(items)
        case .object(let members): try container.encode(members)
        }
    }

    /// The JSON form of a Codable value of our own.
    public init(encoding value: some Encodable) throws(PlatformError) {
        do {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.withoutEscapingSlashes]
            try self.init(parsing: [UInt8](encoder.encode(value)), depthMax: 512)
        } catch {
            throw .wrapping(error, doing: "encode a value as JSON")
        }
    }

    /// A Codable value of our own out of its JSON form.
    ///
    /// - Throws: ``PlatformError/Code/invalidArgument`` that names the field wherever Foundation's decoder does:
    ///   not for a number that its type cannot hold.
    public func decoded<Value: Decodable>(as type: Value.Type) throws(PlatformError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(canonicalBytes))
        } catch let error as PlatformError {
            throw error
        } catch {
            throw PlatformError(.invalidArgument, "not the expected JSON: \(Self.mistake(error))", cause: error)
        }
    }

    private static func mistake(_ error: any Error) -> String {
        switch error as? DecodingError {
        case .keyNotFound(let key, let context): "\(place(context.codingPath + [key])) is missing"
        case .typeMismatch(_, let context): "\(place(context.codingPath)) has another type"
        case .valueNotFound(_, let context): "\(place(context.codingPath)) is null or missing"
        case .dataCorrupted(let context): "\(place(context.codingPath)) cannot be read"
        default: "the value cannot be read"
        }
    }

    /// `'parts[1].share'`, or `the value` for the whole.
    private static func place(_ keys: [any CodingKey]) -> String {
        let path = keys.reduce("") { path, key in
            if let index = key.intValue { return "\(path)[\(index)]" }
            return path.isEmpty ? key.stringValue : "\(path).\(key.stringValue)"
        }
        return path.isEmpty ? "the value" : "'\(path.prefix(200))'"
    }
}
