import SlipwayCore
import SlipwayReconciler
import SlipwayRelease

/// What must serve, as the reconciler last accepted it: the measure of the model server's readiness.
final class RequiredVersions: Sendable {
    private let accepted = Locked(AcceptedReleases())

    /// The same state, whose every load and save is taken note of.
    func watching(_ state: AcceptedState) -> AcceptedState {
        AcceptedState(
            load: {
                let releases = try state.load()
                self.accepted.with { $0 = releases }
                return releases
            },
            save: { releases in
                try state.save(releases)
                self.accepted.with { $0 = releases }
            }
        )
    }

    /// Whether there is something that must serve, and all of it does.
    func allServe(_ isReady: (ModelName, ModelVersion) -> Bool) -> Bool {
        let releases = accepted.with { $0 }.entries.values.map(\.release)
        return !releases.isEmpty && releases.allSatisfy { release in release.requiredVersions.allSatisfy { isReady(release.model, $0) } }
    }
}
