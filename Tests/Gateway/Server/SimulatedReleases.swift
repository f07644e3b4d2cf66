import SlipwayCore
import SlipwayRelease
import Synchronization

/// What Git says, as a test sets it.
final class SimulatedReleases: ReleaseSource {
    private let state = Mutex<Result<AcceptedReleases, PlatformError>>(.success(AcceptedReleases()))
    private let commits = Atomic<Int>(0)

    func accepted() async throws -> AcceptedReleases {
        try state.withLock { $0 }.get()
    }

    /// Commits a release: variants as `A: (version, percent)`.
    @discardableResult
    func commit(_ model: String, _ variants: KeyValuePairs<String, (Int, Int)>) throws -> (Release, CommitID) {
        try commit(try makeRelease(model, variants))
    }

    @discardableResult
    func commit(_ release: Release) throws -> (Release, CommitID) {
        let id = try nextCommit()
        try state.withLock { state in
            var accepted = try state.get()
            accepted.entries[release.model] = .init(release: release, commit: id)
            state = .success(accepted)
        }
        return (release, id)
    }

    func remove(_ model: String) throws {
        let name = try ModelName(model)
        try state.withLock { state in
            var accepted = try state.get()
            accepted.entries[name] = nil
            state = .success(accepted)
        }
    }

    func fail(_ error: PlatformError) {
        state.withLock { $0 = .failure(error) }
    }

    private func nextCommit() throws -> CommitID {
        let number = commits.wrappingAdd(1, ordering: .relaxed).newValue
        let digits = String(number, radix: 16)
        return try CommitID(String(repeating: "0", count: 40 - digits.count) + digits)
    }
}

func makeRelease(
    _ model: String,
    _ variants: KeyValuePairs<String, (Int, Int)>,
    shadow: Release.Shadow? = nil,
    stickiness: Release.Stickiness? = nil,
    allowsVariantHeader: Bool = false
) throws -> Release {
    try Release(
        model: try ModelName(model),
        variants: try variants.map { alias, value in
            Release.Variant(
                alias: try Alias(alias),
                version: try ModelVersion(value.0),
                weight: try Weight(hundredths: value.1 * 100)
            )
        },
        lastGood: nil,
        shadow: shadow,
        stickiness: stickiness,
        allowsVariantHeader: allowsVariantHeader
    )
}
