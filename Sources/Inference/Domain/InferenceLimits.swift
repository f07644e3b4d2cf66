/// What a body of the Open Inference Protocol may hold.
public enum InferenceLimits {
    /// A whole request, JSON and binary part together.
    public static let bodyBytesMax = 64 << 20
    /// The same over gRPC: a tensor of the largest body still fits with its heads.
    public static let messageBytesMax = bodyBytesMax + (1 << 20)
    /// How deep `data` and `parameters` may nest.
    public static let depthMax = 100
    public static let tensorsMax = 256
    public static let dimensionsMax = 16
    public static let elementsMax = 64 << 20
    public static let nameBytesMax = 1024
    public static let stringBytesMax = 16 << 20
    /// The longest number text that is read.
    public static let numberBytesMax = 400
}
