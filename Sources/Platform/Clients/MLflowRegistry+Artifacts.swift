public import SlipwayCore
public import SlipwayTracking

extension MLflowRegistry {
    public func uploadArtifact(runID: String, path: String, fromFile file: String) async throws {
        try Self.checkPath(path)
        let chunks = try FileChunks(file: file)
        let root = try await runRoot(runID)
        try await wire.upload(chunks, to: "\(root)/\(path)", doing: "store '\(path)' of run '\(runID)'")
    }

    public func downloadArtifact(_ path: String, ofRun id: String, toFile file: String) async throws -> Digest {
        try Self.checkPath(path)
        return try await wire.download("\(try await runRoot(id))/\(path)", toFile: file, doing: "fetch '\(path)' of run '\(id)'")
    }

    public func artifacts(ofLoggedModel id: String) async throws -> [ArtifactEntry] {
        try await files(in: try await loggedModelRoot(id), doing: "list the files of logged model '\(id)'")
    }

    public func downloadArtifact(_ path: String, ofLoggedModel id: String, toFile file: String) async throws -> Digest {
        try Self.checkPath(path)
        let root = try await loggedModelRoot(id)
        return try await wire.download("\(root)/\(path)", toFile: file, doing: "fetch '\(path)' of logged model '\(id)'")
    }

    public func artifacts(of version: ModelVersion, model: ModelName) async throws -> [ArtifactEntry] {
        let doing = "list the files of version \(version) of '\(model)'"
        return try await files(in: try await versionRoot(version, model, doing: doing), doing: doing)
    }

    public func downloadArtifact(
        _ path: String,
        of version: ModelVersion,
        model: ModelName,
        toFile file: String
    ) async throws -> Digest {
        try Self.checkPath(path)
        let doing = "fetch '\(path)' of version \(version) of '\(model)'"
        return try await wire.download("\(try await versionRoot(version, model, doing: doing))/\(path)", toFile: file, doing: doing)
    }

    private func runRoot(_ id: String) async throws -> String {
        let doing = "find the artifacts of run '\(id)'"
        return try artifactRoot(try (try await runJSON(id, doing: doing)["info"] ?? .null).text("artifact_uri", doing: doing))
    }

    private func loggedModelRoot(_ id: String) async throws -> String {
        let doing = "find logged model '\(id)'"
        let answer = try await wire.get("logged-models/\(id.urlEncoded)", [], doing: doing)
        return try artifactRoot(try (answer["model"]?["info"] ?? .null).text("artifact_uri", doing: doing))
    }

    /// The server resolves a version's source; some answer the logged model's URI, some its folder.
    private func versionRoot(_ version: ModelVersion, _ model: ModelName, doing: String) async throws -> String {
        let query = [("name", model.text), ("version", "\(version)")]
        let answer = try await wire.get("model-versions/get-download-uri", query, doing: doing)
        let uri = try answer.text("artifact_uri", doing: doing)
        if let id = Self.loggedModel(uri) { return try await loggedModelRoot(id) }
        return try artifactRoot(uri)
    }

    /// The folder that a URI means, as a path below the server's artifact proxy.
    func artifactRoot(_ uri: String) throws(PlatformError) -> String {
        let scheme = "mlflow-artifacts:/"
        guard uri.hasPrefix(scheme) else {
            throw PlatformError(
                .failedPrecondition,
                "the artifacts are at '\(uri.prefix(200))', which the tracking server does not hand out",
                remedy: "start the tracking server with --serve-artifacts"
            )
        }
        var path = uri.dropFirst(scheme.count)
        if path.first == "/" {
            // mlflow-artifacts://host:port/path
            path = path.dropFirst().drop { $0 != "/" }
        }
        return String(path.drop { $0 == "/" })
    }

    /// All files below a folder, by their path in it.
    private func files(in root: String, doing: String) async throws -> [ArtifactEntry] {
        var entries: [ArtifactEntry] = []
        var folders = [(path: "", depth: 0)]
        while let folder = folders.popLast() {
            guard folder.depth <= ClientLimits.artifactDepthMax else {
                throw PlatformError(.exhausted, "could not \(doing): folders stand deeper than \(ClientLimits.artifactDepthMax)")
            }
            for item in try await wire.artifacts(in: folder.path.isEmpty ? root : "\(root)/\(folder.path)", doing: doing) {
                let name = try item.text("path", doing: doing)
                let path = folder.path.isEmpty ? name : "\(folder.path)/\(name)"
                try Self.checkPath(path)
                if item["is_dir"]?.boolValue == true {
                    folders.append((path, folder.depth + 1))
                } else {
                    entries.append(ArtifactEntry(path: path, bytes: item["file_size"]?.intValue ?? 0))
                }
                guard entries.count + folders.count <= ClientLimits.artifactFilesMax else {
                    throw PlatformError(.exhausted, "could not \(doing): there are more than \(ClientLimits.artifactFilesMax) files")
                }
            }
        }
        return entries.sorted { $0.path < $1.path }
    }

    /// - Throws: `invalid_argument` for a path that is empty or would lead out of its folder.
    static func checkPath(_ path: String) throws(PlatformError) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard path.utf8.count <= ClientLimits.pathBytesMax, !path.utf8.contains(0), !path.contains("\\"),
            parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." })
        else { throw PlatformError(.invalidArgument, "'\(path.prefix(80))' is not the path of an artifact") }
    }
}
