import SlipwayInference

/// What workers may have, take and be.
enum PyfuncLimits {
    /// JSON and tensors of one run, or of its answer.
    static let frameBytesMax = InferenceLimits.bodyBytesMax
    /// Worker processes of one version.
    static let workersMax = 16
    /// How long Python, MLflow and the model may take until they are there, unless the configuration says.
    static let startSeconds = 120
    /// How long one run may take, unless the configuration says.
    static let runSeconds = 60
    /// The most that a configuration may say.
    static let secondsMax = 3600
    /// How long a request waits for a worker whose restart is put off.
    static let patienceNanoseconds: UInt64 = 5_000_000_000
    /// The first wait before a worker is started again, and the longest.
    static let restartNanosecondsMin: UInt64 = 100_000_000
    static let restartNanosecondsMax: UInt64 = 30_000_000_000
    /// How long a worker may take to end once its socket is closed.
    static let endSeconds = 2
    /// What is kept of a worker's output for the error that tells of its end.
    static let outputBytesMax = 2048
    /// A longer line of its output is logged in pieces.
    static let lineBytesMax = 8192
}
