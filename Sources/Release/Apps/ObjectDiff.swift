public import SlipwayCore

/// What differs between two states of the objects of an Application, object by object and field by field.
public struct ObjectDiff: Sendable, Equatable {
    public enum Change: Sendable, Equatable {
        case added
        case removed
        /// Fields as `spec.replicas`, with what they were and what they are to be.
        case changed([Field])
    }

    public struct Field: Sendable, Equatable {
        public let path: String
        public let before: JSONValue?
        public let after: JSONValue?
    }

    public struct Entry: Sendable, Equatable {
        /// `apps/Deployment/gateway-dev/gateway`.
        public let object: String
        public let change: Change
    }

    /// In the order of the objects' names.
    public let entries: [Entry]
    public var isEmpty: Bool { entries.isEmpty }

    /// - Throws: `invalid_argument` for an object without kind or name, or one that is there twice.
    public init(before: [JSONValue], after: [JSONValue], namespace: String) throws(PlatformError) {
        let old = try Self.table(before, namespace)
        let new = try Self.table(after, namespace)
        entries = Set(old.keys).union(new.keys).sorted().compactMap { key in
            guard let was = old[key] else { return Entry(object: key, change: .added) }
            guard let willBe = new[key] else { return Entry(object: key, change: .removed) }
            var fields: [Field] = []
            Self.compare(was, willBe, path: "", into: &fields)
            return fields.isEmpty ? nil : Entry(object: key, change: .changed(fields))
        }
    }

    private static func table(_ objects: [JSONValue], _ namespace: String) throws(PlatformError) -> [String: JSONValue] {
        var table: [String: JSONValue] = [:]
        for object in objects {
            let key = try key(of: object, namespace: namespace)
            guard table.updateValue(object, forKey: key) == nil else {
                throw PlatformError(.invalidArgument, "object '\(key)' is rendered twice")
            }
        }
        return table
    }

    /// What an object is known by.
    public static func key(of object: JSONValue, namespace: String) throws(PlatformError) -> String {
        guard let kind = object["kind"]?.stringValue, let name = object["metadata"]?["name"]?.stringValue else {
            throw PlatformError(.invalidArgument, "a rendered object has no kind or no name: \(object.canonicalText.prefix(120))")
        }
        let version = object["apiVersion"]?.stringValue ?? ""
        let group = version.contains("/") ? String(version.prefix { $0 != "/" }) : ""
        return "\(group)/\(kind)/\(object["metadata"]?["namespace"]?.stringValue ?? namespace)/\(name)"
    }

    private static func compare(_ old: JSONValue?, _ new: JSONValue?, path: String, into fields: inout [Field]) {
        guard old != new else { return }
        if let before = old?.objectValue, let after = new?.objectValue {
            for key in Set(before.keys).union(after.keys).sorted() {
                compare(before[key], after[key], path: path.isEmpty ? key : "\(path).\(key)", into: &fields)
            }
        } else if let before = old?.arrayValue, let after = new?.arrayValue, before.count == after.count {
            for index in before.indices { compare(before[index], after[index], path: "\(path)[\(index)]", into: &fields) }
        } else {
            fields.append(Field(path: path, before: old, after: new))
        }
    }

    /// For people: `+` added, `-` removed, `~` changed with its fields.
    public var text: String {
        entries.map { entry in
            switch entry.change {
            case .added: return "+ \(entry.object)"
            case .removed: return "- \(entry.object)"
            case .changed(let fields):
                let lines = fields.map { field in
                    "    \(field.path): \(Self.short(field.before, field.path)) → \(Self.short(field.after, field.path))"
                }
                return (["~ \(entry.object)"] + lines).joined(separator: "\n")
            }
        }.joined(separator: "\n")
    }

    private static let shownCharacters = 120

    private static func short(_ value: JSONValue?, _ path: String) -> String {
        guard let value else { return "(none)" }
        let text = value.canonicalText
        return text.count <= shownCharacters ? text : "\(text.prefix(shownCharacters))…"
    }
}
