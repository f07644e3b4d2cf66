import SlipwayCore
import SlipwayTracking

/// The candidate's files on disk.
struct CandidateFiles: Sendable {
    /// Path among the artifacts → file, of all of them.
    let files: [String: String]
    let digests: [String: Digest]
    let graph: String

    var graphFile: String { files[graph, default: ""] }
    var graphDigest: Digest? { digests[graph] }

    /// What a model server needs: path inside the version → file.
    var served: [String: String] {
        var served: [String: String] = [:]
        for (path, name) in ServedArtifacts.names(of: files.keys, graph: graph) { served[name] = files[path] }
        return served
    }
}
