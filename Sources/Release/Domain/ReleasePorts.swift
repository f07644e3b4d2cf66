public import SlipwayCore

/// The Git repository that holds the desired state.
public protocol ReleaseRepository: Sendable {
    /// For messages; no credentials in it.
    var address: String { get }
    /// The head of the branch after asking the remote. `unavailable` when it cannot be reached.
    func head() async throws -> CommitID
    /// The text of each release file of `environment` at a commit, by path (`envs/dev/models/tumor.yaml`).
    func releaseFiles(of environment: EnvironmentName, at commit: CommitID) async throws -> [String: String]
    /// Any one file at a commit; `nil` when it is not there.
    func file(_ path: String, at commit: CommitID) async throws -> String?
    /// Commits `files` (path → text; `nil` deletes) on top of `parent` and publishes it, or does nothing.
    ///
    /// - Throws: `failed_precondition` when the branch is no longer at `parent`.
    func commit(_ files: [String: String?], on parent: CommitID, message: String) async throws -> CommitID
    /// Newest first: commits that touched `path`.
    func history(of path: String, limit: Int) async throws -> [CommitRecord]
}

public struct CommitRecord: Sendable, Hashable, Codable {
    public let id: CommitID
    public let time: Timestamp
    public let author: String
    /// First line, then the trailers and body as they are.
    public let message: String

    public init(id: CommitID, time: Timestamp, author: String, message: String) {
        self.id = id
        self.time = time
        self.author = author
        self.message = message
    }
}

/// One replica of a gateway, asked by its own address.
public protocol GatewayControl: Sendable {
    var address: String { get }
    /// Makes the replica take up what Git says for `model`, now.
    ///
    /// The gateway reads the release itself and checks the model server itself; this only says what the
    /// caller expects to come out.
    ///
    /// - Returns: The routing generation that serves from now on.
    /// - Throws: `failed_precondition` when Git or the model server says otherwise: routes stay as they were.
    func reload(_ release: Release, commit: CommitID) async throws -> Int
    /// What the replica serves now.
    func routes() async throws -> [ServingRoute]
    /// Requests in flight on a version; 0 lets it be unloaded.
    func inFlight(model: ModelName, version: ModelVersion) async throws -> Int
}

/// What one gateway replica serves for one model.
public struct ServingRoute: Sendable, Hashable, Codable {
    public var release: Release
    public let commit: CommitID
    public let generation: Int
    /// What came of the release's shadow here; `nil` without one.
    public var shadow: ShadowReport?

    public init(release: Release, commit: CommitID, generation: Int, shadow: ShadowReport? = nil) {
        self.release = release
        self.commit = commit
        self.generation = generation
        self.shadow = shadow
    }
}

/// What one gateway replica says about a shadow.
public struct ShadowReport: Sendable, Hashable, Codable {
    /// Whether requests are copied to it; not before the model server has it ready.
    public let isMirrored: Bool
    /// Copies by what came of them: `match`, `differ`, `incomparable`, `error`, `dropped`.
    public let counts: [String: Int]

    public init(isMirrored: Bool, counts: [String: Int]) {
        self.isMirrored = isMirrored
        self.counts = counts
    }
}

/// What Git says must serve, as the reconciler has accepted it: files that parse, versions that exist.
///
/// A refused file is represented by the last release that was accepted for its model.
public struct AcceptedReleases: Sendable, Hashable, Codable {
    public struct Entry: Sendable, Hashable, Codable {
        public let release: Release
        /// The commit whose file this is.
        public let commit: CommitID

        public init(release: Release, commit: CommitID) {
            self.release = release
            self.commit = commit
        }
    }

    public var entries: [ModelName: Entry]
    /// Models whose release is gone, until the registry shows none of its aliases any more.
    ///
    /// Kept with the rest: a crash between taking the release out and taking its aliases away would else leave
    /// them behind for good, as nobody would know any longer whose they were.
    public var withdrawn: Set<ModelName>

    public init(entries: [ModelName: Entry] = [:], withdrawn: Set<ModelName> = []) {
        self.entries = entries
        self.withdrawn = withdrawn
    }

    /// Reads what older versions have saved, too: they knew of no ``withdrawn``.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        entries = try container.decode([ModelName: Entry].self, forKey: .entries)
        withdrawn = try container.decodeIfPresent(Set<ModelName>.self, forKey: .withdrawn) ?? []
    }

    private enum CodingKeys: String, CodingKey {
        case entries
        case withdrawn
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(entries, forKey: .entries)
        guard !withdrawn.isEmpty else { return }
        try container.encode(withdrawn.sorted(), forKey: .withdrawn)
    }
}

/// Where a gateway learns what Git says.
public protocol ReleaseSource: Sendable {
    func accepted() async throws -> AcceptedReleases
}

/// Asks the reconciler to carry a commit out, and waits until it has.
public protocol ReleaseSync: Sendable {
    /// Returns when every replica of the model server and of the gateway serves what `commit` says for
    /// `model`, or throws: `failed_precondition` with the reason when it was refused, `unavailable` when
    /// the deadline passed first.
    func sync(_ model: ModelName, at commit: CommitID, deadline: Duration) async throws -> SyncReport
}

