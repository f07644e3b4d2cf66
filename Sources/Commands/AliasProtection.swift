import SlipwayCore
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage
import SlipwayTracking

/// The aliases that only the reconciler moves, as it last accepted them: what the tracking server keeps to.
final class AliasProtection: Sendable {
    private let rules: Locked<ProtectedAliases>
    private let releaseFolder: String

    /// Begins with what was accepted before a restart.
    init(home: EnvironmentHome) throws {
        releaseFolder = ReleaseFile.folder(of: home.environment)
        rules = Locked(Self.rules(try home.platformState.load(), releaseFolder))
    }

    var current: ProtectedAliases { rules.with { $0 } }

    /// The same state, whose every save counts at once.
    func watching(_ state: PlatformState) -> PlatformState {
        PlatformState(
            load: state.load,
            save: { file in
                try state.save(file)
                let rules = Self.rules(file, self.releaseFolder)
                self.rules.with { $0 = rules }
            }
        )
    }

    private static func rules(_ file: PlatformFile, _ releaseFolder: String) -> ProtectedAliases {
        ProtectedAliases(names: Set(file.protectedAliases.map(\.text)), releaseFolder: releaseFolder)
    }
}
