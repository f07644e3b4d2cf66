/// What the gateway bounds.
public enum GatewayLimits {
    /// A client id longer than this is refused: it is hashed on every request.
    public static let clientIDBytesMax = 1024
    /// The longest time that a client may ask to wait for.
    public static let timeoutMillisecondsMax: Int64 = 3_600_000
    public static let reloadBodyBytesMax = 64 << 10
    /// Changes of routes that wait for the one under way.
    public static let changesWaitingMax = 64
    /// How long Git's word and the model server's word may take when routes are to change.
    public static let changeDeadline: Duration = .seconds(15)
    /// How long `/ready` waits for the model server.
    public static let readyDeadline: Duration = .seconds(3)
    /// How often routes follow Git when nobody asks for it.
    public static let refreshInterval: Duration = .seconds(2)
    /// How often a stopping gateway looks whether requests are still in flight.
    public static let drainPoll: Duration = .milliseconds(20)
    /// Versions out of service whose counts are kept, a model.
    public static let retiredMetersMax = 16
    /// Elements of one answer that are counted as predictions.
    public static let observedElementsMax = 256
    /// Distinct labels outside 0...63 that are counted on their own, a version and event loop.
    public static let observedLabelsMax = 64
    public static let observedLabelBytesMax = 64
    /// Calls to a shadow behind a URL at one time.
    public static let shadowCallsMax = 8
    /// Memory that copies waiting for a shadow may hold.
    public static let shadowWaitingBytesMax = 64 << 20
    /// Counts of what is mirrored no more that are kept.
    public static let retiredShadowMetersMax = 64
    /// A client's request id is cut to this.
    public static let requestIDBytesMax = 128
    /// A request that takes longer is said in the log.
    static let slowNanoseconds = 1_000_000_000
    public static let requestLinesPerSecondMax = 50
    static let requestLinesWaitingMax = 256
    static let loggedCauseCharactersMax = 400
    /// What a client is told to wait after a 503.
    static let retryAfterSeconds = 1
}
