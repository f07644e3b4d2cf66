/// Argo CD's words for how an Application does.
public enum AppHealth: String, Sendable, Codable, CaseIterable {
    case healthy = "Healthy"
    case suspended = "Suspended"
    case progressing = "Progressing"
    case missing = "Missing"
    case degraded = "Degraded"
    case unknown = "Unknown"

    /// Of a parent: the worst of its children, of which those that are missing or unknown do not count, as
    /// Argo CD has it for Applications of Applications.
    public static func ofParent(children: some Sequence<AppHealth>) -> AppHealth {
        children.filter { $0 != .missing && $0 != .unknown }.max { $0.rank < $1.rank } ?? .healthy
    }

    /// How bad it is, in Argo CD's order.
    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

public enum AppSync: String, Sendable, Codable, CaseIterable {
    case synced = "Synced"
    case outOfSync = "OutOfSync"
    case unknown = "Unknown"
}

/// What is known about the state of one Application.
public struct AppStatus: Sendable, Equatable {
    public var sync: AppSync
    public var health: AppHealth
    /// Why the health is what it is; empty when there is nothing to say.
    public var message: String

    public init(sync: AppSync, health: AppHealth, message: String = "") {
        self.sync = sync
        self.health = health
        self.message = message
    }
}

extension AppTree {
    /// Fills in the parents' and roots' health from what is known of the apps.
    public func completing(_ known: [String: AppStatus]) -> [String: AppStatus] {
        var statuses = known
        for role in [Application.Role.parent, .root] {
            for application in applications where application.role == role && statuses[application.name] == nil {
                let children = children(of: application.name).compactMap { statuses[$0.name] }
                let sync: AppSync = children.contains { $0.sync != .synced } ? .outOfSync : .synced
                statuses[application.name] = AppStatus(sync: sync, health: .ofParent(children: children.map(\.health)))
            }
        }
        return statuses
    }
}
