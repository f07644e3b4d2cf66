import Foundation
import SlipwayCore
import SlipwayTracking

/// MLflow's rules for names, keys and lengths, with its words.
///
/// Lengths are counted in Unicode scalars, as Python does.
enum NameRules {
    static let keyMax = 250
    static let parameterValueMax = 6000
    static let tagValueMax = 8000
    static let experimentNameMax = 500
    static let experimentTagValueMax = 20_000
    static let registryTagValueMax = 100_000
    static let aliasMax = 255
    static let datasetNameMax = 500
    static let datasetDigestMax = 36
    static let datasetSourceMax = 65_535
    static let datasetSchemaMax = 1_048_575
    static let datasetProfileMax = 16_777_215
    static let inputTagKeyMax = 255
    static let inputTagValueMax = 500
    private static let charactersHint = "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), "
        + "spaces ( ), colon(:) and slashes (/)."

    /// A metric's, parameter's or tag's key.
    ///
    /// - Parameter path: What the message calls it: `key`, `params[3].key`…
    static func check(key: String, path: @autoclosure () -> String) throws(PlatformError) {
        var isPlain = true
        for scalar in key.unicodeScalars {
            switch scalar {
            case "a"..."z", "A"..."Z", "0"..."9", "_", "-", " ", ":": continue
            case "/", ".": isPlain = false
            default: guard isWord(scalar) else { throw invalid(key, path(), charactersHint) }
            }
        }
        if !isPlain { try checkPath(key, path: path()) }
    }

    /// A name that would be another file's, were it one.
    private static func checkPath(_ name: String, path: String) throws(PlatformError) {
        let normal = normalised(name)
        guard normal == name, normal != ".", !normal.hasPrefix(".."), normal.utf8.first != UInt8(ascii: "/") else {
            throw invalid(
                name,
                path,
                "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
                    + "This name would resolve to \(pythonText(normal))"
            )
        }
    }

    static func check(length text: String, _ limit: Int, _ what: String) throws(PlatformError) {
        guard text.unicodeScalars.count <= limit else {
            throw PlatformError(.invalidArgument, "'\(what)' exceeds the maximum length of \(limit) characters")
        }
    }

    /// Cut where MLflow cuts it: it takes long values of parameters and tags and keeps their beginning.
    static func cut(_ text: String, _ limit: Int) -> String {
        guard text.utf8.count > limit, text.unicodeScalars.count > limit else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit)))
    }

    static func check(modelName name: String) throws(PlatformError) {
        guard !name.allSatisfy(\.isWhitespace) else { throw missing("name") }
        guard !name.utf8.contains(UInt8(ascii: "/")), !name.utf8.contains(UInt8(ascii: ":")) else {
            throw PlatformError(.invalidArgument, "Invalid model name '\(name)'. Names cannot contain '/' or ':'.")
        }
        try checkPath(name, path: "name")
    }

    /// The name of a logged model; empty means that the server finds one.
    static func check(loggedModelName name: String) throws(PlatformError) {
        guard !name.contains(where: { "/:.%\"'".contains($0) }) else {
            throw PlatformError(
                .invalidArgument,
                "Invalid model name (\(pythonText(name))) provided. Model name must be a non-empty string and cannot contain the "
                    + "following characters: ('/', ':', '.', '%', '\"', \"'\")"
            )
        }
    }

    static func check(alias: String) throws(PlatformError) {
        guard alias.unicodeScalars.allSatisfy({ isWord($0) || $0 == "-" }) else {
            throw PlatformError(
                .invalidArgument,
                "Invalid alias name: '\(alias)'. Names may only contain alphanumerics, underscores (_), and dashes (-)."
            )
        }
        try check(length: alias, aliasMax, "Registered model alias name")
        guard alias.lowercased() != "latest" else {
            throw PlatformError(.invalidArgument, "'latest' alias name (case insensitive) is reserved.")
        }
        guard alias.first?.lowercased() != "v" || alias.count == 1 || !alias.dropFirst().allSatisfy(\.isNumber) else {
            throw PlatformError(.invalidArgument, "Version alias name '\(alias)' is reserved.")
        }
    }

    /// Tags of models and versions.
    static func check(registryTags tags: [String: String]) throws(PlatformError) {
        for (key, value) in tags.sorted(by: { $0.key < $1.key }) {
            try check(key: key, path: "key")
            try check(length: key, keyMax, "key")
            try check(length: value, registryTagValueMax, "value")
        }
    }

    static func check(experimentTag key: String, value: String) throws(PlatformError) {
        try check(key: key, path: "key")
        try check(length: key, keyMax, "key")
        try check(length: value, experimentTagValueMax, "value")
    }

    static func check(artifactLocation location: String) throws(PlatformError) {
        let path = location.prefix { $0 != "?" && $0 != "#" }
        guard !location.contains("#"), !path.contains(";") else {
            throw PlatformError(.invalidArgument, "'artifact_location' URL can't include fragments or params.")
        }
        let query = location.dropFirst(path.count)
        guard !query.contains(".."), !(query.removingPercentEncoding ?? "..").contains("..") else {
            throw PlatformError(.invalidArgument, "Invalid query string")
        }
        guard !location.hasPrefix("runs:") else {
            throw PlatformError(.invalidArgument, "Artifact location cannot be a runs:/ URI. Given: '\(location)'")
        }
    }

    static func check(dataset: JSONValue, tags: [Parameters]) throws(PlatformError) {
        let limits = [
            ("name", datasetNameMax), ("digest", datasetDigestMax), ("source", datasetSourceMax), ("schema", datasetSchemaMax),
            ("profile", datasetProfileMax),
        ]
        for (member, limit) in limits { try check(length: dataset[member]?.stringValue ?? "", limit, member) }
        for tag in tags {
            try check(length: try tag.text("key") ?? "", inputTagKeyMax, "key")
            try check(length: try tag.text("value") ?? "", inputTagValueMax, "value")
        }
    }

    static func missing(_ parameter: String) -> PlatformError {
        PlatformError(.invalidArgument, "Missing value for required parameter '\(parameter)'.")
    }

    static func invalid(_ value: String, _ path: String, _ why: String) -> PlatformError {
        PlatformError(.invalidArgument, "Invalid value \(JSONValue.string(value).canonicalText) for parameter '\(path)' supplied: \(why)")
    }

    /// What Python's `\w` takes: letters and numbers of every script, and `_`.
    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == "_" { return true }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return true
        case .decimalNumber, .letterNumber, .otherNumber: return true
        default: return false
        }
    }

    /// As `posixpath.normpath` does it.
    static func normalised(_ path: String) -> String {
        guard !path.isEmpty else { return "." }
        let leading = path.utf8.prefix { $0 == UInt8(ascii: "/") }.count
        // POSIX lets two leading slashes mean something of their own.
        let root = leading == 2 ? "//" : leading > 0 ? "/" : ""
        var parts: [String] = []
        for part in path.pathParts where !part.isEmpty && part != "." {
            if part != ".." || parts.last == ".." || (root.isEmpty && parts.isEmpty) {
                parts.append(part)
            } else if !parts.isEmpty {
                parts.removeLast()
            }
        }
        let text = root + parts.joined(separator: "/")
        return text.isEmpty ? "." : text
    }

    /// As Python's `repr` writes a plain text.
    private static func pythonText(_ text: String) -> String {
        text.contains("'") && !text.contains("\"") ? "\"\(text)\"" : "'\(text.replacing("'", with: "\\'"))'"
    }
}
