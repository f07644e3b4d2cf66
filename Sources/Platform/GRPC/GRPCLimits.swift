/// What a gRPC listener bounds.
public struct GRPCLimits: Sendable {
    /// Messages that one connection has begun to send and not ended, together.
    public var connectionBytesMax = 1 << 30
    /// Calls at the same time on one connection; the client holds further ones back.
    public var streamsMax = 1024
    /// What a client may send on one stream before it is told to go on.
    public var streamWindowBytes = 1 << 20
    /// The same for all streams of a connection together.
    public var connectionWindowBytes = 8 << 20
    /// A call's metadata, uncompressed.
    public var headerBytesMax = 16 << 10
    /// Messages of one stream that wait for their answers before it is read no further.
    public var exchangesMax = 32
    /// Answers of one stream that the client has not taken before it is read no further.
    public var unsentBytesMax = 4 << 20
    /// Calls answered by tasks that wait for their turn, over all connections.
    public var tasksWaitingMax = 4096

    /// How long a connection without calls is kept.
    public var idleSeconds: Int64 = 300
    /// How long a connection may take for HTTP/2's first words.
    public var prefaceSeconds: Int64 = 10
    /// How long the one message of a unary call may take to come.
    public var messageSeconds: Int64 = 120
    /// How long a connection with calls may be silent before it is asked for a sign of life, and again before
    /// it is ended.
    public var silenceSeconds: Int64 = 60
    /// How often each connection is looked at.
    public var checkSeconds: Int64 = 5
    /// How long calls under way get at a stop.
    public var drainSeconds: Int64 = 15
    /// How often a watched value is compared with the last one sent.
    public var watchMilliseconds: Int64 = 500

    // What a hostile client may repeat. Real clients ping once a round trip, which on one machine is
    // thousands of times a second.
    /// PING, SETTINGS and PRIORITY frames in a tenth of a second.
    var controlFramesMax = 2_000
    /// Cancelled calls in five seconds.
    var resetsMax = 2_000
    /// Frames on streams that are closed, and other mistakes, in a connection's life.
    var mistakesMax = 10_000
    /// Streams that were cancelled of late and may still get frames.
    var recentResetsMax = 1_024
    var controlFramesWaitingMax = 1_000

    static let backlog = 4096

    public init() {}
}
