/// What a `pipeline.yaml` and the files a run leaves may hold.
public enum PipelineLimits {
    public static let userStepsMax = 32
    public static let argumentsMax = 256
    public static let environmentMax = 256
    public static let retriesMax = 10
    /// The longest timeout, window or limit that a policy may name.
    public static let durationMax = Duration.seconds(7 * 24 * 3600)
    public static let weightsMax = 20
    public static let boundsMax = 32

    /// A holdout or training file.
    public static let csvBytesMax = 256 << 20
    public static let csvRowsMax = 1_000_000
    public static let csvColumnsMax = 4_096
    public static let csvCellBytesMax = 64 << 10

    /// How many values of a column a profile keeps.
    public static let profileSampleMax = 2_048
    /// How many categories of a column a profile keeps by name; the rest count as one.
    public static let profileCategoriesMax = 256
    /// How many columns a gate's report shows before it only counts them.
    public static let reportLinesMax = 12
}
