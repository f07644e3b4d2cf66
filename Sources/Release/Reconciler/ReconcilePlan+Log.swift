import Logging
import SlipwayCore
import SlipwayRelease

extension ReconcilePlan.Action {
    /// What an action is about, under the keys of every log line.
    var logMetadata: Logger.Metadata {
        switch self {
        case .load(let model, let version, _), .unload(let model, let version, _):
            [LogKey.modelName.rawValue: .string(model.text), LogKey.modelVersion.rawValue: .string("\(version)")]
        case .reload(let release, let commit, _):
            [LogKey.modelName.rawValue: .string(release.model.text), LogKey.releaseCommit.rawValue: .string(commit.text)]
        case .setAlias(let model, let alias, let version):
            [
                LogKey.modelName.rawValue: .string(model.text), LogKey.modelVersion.rawValue: .string("\(version)"),
                LogKey.variant.rawValue: .string(alias.text),
            ]
        case .removeAlias(let model, let alias):
            [LogKey.modelName.rawValue: .string(model.text), LogKey.variant.rawValue: .string(alias.text)]
        }
    }
}
