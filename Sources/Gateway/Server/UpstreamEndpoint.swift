public import SlipwayCore
public import SlipwayRouting

/// The address of one replica of a model server.
public struct UpstreamEndpoint: Sendable, Hashable {
    public let host: String
    public let port: Int
    /// One of the addresses that the host's name stands for; `nil`: the host as it is written.
    public let address: String?

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
        address = nil
        guard let portStart else {
            port = 80
            return
        }
        guard let number = Int(authority[portStart...]), (1...65535).contains(number) else { throw refusal }
        port = number
    }

    private init(host: String, port: Int, address: String) {
        self.host = host
        self.port = port
        self.address = address
    }

    /// The same server at one of its addresses; requests go on naming the host.
    func at(_ address: String) -> UpstreamEndpoint {
        UpstreamEndpoint(host: host, port: port, address: address)
    }

    /// The URL under which this very replica is reached.
    public var url: String {
        let host = address ?? host
        return host.contains(":") ? "http://[\(host)]:\(port)" : "http://\(host):\(port)"
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
    /// From being sent to the answer's last byte, waiting for a connection included. A request may ask for
    /// less with `x-timeout-ms`.
    public var answerDeadline: Duration = .seconds(30)
    public var connectDeadline: Duration = .seconds(2)
    /// Connections an event loop and replica.
    public var connectionsMax = 128
    /// Requests that wait for a connection, an event loop and replica.
    public var waitingMax = 1024
    public var responseBytesMax = 64 << 20
    /// When a replica gets no requests for a while, if there are others.
    public var ejection = ReplicaHealth.Limits()
    /// How long a replica that did not have a version is not asked for it, if there are others.
    public var absence = ReplicaAbsences<UpstreamEndpoint>.Limits()
    /// When no replica is asked for a while. Each event loop has a breaker of its own.
    public var breaker = CircuitBreaker.Limits()
    /// How often the addresses behind a name are looked up.
    public var lookupInterval: Duration = .seconds(5)
    /// Addresses of one name that are used.
    public var addressesMax = 256
    /// How often deadlines are looked at.
    public var tick: Duration = .milliseconds(50)

    /// Bodies up to this size are copied behind their head, to be sent with it in one piece.
    static let copiedBodyBytesMax = 16 << 10

    public init() {}
}
