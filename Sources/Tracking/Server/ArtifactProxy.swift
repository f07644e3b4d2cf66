import HTTPTypes
import Hummingbird
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// `mlflow-artifacts/artifacts`: files up and down, streamed both ways.
struct ArtifactProxy: Sendable {
    let artifacts: any ArtifactStore
    let transfer: ArtifactTransfer

    func add(to group: RouterGroup<PlatformRequestContext>) {
        group.get("artifacts") { request, _ in
            try await guarded {
                let path = try Parameters(query: request.uri.query).text("path") ?? ""
                let folder = path.isEmpty ? nil : try ArtifactPath(requested: path)
                // The proxy's listing names entries relative to the folder.
                return Response(json: ["files": try await ArtifactURI.files(artifacts, folder, below: "")])
            }
        }
        group.get("artifacts/**") { request, _ in
            try await guarded { try await transfer.download(try Self.path(request, behind: "/mlflow-artifacts/artifacts/"), request) }
        }
        group.head("artifacts/**") { request, _ in
            try await guarded { try await transfer.download(try Self.path(request, behind: "/mlflow-artifacts/artifacts/"), request) }
        }
        group.put("artifacts/**") { request, _ in
            try await guarded {
                guard !request.uri.path.hasSuffix("/") else {
                    throw PlatformError(.invalidArgument, "Artifact path must include a filename (cannot end with '/').")
                }
                let path = try Self.path(request, behind: "/mlflow-artifacts/artifacts/")
                let digest = try await transfer.upload(request, of: path) { try artifacts.write(path, expecting: $0) }
                return ArtifactTransfer.stored(digest)
            }
        }
        group.delete("artifacts/**") { request, _ in
            try await guarded {
                let path = try Self.path(request, behind: "/mlflow-artifacts/artifacts/")
                try await BlockingWork.run { try artifacts.delete(path) }
                return Response(json: [:])
            }
        }
    }

    /// The rest of the request's path, from its own text: the router drops empty parts, which hides `//etc`.
    static func path(_ request: Request, behind prefix: String) throws(PlatformError) -> ArtifactPath {
        let text = request.uri.path
        guard let range = text.firstRange(of: prefix), let decoded = PercentEncoding.decoded(text[range.upperBound...]) else {
            throw PlatformError(.invalidArgument, "Invalid path")
        }
        return try ArtifactPath(requested: decoded)
    }
}

/// `/get-artifact` and `/model-versions/get-artifact`, which the UI and some clients use.
struct ArtifactDownloads: Sendable {
    let store: any TrackingStore
    let transfer: ArtifactTransfer

    func add(to router: Router<PlatformRequestContext>) {
        for method in [HTTPRequest.Method.get, .head] {
            router.on("get-artifact", method: method) { request, _ in
                try await guarded {
                    let query = Parameters(query: request.uri.query)
                    let path = try Self.path(query)
                    let run = try await store.run(id: try query.runID())
                    return try await transfer.download(try ArtifactURI.path(run.artifactURI, appending: path), request)
                }
            }
            router.on("model-versions/get-artifact", method: method) { request, _ in
                try await guarded {
                    let query = Parameters(query: request.uri.query)
                    let path = try Self.path(query)
                    let version = try await store.modelVersion(name: try query.required("name"), version: try query.required("version"))
                    return try await transfer.download(try ArtifactURI.path(version.storageLocation, appending: path), request)
                }
            }
        }
    }
}

extension ArtifactDownloads {
    /// Checked before what it is of is looked for.
    private static func path(_ query: Parameters) throws(PlatformError) -> String {
        try ArtifactPath(requested: try query.required("path")).text
    }
}

/// Answers a refusal in MLflow's form.
func guarded(_ body: () async throws -> Response) async throws -> Response {
    do {
        return try await body()
    } catch let error as PlatformError {
        return error.mlflowResponse
    }
}
