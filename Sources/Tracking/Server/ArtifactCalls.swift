import HTTPTypes
import SlipwayCore
import SlipwayTracking

/// `artifacts/list`: what a run has, by its artifact URI.
struct ArtifactCalls: Sendable {
    let store: any TrackingStore
    let artifacts: any ArtifactStore

    var all: [TrackingCall] {
        [
            TrackingCall(.get, "artifacts/list") { parameters in
                let run = try await store.run(id: try parameters.runID())
                return try await list(run.artifactURI, try parameters.text("path") ?? "")
            },
            TrackingCall(.get, "logged-models/:model_id/artifacts/directories") { parameters in
                let model = try await store.loggedModel(id: try parameters.required("model_id"))
                return try await list(model.artifactURI, try parameters.text("artifact_directory_path") ?? "")
            },
        ]
    }

    private func list(_ uri: String, _ path: String) async throws -> JSONValue {
        let below = path.isEmpty ? "" : try ArtifactPath(requested: path).text
        let files = try await ArtifactURI.files(artifacts, try ArtifactURI.path(uri, appending: path), below: below)
        return ["root_uri": .string(uri), "files": files]
    }
}

/// `mlflow-artifacts:/…` URIs as paths of the artifact store.
enum ArtifactURI {
    /// - Parameter path: As a client sent it.
    static func path(_ uri: String, appending path: String) throws(PlatformError) -> ArtifactPath {
        guard uri.hasPrefix("mlflow-artifacts:/") else {
            throw PlatformError(.invalidArgument, "the artifacts are at '\(uri.prefix(200))', which this server does not keep")
        }
        let base = try ArtifactPath(requested: String(uri.dropFirst("mlflow-artifacts:/".count).drop { $0 == "/" }))
        return path.isEmpty ? base : try base.appending(try ArtifactPath(requested: path).text)
    }

    /// The entries of a folder in MLflow's form; their paths begin with `below`.
    static func files(_ store: any ArtifactStore, _ folder: ArtifactPath?, below: String) async throws -> JSONValue {
        let entries = try await BlockingWork.run { try store.list(folder) }
        return .array(
            entries.map { entry in
                let path = below.isEmpty ? entry.name : "\(below)/\(entry.name)"
                return entry.isFolder
                    ? ["path": .string(path), "is_dir": true]
                    : ["path": .string(path), "is_dir": false, "file_size": .int(entry.bytes)]
            }
        )
    }
}
