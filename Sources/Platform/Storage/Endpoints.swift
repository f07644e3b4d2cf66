/// Where the engines of a running platform listen: `endpoints.json` in its home.
public struct Endpoints: Sendable, Equatable, Codable {
    public var tracking: String?
    public var modelServer: String?
    /// The model server's Prometheus page.
    public var metrics: String?
    public var gateway: String?
    public var console: String?
    /// The process that wrote this.
    public var pid: Int32

    public init(
        tracking: String? = nil,
        modelServer: String? = nil,
        metrics: String? = nil,
        gateway: String? = nil,
        console: String? = nil,
        pid: Int32
    ) {
        self.tracking = tracking
        self.modelServer = modelServer
        self.metrics = metrics
        self.gateway = gateway
        self.console = console
        self.pid = pid
    }
}
