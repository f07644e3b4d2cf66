public import SlipwayCore

/// Aliases that only the reconciler moves, because Git says where they point.
public struct ProtectedAliases: Sendable, Hashable {
    public static let none = ProtectedAliases(names: [], releaseFolder: "")

    public let names: Set<String>
    /// Where the release repository keeps the releases: `envs/dev/models`.
    public let releaseFolder: String

    public init(names: Set<String>, releaseFolder: String) {
        self.names = names
        self.releaseFolder = releaseFolder
    }

    /// - Throws: `permission_denied` that names the release file when `actor` may not move the alias.
    public func check(_ alias: String, of model: String, actor: ChangeOrigin.Actor) throws(PlatformError) {
        guard names.contains(alias), actor.kind != .reconciler else { return }
        throw PlatformError(
            .permissionDenied,
            "alias '\(alias)' of model '\(model)' is protected: it follows Git, and only the reconciler moves it. "
                + "Change '\(releaseFolder)/\(model).yaml' in the release repository instead",
            remedy: "slipway release show \(model)"
        )
    }
}
