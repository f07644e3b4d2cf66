public import SlipwayCore

/// A release as a file: `envs/<env>/models/<model>.yaml`.
///
/// Strict in what it takes (unknown keys, doubled keys and broken sums are refused with file and line)
/// and stable in what it writes: the same release is always the same text.
public enum ReleaseFile {
    public static let apiVersion = "slipway.dev/v1"

    public static func path(of model: ModelName, in environment: EnvironmentName) -> String {
        "\(folder(of: environment))/\(model).yaml"
    }

    public static func folder(of environment: EnvironmentName) -> String {
        "envs/\(environment)/models"
    }

    /// The model that a path is about; `nil` for files that are no release.
    public static func model(of path: String) -> ModelName? {
        guard path.hasSuffix(".yaml"), let name = path.split(separator: "/").last?.dropLast(5) else { return nil }
        return try? ModelName(String(name))
    }

    /// What ``parse(_:path:)`` reads, without `spec.features`.
    static func parseServing(_ text: String, path: String) throws(PlatformError) -> Release {
        guard let model = model(of: path) else {
            throw PlatformError(.invalidArgument, "'\(path)' is not named like a release: <model>.yaml")
        }
        let root = try YAMLSection.parse(text, file: path)
        try root.expect(["apiVersion", "kind", "metadata", "spec"])
        guard try root.text("apiVersion") == apiVersion else { throw root.mistake("apiVersion", "must be '\(apiVersion)'") }
        guard try root.text("kind") == "Release" else { throw root.mistake("kind", "must be 'Release'") }
        let metadata = try root.section("metadata")
        try metadata?.expect(["name"])
        guard try metadata?.text("name") == model.text else {
            throw (metadata ?? root).mistake("name", "must be '\(model)', as the file is called")
        }
        guard let spec = try root.section("spec") else { throw root.mistake("spec", "is missing") }
        try spec.expect(["variants", "lastGood", "shadow", "stickiness", "variantHeader", "features"])
        guard let section = try spec.section("variants") else { throw spec.mistake("variants", "is missing") }
        var variants: [Release.Variant] = []
        for key in section.keys { variants.append(try variant(key, in: section)) }
        var lastGood: ModelVersion?
        if spec.has("lastGood") { lastGood = try version("lastGood", in: spec) }
        var shadow: Release.Shadow?
        if let section = try spec.section("shadow") { shadow = try Self.shadow(section) }
        var stickiness: Release.Stickiness?
        if let section = try spec.section("stickiness") { stickiness = try Self.stickiness(section) }
        let allowsVariantHeader = try spec.flag("variantHeader") ?? false
        do {
            return try Release(
                model: model,
                variants: variants,
                lastGood: lastGood,
                shadow: shadow,
                stickiness: stickiness,
                allowsVariantHeader: allowsVariantHeader
            )
        } catch {
            throw PlatformError(.invalidArgument, "\(path):\(spec.lineOf("variants")): \(error.message)", remedy: error.remedy)
        }
    }

    private static func variant(_ key: String, in section: YAMLSection) throws(PlatformError) -> Release.Variant {
        guard let alias = try? Alias(key) else {
            throw section.mistake(key, "is not a valid alias", remedy: "use letters, digits, '_' or '-'")
        }
        guard let body = try section.section(key) else { throw section.mistake(key, "must have a version and a weight") }
        try body.expect(["version", "weight"])
        guard let percent = try body.number("weight", in: 0...100) else { throw body.mistake("weight", "is missing") }
        do {
            return Release.Variant(alias: alias, version: try version("version", in: body), weight: try Weight(percent: percent))
        } catch where error.message.hasPrefix("weight") {
            throw body.mistake("weight", "must have at most two decimals")
        }
    }

