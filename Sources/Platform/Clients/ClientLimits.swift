/// What the clients bound.
public enum ClientLimits {
    /// One call with a small answer, from the first byte to the last.
    public static let call = Duration.seconds(30)
    public static let connect = Duration.seconds(5)
    /// How long an unused connection is kept: less than what our servers keep it.
    static let idle = Duration.seconds(30)
    /// How long a transfer may stand still.
    public static let stall = Duration.seconds(60)
    /// A whole file, up or down.
    public static let transfer = Duration.seconds(3600)
    /// The largest file that is transferred.
    public static let fileBytesMax: Int64 = 64 << 30
    static let chunkBytes = 256 << 10
    /// Text of a peer that goes into a message.
    static let saidCharactersMax = 400
    static let pagesMax = 1_000
    /// How deep and how wide an artifact folder is walked.
    static let artifactDepthMax = 32
    static let artifactFilesMax = 10_000
    static let pathBytesMax = 1_024
    static let connectionsPerHost = 64
}
