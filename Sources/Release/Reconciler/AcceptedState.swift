import SlipwayCore
public import SlipwayRelease

/// Where the accepted releases are kept over a restart, so that a refused file at the head does not
/// leave a freshly started platform with nothing to serve.
public struct AcceptedState: Sendable {
    public let load: @Sendable () throws -> AcceptedReleases
    /// Has reached the disk when it returns.
    public let save: @Sendable (AcceptedReleases) throws -> Void

    public init(
        load: @escaping @Sendable () throws -> AcceptedReleases,
        save: @escaping @Sendable (AcceptedReleases) throws -> Void
    ) {
        self.load = load
        self.save = save
    }
}
