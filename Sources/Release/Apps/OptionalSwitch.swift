public import SlipwayCore

/// Whether Optional is attached in one environment: `envs/<env>/optional.yaml`, and nothing else.
public enum OptionalSwitch {
    public static func path(in environment: EnvironmentName) -> String { "envs/\(environment)/optional.yaml" }

    /// - Throws: `invalid_argument` with `<path>:<line>: <reason>`.
    public static func isAttached(_ text: String, in environment: EnvironmentName) throws(PlatformError) -> Bool {
        let root = try YAMLSection.parse(text, file: path(in: environment))
        try root.expect(["attached"])
        guard let flag = try root.flag("attached") else { throw root.mistake("attached", "is missing") }
        return flag
    }

    /// The file with the flag set and every other byte as it was.
    ///
    /// - Parameter text: `nil`: there is no file yet.
    public static func setting(_ isAttached: Bool, in text: String?, environment: EnvironmentName) throws(PlatformError) -> String {
        guard let text else { return "# Changed by `slipway optional on|off`.\nattached: \(isAttached)\n" }
        guard try Self.isAttached(text, in: environment) != isAttached else { return text }
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let root = try YAMLSection.parse(text, file: path(in: environment))
        let index = root.lineOf("attached") - 1
        guard lines.indices.contains(index), let place = lines[index].firstRange(of: "\(!isAttached)") else {
            throw root.mistake("attached", "stands in a form that cannot be edited", remedy: "write it as 'attached: \(!isAttached)' on a line of its own")
        }
        lines[index].replaceSubrange(place, with: "\(isAttached)")
        let edited = lines.joined(separator: "\n")
        guard try Self.isAttached(edited, in: environment) == isAttached else {
            throw root.mistake("attached", "could not be set to \(isAttached)")
        }
        return edited
    }

    /// The first path of a change that is not the environment's switch; `nil` when it is only that.
    public static func foreignPath(in changed: some Sequence<String>, environment: EnvironmentName) -> String? {
        changed.first { $0 != path(in: environment) }
    }
}