/// What the reconciler saw when a release was carried out.
public struct SyncReport: Sendable, Hashable, Codable {
    public let commit: CommitID
    /// Gateway replica's address → the generation it answered.
    public let gatewayGenerations: [String: Int]
    /// Model-server replica's address → versions of this model that are ready there.
    public let readyVersions: [String: [ModelVersion]]

    public init(commit: CommitID, gatewayGenerations: [String: Int], readyVersions: [String: [ModelVersion]]) {
        self.commit = commit
        self.gatewayGenerations = gatewayGenerations
        self.readyVersions = readyVersions
    }
}

/// Versions that a run has loaded and Git does not name yet: the reconciler leaves them alone.
public protocol CandidateHolds: Sendable {
    func held() async throws -> [ModelName: Set<ModelVersion>]
}

/// What the gateway counted for one version since it started; differences of two are a window.
public struct VariantCounters: Sendable, Hashable, Codable {
    public var requests: Int
    /// Answers that were an error of ours or of the model, NaN and infinite values included.
    public var errors: Int
    /// Requests by latency: counts a bucket of ``VariantCounters/latencyBoundsMicroseconds``, one more at the end.
    public var latencyCounts: [Int]
    /// Answers whose values were not all finite.
    public var nonFinite: Int
    /// Predicted label (or bucketed score) → how often; bounded by the gateway.
    public var predictions: [String: Int]

    public static let latencyBoundsMicroseconds: [Int] = [
        50, 100, 200, 300, 500, 750, 1_000, 1_500, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 50_000,
        75_000, 100_000, 200_000, 500_000, 1_000_000, 5_000_000,
    ]

    public init(
        requests: Int = 0,
        errors: Int = 0,
        latencyCounts: [Int] = Array(repeating: 0, count: latencyBoundsMicroseconds.count + 1),
        nonFinite: Int = 0,
        predictions: [String: Int] = [:]
    ) {
        self.requests = requests
        self.errors = errors
        self.latencyCounts = latencyCounts
        self.nonFinite = nonFinite
        self.predictions = predictions
    }

    /// What happened between `earlier` and now.
    public func since(_ earlier: VariantCounters) -> VariantCounters {
        VariantCounters(
            requests: requests - earlier.requests,
            errors: errors - earlier.errors,
            latencyCounts: zip(latencyCounts, earlier.latencyCounts).map { $0 - $1 },
            nonFinite: nonFinite - earlier.nonFinite,
            predictions: predictions.reduce(into: [:]) { result, item in
                let count = item.value - earlier.predictions[item.key, default: 0]
                if count > 0 { result[item.key] = count }
            }
        )
    }

    /// The smallest bucket bound that at least `quantile` of the requests stayed under, in microseconds.
    public func latencyMicroseconds(quantile: Double) -> Int? {
        let total = latencyCounts.reduce(0, +)
        guard total > 0 else { return nil }
        var seen = 0
        for (index, count) in latencyCounts.enumerated() {
            seen += count
            if Double(seen) >= quantile * Double(total) {
                return index < Self.latencyBoundsMicroseconds.count ? Self.latencyBoundsMicroseconds[index] : Int.max
            }
        }
        return nil
    }
}

/// Where `observe` looks: all gateway replicas together.
public protocol VariantObserver: Sendable {
    /// Begins to watch: what the versions are asked from now on is in the window.
    func watch(_ model: ModelName, versions: Set<ModelVersion>) async throws -> any VariantWindow
}

/// What versions did since somebody began to watch them.
public protocol VariantWindow: Sendable {
    func reading() async throws -> WindowReading
}

/// What a window shows at one moment.
public enum WindowReading: Sendable, Hashable {
    /// - Parameter covered: For how long it is known what happened; `nil`: up to this moment.
    case counted([ModelVersion: VariantCounters], covered: Duration?)
    /// Nothing can be said now, and why. Never a reason to pass.
    case blind(String)
}

/// Who counts by itself: the sum over all gateway replicas since they started.
public protocol VariantCounting: VariantObserver {
    func counters(of model: ModelName) async throws -> [ModelVersion: VariantCounters]
}

extension VariantCounting {
    public func watch(_ model: ModelName, versions: Set<ModelVersion>) async throws -> any VariantWindow {
        CounterWindow(counting: self, model: model, versions: versions, base: try await counters(of: model))
    }
}

/// The difference between two states of the same counters.
public actor CounterWindow: VariantWindow {
    private let counting: any VariantCounting
    private let model: ModelName
    private let versions: Set<ModelVersion>
    private var base: [ModelVersion: VariantCounters]

    /// - Parameter base: What is not in the window.
    public init(counting: any VariantCounting, model: ModelName, versions: Set<ModelVersion>, base: [ModelVersion: VariantCounters]) {
        self.counting = counting
        self.model = model
        self.versions = versions
        self.base = base
    }

    public func reading() async throws -> WindowReading {
        let now = try await counting.counters(of: model)
        var windows: [ModelVersion: VariantCounters] = [:]
        for version in versions {
            let window = (now[version] ?? VariantCounters()).since(base[version] ?? VariantCounters())
            guard window.requests >= 0, window.errors >= 0, !window.latencyCounts.contains(where: { $0 < 0 }) else {
                // A gateway has started anew, and its counters with it.
                base = now
                return .blind("the gateways' counters began anew")
            }
            windows[version] = window
        }
        return .counted(windows, covered: nil)
    }
}
