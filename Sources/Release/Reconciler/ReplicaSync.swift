public import SlipwayCore
import SlipwayInference
public import SlipwayRelease

/// Waits until a reconciler in another process has carried a commit out; asks the replicas themselves.
public struct ReplicaSync: ReleaseSync {
    public enum Bound {
        /// Between two looks at the replicas.
        public static let poll = Duration.milliseconds(250)
    }

    private let environment: EnvironmentName
    private let repository: any ReleaseRepository
    private let replicas: ReplicaSource
    private let clock: any Clock<Duration>

    public init(
        environment: EnvironmentName,
        repository: any ReleaseRepository,
        replicas: @escaping ReplicaSource,
        clock: any Clock<Duration> = ContinuousClock()
    ) {
        self.environment = environment
        self.repository = repository
        self.replicas = replicas
        self.clock = clock
    }

    public func sync(_ model: ModelName, at commit: CommitID, deadline: Duration) async throws -> SyncReport {
        // Counted, not timed: the clock passed in may be a test's.
        let pollsMax = max(1, Int(deadline.milliseconds / Bound.poll.milliseconds))
        let path = ReleaseFile.path(of: model, in: environment)
        let wanted = try await repository.file(path, at: commit)
        guard let text = wanted else { return try await replicas().report(model, commit) }
        let release = try ReleaseFile.parse(text, path: path)
        var said = "a replica serves something else"
        for _ in 0..<pollsMax {
            do {
                let found = try await replicas()
                if try await found.serve(release) { return try await found.report(model, commit) }
                said = "a replica serves something else"
            } catch let error as PlatformError where error.code == .unavailable {
                // Replaced just now, or on its way: it is asked again.
                said = error.message
            }
            try await expectNotReplaced(model, commit, wanted: text, path: path)
            try await clock.sleep(for: Bound.poll)
        }
        throw PlatformError(
            .unavailable,
            "release '\(model)' at \(commit.short) was not carried out in \(deadline.seconds) s: \(said)",
            remedy: "look whether 'slipway reconcile --env \(environment)' runs, and what it logs"
        )
    }

    private func expectNotReplaced(_ model: ModelName, _ commit: CommitID, wanted: String, path: String) async throws {
        let head: CommitID
        do {
            head = try await repository.head()
        } catch let error as PlatformError where error.code == .unavailable {
            return
        }
        guard head != commit, try await repository.file(path, at: head) != wanted else { return }
        throw PlatformError(.failedPrecondition, "release '\(model)' at \(commit.short) was replaced by a later commit \(head.short)")
    }
}
