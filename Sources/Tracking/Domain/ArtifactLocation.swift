/// A place of artifacts, as the URIs of experiments, runs and versions name it.
public struct ArtifactLocation: Sendable, Hashable {
    /// Without slashes at its end; `mlflow-artifacts:` always followed by one slash, without a host.
    public let uri: String

    private static let proxyScheme = "mlflow-artifacts:/"

    public init(_ uri: String) {
        guard uri.hasPrefix(Self.proxyScheme) else {
            self.uri = Self.trimmed(uri[...])
            return
        }
        var path = uri.dropFirst(Self.proxyScheme.count)
        if path.first == "/" {
            // mlflow-artifacts://host:port/path, where the host may be missing.
            path = path.dropFirst().drop { $0 != "/" }
        }
        self.uri = Self.proxyScheme + Self.trimmed(path.drop { $0 == "/" })
    }

    /// The path below the artifact proxy's root; `nil` for a place that the proxy does not serve.
    public var proxied: String? {
        guard uri.hasPrefix(Self.proxyScheme) else { return nil }
        let path = uri.dropFirst(Self.proxyScheme.count)
        return path.isEmpty ? nil : String(path)
    }

    /// The path that leads from `folder` to this, empty for itself; `nil` when this is not in it.
    public func path(in folder: ArtifactLocation) -> String? {
        if uri == folder.uri { return "" }
        let prefix = folder.uri.hasSuffix("/") ? folder.uri : folder.uri + "/"
        return uri.hasPrefix(prefix) ? String(uri.dropFirst(prefix.count)) : nil
    }

    private static func trimmed(_ text: Substring) -> String {
        var text = text
        while text.last == "/" { text.removeLast() }
        return String(text)
    }
}