    private static func shadow(_ body: YAMLSection) throws(PlatformError) -> Release.Shadow {
        try body.expect(["version", "percent", "compare", "absolute", "relative", "queue"])
        guard let percent = try body.number("percent", in: 0...100) else { throw body.mistake("percent", "is missing") }
        guard let share = try? Weight(percent: percent) else { throw body.mistake("percent", "must have at most two decimals") }
        let compare = try body.choice("compare", Release.Shadow.Comparison.self) ?? .exact
        for key in ["absolute", "relative"] where body.has(key) && compare != .tolerance {
            throw body.mistake(key, "means something only with 'compare: tolerance'")
        }
        return Release.Shadow(
            version: try version("version", in: body),
            percent: share,
            compare: compare,
            absolute: try body.number("absolute", in: 0...1e12) ?? Release.Shadow.absoluteDefault,
            relative: try body.number("relative", in: 0...1) ?? Release.Shadow.relativeDefault,
            queue: try body.integer("queue", in: Release.Shadow.queueRange) ?? Release.Shadow.queueDefault
        )
    }

    private static func stickiness(_ body: YAMLSection) throws(PlatformError) -> Release.Stickiness {
        try body.expect(["cookie", "issue", "days", "secure"])
        guard let cookie = try body.text("cookie") else {
            throw body.mistake("cookie", "is missing", remedy: "name the cookie whose value is the client's id")
        }
        let days = try body.integer("days", in: Release.Stickiness.daysRange) ?? Release.Stickiness.daysDefault
        let issue = try body.flag("issue") ?? false
        let secure = try body.flag("secure") ?? false
        do {
            return try Release.Stickiness(cookie: cookie, issue: issue, days: days, secure: secure)
        } catch {
            throw body.mistake("cookie", "is not a cookie's name: \(cookie.prefix(80))", remedy: error.remedy)
        }
    }

    private static func version(_ key: String, in section: YAMLSection) throws(PlatformError) -> ModelVersion {
        guard let number = try section.integer(key, in: 1...Int(Int32.max)) else {
            throw section.mistake(key, "is missing", remedy: "name a version of the registry")
        }
        return try ModelVersion(number)
    }

    /// The first line that names the version, for messages; 1 when none does.
    static func line(naming version: ModelVersion, in text: String) -> Int {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let index = lines.firstIndex { line in
            let words = line.split { !$0.isLetter && !$0.isNumber }
            return zip(words, words.dropFirst()).contains { ($0 == "version" || $0 == "lastGood") && $1 == "\(version)" }
        }
        return (index ?? 0) + 1
    }

    /// What ``text(_:)`` writes, without `spec.features`.
    static func servingText(_ release: Release) -> String {
        var lines = [
            "apiVersion: \(apiVersion)",
            "kind: Release",
            "metadata: { name: \(quoted(release.model.text)) }",
            "spec:",
            "  variants:",
        ]
        for variant in release.variants {
            lines.append("    \(quoted(variant.alias.text)): { version: \(variant.version), weight: \(variant.weight) }")
        }
        if let lastGood = release.lastGood { lines.append("  lastGood: \(lastGood)") }
        if let shadow = release.shadow { lines.append("  shadow: { \(text(shadow)) }") }
        if let cookie = release.stickiness {
            lines.append(
                "  stickiness: { cookie: \(quoted(cookie.cookie)), issue: \(cookie.issue), days: \(cookie.days), secure: \(cookie.secure) }"
            )
        }
        if release.allowsVariantHeader { lines.append("  variantHeader: true") }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func text(_ shadow: Release.Shadow) -> String {
        var parts = ["version: \(shadow.version)", "percent: \(shadow.percent)", "compare: \(shadow.compare.rawValue)"]
        if shadow.compare == .tolerance { parts += ["absolute: \(shadow.absolute)", "relative: \(shadow.relative)"] }
        if shadow.queue != Release.Shadow.queueDefault { parts.append("queue: \(shadow.queue)") }
        return parts.joined(separator: ", ")
    }

    /// Names that YAML would read as something else than a text are quoted.
    private static func quoted(_ name: String) -> String {
        let isPlain = name.first?.isLetter == true && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(name.lowercased())
        return isPlain ? name : "\"\(name)\""
    }
}
