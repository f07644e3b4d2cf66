/// Where the engines of a running platform listen: `endpoints.json` in its home.
public struct Endpoints: Sendable, Equatable, Codable {
    public var tracking: String?
    public var modelServer: String?
    /// `host:port`, as gRPC clients name a server; so is ``gatewayGRPC``.
    public var modelServerGRPC: String?
    /// The model server's Prometheus page.
    public var metrics: String?
    public var gateway: String?
    public var gatewayGRPC: String?
    public var console: String?
    /// The process that wrote this.
    public var pid: Int32

    public init(
        tracking: String? = nil,
        modelServer: String? = nil,
        modelServerGRPC: String? = nil,
        metrics: String? = nil,
        gateway: String? = nil,
        gatewayGRPC: String? = nil,
        console: String? = nil,
        pid: Int32
    ) {
        self.tracking = tracking
        self.modelServer = modelServer
        self.modelServerGRPC = modelServerGRPC
        self.metrics = metrics
        self.gateway = gateway
        self.gatewayGRPC = gatewayGRPC
        self.console = console
        self.pid = pid
    }
}
