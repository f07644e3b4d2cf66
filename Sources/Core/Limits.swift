/// Limits that more than one module keeps.
///
/// Each protects a reader of outside bytes; a module's own limits stand beside the code they protect.
public enum Limits {
    public static let nameBytesMax = 128
    public static let aliasBytesMax = 64
    /// How deep JSON from outside may nest.
    public static let jsonDepthMax = 64
    /// The largest JSON body that is not a tensor.
    public static let jsonBytesMax = 16 << 20
    /// The largest release, pipeline or platform file.
    public static let yamlBytesMax = 1 << 20
}
