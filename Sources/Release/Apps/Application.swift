public import SlipwayCore

/// An Argo CD Application, as the repository declares it.
public struct Application: Sendable, Equatable {
    /// Where it comes from: a root stands in `bootstrap/`, a parent is made by an ApplicationSet, and the
    /// rest are the children of a parent.
    public enum Role: String, Sendable, CaseIterable {
        case root, parent, app
    }

    public struct Source: Sendable, Equatable {
        public struct Parameter: Sendable, Equatable {
            public let name: String
            public let value: String
            public let isText: Bool
        }

        public let repository: String
        public let revision: String
        /// The folder in the repository, without a slash at its ends.
        public let path: String
        public let releaseName: String
        /// As declared: one with a slash in front is relative to the repository, else to ``path``.
        public let valueFiles: [String]
        public let values: JSONValue?
        public let parameters: [Parameter]
        /// For a folder of plain manifests: the pattern of their names; `nil` for a chart.
        public let include: String?

        public var isChart: Bool { include == nil }

        /// The value files, relative to the repository.
        public var repositoryValueFiles: [String] {
            valueFiles.map { $0.hasPrefix("/") ? String($0.dropFirst()) : "\(path)/\($0)" }
        }
    }

    public struct Destination: Sendable, Equatable {
        public let server: String
        public let namespace: String

        public init(server: String, namespace: String) {
            self.server = server
            self.namespace = namespace
        }
    }

    public let name: String
    public let role: Role
    /// The Application that makes this one; `nil` for a root.
    public let parent: String?
    /// Of the label `slipway.dev/layer`.
    public let layer: String
    /// Of the label `slipway.dev/env`; `all` for a root.
    public let environment: String
    public let project: String
    /// Among the children of one parent: a wave begins when the one before is healthy.
    public let wave: Int
    public let sources: [Source]
    public let destination: Destination
    public let isAutomated: Bool
    public let selfHeals: Bool
    public let prunes: Bool
    /// Whether deleting it takes its workload away.
    public let cascades: Bool

    /// The path of its first source.
    public var path: String { sources.first?.path ?? "" }

    public var labels: [String: String] { ["slipway.dev/layer": layer, "slipway.dev/env": environment] }
}

/// What an AppProject allows.
public struct ProjectFence: Sendable, Equatable {
    public let name: String
    public let repositories: [String]
    public let destinations: [Application.Destination]
}

/// What Argo CD says about an Application that it cannot or may not carry out.
public struct AppCondition: Sendable, Equatable {
    public enum Kind: String, Sendable, CaseIterable {
        /// Its project forbids it, or is not there.
        case invalidSpec = "InvalidSpecError"
        /// Its manifests cannot be made: a folder or file that it names is missing.
        case comparison = "ComparisonError"
    }

    public let kind: Kind
    public let message: String

    public init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }
}
