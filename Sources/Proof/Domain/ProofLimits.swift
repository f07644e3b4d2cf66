/// What one proof may hold. Larger evidence is stored elsewhere and named by its digest.
public enum ProofLimits {
    /// The largest envelope that is written or read.
    public static let envelopeBytesMax = 4 << 20
    /// How deep `observed` may nest, with the statement around it.
    public static let depthMax = 128
    public static let subjectsMax = 10_000
}
