import SlipwayCore
import SlipwayTracking

extension MLflowRegistry {
    /// What the embedded server's alias ledger wants to know of a move; a real MLflow server overlooks it.
    var changeHeaders: [(name: String, value: String)] {
        let origin = ChangeOrigin.current
        var headers: [(name: String, value: String)] = []
        if origin.actor.kind != .anonymous { headers.append((ChangeHeader.actor, origin.actor.name.urlEncoded)) }
        if !origin.reason.isEmpty { headers.append((ChangeHeader.reason, origin.reason.urlEncoded)) }
        if let commit = origin.commit { headers.append((ChangeHeader.commit, commit.text)) }
        if let proof = origin.proof { headers.append((ChangeHeader.proof, proof.text)) }
        if let reconcilerSecret { headers.append((ChangeHeader.reconciler, reconcilerSecret)) }
        return headers
    }
}
