import SlipwayCore

/// What an ApplicationSet makes: one Application for each element of its list generators.
///
/// Go templates as far as they are needed here: `{{ .name }}` in any text, and a name that the element
/// does not have is refused, as `missingkey=error` would.
struct ApplicationSetExpansion {
    let name: String
    let applications: [Application]

    /// - Parameter maker: The Application that holds the set.
    init(_ object: JSONValue, maker: String?) throws(PlatformError) {
        guard let name = object["metadata"]?["name"]?.stringValue, !name.isEmpty else {
            throw PlatformError(.invalidArgument, "an ApplicationSet has no name")
        }
        self.name = name
        guard let template = object["spec"]?["template"] else {
            throw PlatformError(.invalidArgument, "ApplicationSet '\(name)' has no template")
        }
        guard object["spec"]?["goTemplate"]?.boolValue == true else {
            throw PlatformError(.invalidArgument, "ApplicationSet '\(name)' does not say 'goTemplate: true'", remedy: "the other kind of template is not read here")
        }
        var applications: [Application] = []
        for generator in object["spec"]?["generators"]?.arrayValue ?? [] {
            for element in try Self.elements(generator, of: name) {
                let made = try Self.fill(template, element, of: name)
                applications.append(try Application(made, role: .parent, parent: maker ?? name))
            }
        }
        guard !applications.isEmpty else {
            throw PlatformError(.invalidArgument, "ApplicationSet '\(name)' generates nothing", remedy: "name the environments in apps/catalogue.yaml")
        }
        self.applications = applications
    }

    private static func elements(_ generator: JSONValue, of set: String) throws(PlatformError) -> [[String: String]] {
        guard let members = generator.objectValue, members.count == 1, let items = generator["list"]?["elements"]?.arrayValue else {
            let kind = generator.objectValue?.keys.sorted().joined(separator: ", ") ?? "?"
            throw PlatformError(.invalidArgument, "generator '\(kind)' of ApplicationSet '\(set)' is not one that is read here", remedy: "use 'list' with 'elements'")
        }
        guard items.count <= AppLimits.elementsMax else {
            throw PlatformError(.exhausted, "ApplicationSet '\(set)' has more than \(AppLimits.elementsMax) elements")
        }
        var elements: [[String: String]] = []
        for item in items {
            guard let members = item.objectValue else {
                throw PlatformError(.invalidArgument, "an element of ApplicationSet '\(set)' is no mapping")
            }
            elements.append(members.mapValues { $0.stringValue ?? $0.canonicalText })
        }
        return elements
    }

    private static func fill(_ value: JSONValue, _ element: [String: String], of set: String) throws(PlatformError) -> JSONValue {
        switch value {
        case .string(let text): return .string(try fill(text, element, of: set))
        case .array(let items):
            var filled: [JSONValue] = []
            for item in items { filled.append(try fill(item, element, of: set)) }
            return .array(filled)
        case .object(let members):
            var filled: [String: JSONValue] = [:]
            for (key, item) in members { filled[try fill(key, element, of: set)] = try fill(item, element, of: set) }
            return .object(filled)
        case .null, .bool, .int, .double: return value
        }
    }

    static func fill(_ text: String, _ element: [String: String], of set: String) throws(PlatformError) -> String {
        var result = ""
        var rest = Substring(text)
        while let open = rest.firstRange(of: "{{") {
            guard let close = rest[open.upperBound...].firstRange(of: "}}") else {
                throw PlatformError(.invalidArgument, "the template of ApplicationSet '\(set)' has '{{' without '}}'")
            }
            let expression = rest[open.upperBound..<close.lowerBound].trimmedSpace
            guard expression.hasPrefix("."), expression.dropFirst().allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" }) else {
                throw PlatformError(.invalidArgument, "the template of ApplicationSet '\(set)' has '{{ \(expression.prefix(60)) }}', which is not read here", remedy: "use '{{ .name }}'")
            }
            guard let value = element[String(expression.dropFirst())] else {
                throw PlatformError(.invalidArgument, "the template of ApplicationSet '\(set)' asks for '\(expression.dropFirst())', which an element does not have")
            }
            result += rest[..<open.lowerBound] + value
            rest = rest[close.upperBound...]
        }
        return result + rest
    }
}

extension Substring {
    fileprivate var trimmedSpace: Substring {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
