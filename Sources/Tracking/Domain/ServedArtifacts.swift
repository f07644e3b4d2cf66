public import SlipwayCore

/// Which artifacts of a logged model a model server needs: an ONNX graph, and the weights that it keeps in files
/// beside it.
public enum ServedArtifacts {
    /// What the graph is called inside a version.
    public static let graphName = "model.onnx"

    /// Whether the artifact is the graph, or data that an ONNX graph may keep in files beside it.
    public static func isPart(_ path: String, ofGraph graph: String) -> Bool {
        guard path != graph else { return true }
        guard folder(path).hasPrefix(folder(graph)) else { return false }
        return [".data", ".bin", ".weights", ".onnx_data"].contains { path.hasSuffix($0) }
    }

    /// Path among the artifacts → path inside the version, of those that are parts of the graph.
    public static func names(of paths: some Collection<String>, graph: String) -> [String: String] {
        let above = folder(graph)
        var names: [String: String] = [:]
        for path in paths where isPart(path, ofGraph: graph) {
            names[path] = path == graph ? graphName : String(path.dropFirst(above.count))
        }
        return names
    }

    /// Which artifact is the graph: `model.onnx`, or the only file of that kind.
    ///
    /// - Throws: `failed_precondition` when that is not clear.
    public static func graph(among paths: some Collection<String>) throws(PlatformError) -> String {
        let graphs = paths.filter { $0.hasSuffix(".onnx") }.sorted()
        if let named = graphs.first(where: { $0 == graphName || $0.hasSuffix("/\(graphName)") }) {
            return named
        }
        guard graphs.count == 1 else {
            throw PlatformError(
                .failedPrecondition,
                graphs.isEmpty
                    ? "the logged model has no ONNX graph"
                    : "the logged model has \(graphs.count) ONNX graphs and none is '\(graphName)'",
                remedy: "log the model with mlflow.onnx.log_model"
            )
        }
        return graphs[0]
    }

    /// With its last `/`; empty at the top.
    private static func folder(_ path: String) -> String {
        path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    }
}
