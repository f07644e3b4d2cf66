import SlipwayCore
public import SlipwayRelease

/// Where the platform file that was accepted last is kept over a restart.
///
/// Whoever follows it looks on at the saves. A refused file changes nothing: what was protected stays so.
public struct PlatformState: Sendable {
    public let load: @Sendable () throws -> PlatformFile
    /// Has reached the disk when it returns.
    public let save: @Sendable (PlatformFile) throws -> Void

    public init(
        load: @escaping @Sendable () throws -> PlatformFile,
        save: @escaping @Sendable (PlatformFile) throws -> Void
    ) {
        self.load = load
        self.save = save
    }
}
