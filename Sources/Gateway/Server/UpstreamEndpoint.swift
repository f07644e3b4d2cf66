public import SlipwayCore

/// The address of one replica of a model server.
public struct UpstreamEndpoint: Sendable, Hashable {
    public let host: String
    public let port: Int

    /// - Parameter url: `http://host[:port]`, nothing behind it.
    /// - Throws: `invalid_argument` that says what the URL must look like.
    public init(url: String) throws(PlatformError) {
        let refusal = PlatformError(
            .invalidArgument,
            "'\(url.prefix(200))' is not the address of a model server",
            remedy: "write it as http://host:port"
        )
        guard url.hasPrefix("http://") else { throw refusal }
        var authority = url.dropFirst(7)
        if authority.hasSuffix("/") { authority = authority.dropLast() }
        guard !authority.isEmpty, !authority.contains(where: { "/?#@ ".contains($0) }) else { throw refusal }
        let portStart: Substring.Index?
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { throw refusal }
            host = String(authority[authority.index(after: authority.startIndex)..<end])
            let rest = authority[authority.index(after: end)...]
            guard rest.isEmpty || rest.hasPrefix(":") else { throw refusal }
            portStart = rest.isEmpty ? nil : rest.index(after: rest.startIndex)
        } else {
            let colon = authority.firstIndex(of: ":")
            host = String(authority[..<(colon ?? authority.endIndex)])
            portStart = colon.map { authority.index(after: $0) }
        }
        guard !host.isEmpty else { throw refusal }
        guard let portStart else {
            port = 80
            return
        }
        guard let number = Int(authority[portStart...]), (1...65535).contains(number) else { throw refusal }
        port = number
    }

    /// What a request's `Host` says.
    var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Under which path a version is found at the model server.
public enum UpstreamNaming: Sendable, Hashable {
    /// As a version of its model: the model server of this platform.
    case versions
    /// As a model of its own, `<model>-v<version>`: Triton, where only that leaves neighbours alone.
    case separateModels

    /// Without a `/` at its end.
    func path(model: String, version: ModelVersion) -> String {
        switch self {
        case .versions: "/v2/models/\(model)/versions/\(version)"
        case .separateModels: "/v2/models/\(model)-v\(version)"
        }
    }

    /// Whether the server's answers carry other names than ours.
    var namesDiffer: Bool { self == .separateModels }
}

/// What the client of a model server bounds.
public struct UpstreamLimits: Sendable, Hashable {
    /// From being sent to the answer's last byte, waiting for a connection included.
    public var answerDeadline: Duration = .seconds(30)
    public var connectDeadline: Duration = .seconds(2)
    /// Connections an event loop and replica.
    public var connectionsMax = 128
    /// Requests that wait for a connection, an event loop and replica.
    public var waitingMax = 1024
    public var responseBytesMax = 64 << 20
    /// How long a replica that refused a connection is passed over while there are others.
    public var downtime: Duration = .seconds(1)
    /// How often deadlines are looked at.
    public var tick: Duration = .milliseconds(50)

    public init() {}
}
