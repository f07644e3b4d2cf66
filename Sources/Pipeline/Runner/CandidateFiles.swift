import SlipwayCore

/// The candidate's files on disk.
struct CandidateFiles: Sendable {
    /// Path among the artifacts → file, of all of them.
    let files: [String: String]
    let digests: [String: Digest]
    let graph: String

    var graphFile: String { files[graph, default: ""] }
    var graphDigest: Digest? { digests[graph] }

    /// What a model server needs, by its path inside the version: the graph as `model.onnx` and the
    /// weights that it keeps in files beside it.
    var served: [String: String] {
        var served: [String: String] = [:]
        let folder = Self.folder(graph)
        for (path, file) in files where Self.isPart(path, ofGraph: graph) {
            served[path == graph ? "model.onnx" : String(path.dropFirst(folder.count))] = file
        }
        return served
    }

    /// Whether the artifact is the graph, or data that an ONNX graph may keep in files beside it.
    static func isPart(_ path: String, ofGraph graph: String) -> Bool {
        guard path != graph else { return true }
        guard folder(path).hasPrefix(folder(graph)) else { return false }
        return [".data", ".bin", ".weights", ".onnx_data"].contains { path.hasSuffix($0) }
    }

    /// With its last `/`; empty at the top.
    private static func folder(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }

    /// Which artifact is the graph: `model.onnx`, or the only file of that kind.
    static func graph(among paths: some Collection<String>) throws(PlatformError) -> String {
        let graphs = paths.filter { $0.hasSuffix(".onnx") }.sorted()
        if let named = graphs.first(where: { $0 == "model.onnx" || $0.hasSuffix("/model.onnx") }) {
            return named
        }
        guard graphs.count == 1 else {
            throw PlatformError(
                .failedPrecondition,
                graphs.isEmpty
                    ? "the logged model has no ONNX graph"
                    : "the logged model has \(graphs.count) ONNX graphs and none is 'model.onnx'",
                remedy: "log the model with mlflow.onnx.log_model"
            )
        }
        return graphs[0]
    }
}
