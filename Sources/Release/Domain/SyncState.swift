public import SlipwayCore

/// How what serves stands to what Git says, for people.
public enum SyncState: String, Sendable, Hashable, Codable, CaseIterable {
    case synced = "Synced"
    case outOfSync = "OutOfSync"
    /// The file at the head is refused; the release accepted before serves.
    case refused = "Refused"
    /// Git, or a replica, does not answer; what served goes on serving.
    case unreachable = "Unreachable"
}

/// One model's release, as the console and `slipway status` show it.
public struct ReleaseStatus: Sendable, Hashable, Codable {
    public let model: ModelName
    public let release: Release?
    public let commit: CommitID?
    public let sync: SyncState
    /// Why it is not synced.
    public let reason: String
    /// Gateway replica → what it serves.
    public let gateways: [String: ServingRoute]
    /// Model-server replica → versions that are ready.
    public let servers: [String: [ModelVersion]]

    public init(
        model: ModelName,
        release: Release?,
        commit: CommitID?,
        sync: SyncState,
        reason: String,
        gateways: [String: ServingRoute],
        servers: [String: [ModelVersion]]
    ) {
        self.model = model
        self.release = release
        self.commit = commit
        self.sync = sync
        self.reason = reason
        self.gateways = gateways
        self.servers = servers
    }
}
