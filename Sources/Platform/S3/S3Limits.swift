/// What the S3 client bounds.
public enum S3Limits {
    /// A file of more bytes is uploaded in parts of this size; S3 wants at least 5 MiB.
    public static let partBytes: Int64 = 16 << 20
    /// S3's own limit on the parts of one upload.
    static let partsMax: Int64 = 10_000
    /// Parts that are under way together.
    static let partsTogether = 4
    /// S3's own limit on a key.
    static let keyBytesMax = 1_024
    /// The most that an XML answer may hold: a page of 1,000 keys is well below it.
    static let answerBytesMax = 8 << 20
    static let elementsMax = 20_000
    static let depthMax = 16
    static let pagesMax = 1_000
    static let chunkBytes = 256 << 10
    /// The largest object that is moved.
    static let objectBytesMax: Int64 = 64 << 30
    static let connect = Duration.seconds(5)
    /// How long a transfer may stand still.
    static let stall = Duration.seconds(60)
    /// One request with its body, both ways.
    static let request = Duration.seconds(3600)
    /// How often one request is sent at most.
    static let attempts = 5
    static let firstPause = Duration.milliseconds(100)
    static let longestPause = Duration.seconds(5)
    static let credentialsFileBytesMax = 64 << 10
}
