/// The tags with which `register` binds a version to what it was made from.
public enum VersionTag {
    /// The run of our pipeline that made it.
    public static let run = "slipway.run"
    /// The Git commit of the training project.
    public static let commit = "slipway.commit"
    /// Canonical JSON: path → `sha256:…`, for every artifact of the version.
    public static let digests = "slipway.digests"
    /// Where the ONNX graph is among the artifacts.
    public static let graph = "slipway.graph"
    /// `<env>/<model>/<version>` that this version was promoted from.
    public static let promotedFrom = "slipway.promoted-from"
    /// Until when a run keeps it loaded although Git does not name it; empty: not any more.
    public static let held = "slipway.held-until"
}
