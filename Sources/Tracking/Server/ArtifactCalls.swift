import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// `artifacts/list`: what a run has, by its artifact URI.
struct ArtifactCalls: Sendable {
    let store: any TrackingStore
    let artifacts: any ArtifactStore

    var all: [TrackingCall] {
        [
            TrackingCall(.get, "artifacts/list") { parameters in
                let run = try await store.run(id: try parameters.runID())
                let path = try parameters.text("path") ?? ""
                let root = try ArtifactURI.path(run.artifactURI, appending: path)
                return ["root_uri": .string(run.artifactURI), "files": .array(try ArtifactURI.files(artifacts, root, below: path))]
            },
            TrackingCall(.get, "logged-models/:model_id/artifacts/directories") { parameters in
                let model = try await store.loggedModel(id: try parameters.required("model_id"))
                let path = try parameters.text("artifact_directory_path") ?? ""
                let root = try ArtifactURI.path(model.artifactURI, appending: path)
                return ["root_uri": .string(model.artifactURI), "files": .array(try ArtifactURI.files(artifacts, root, below: path))]
            },
        ]
    }
}

/// `mlflow-artifacts:/…` URIs as paths of the artifact store.
enum ArtifactURI {
    static func path(_ uri: String, appending path: String) throws(PlatformError) -> ArtifactPath {
        guard uri.hasPrefix("mlflow-artifacts:/") else {
            throw PlatformError(.invalidArgument, "the artifacts are at '\(uri.prefix(200))', which this server does not keep")
        }
        let base = uri.dropFirst("mlflow-artifacts:/".count).drop { $0 == "/" }
        return try ArtifactPath(path.isEmpty ? String(base) : "\(base)/\(path)")
    }

    /// The entries of a folder in MLflow's form; their paths begin with `below`.
    static func files(_ store: any ArtifactStore, _ folder: ArtifactPath?, below: String) throws -> [JSONValue] {
        try store.list(folder).map { entry in
            let path = below.isEmpty ? entry.name : "\(below)/\(entry.name)"
            return entry.isFolder
                ? ["path": .string(path), "is_dir": true]
                : ["path": .string(path), "is_dir": false, "file_size": .int(entry.bytes)]
        }
    }
}

/// `mlflow-artifacts/artifacts`: files up and down, streamed both ways.
struct ArtifactProxy: Sendable {
    let artifacts: any ArtifactStore

    func add(to group: RouterGroup<PlatformRequestContext>) {
        group.get("artifacts") { request, _ in
            try await guarded {
                let path = try Parameters(query: request.uri.query).text("path") ?? ""
                let folder = path.isEmpty ? nil : try ArtifactPath(path)
                // The proxy's listing names entries relative to the folder.
                return Response(json: ["files": .array(try ArtifactURI.files(artifacts, folder, below: ""))])
            }
        }
        group.get("artifacts/**") { _, context in
            try await guarded { try download(artifacts, try path(context)) }
        }
        group.put("artifacts/**") { request, context in
            try await guarded {
                try await upload(request, to: try path(context))
                return Response(json: [:])
            }
        }
        group.delete("artifacts/**") { _, context in
            try await guarded {
                try artifacts.delete(try path(context))
                return Response(json: [:])
            }
        }
    }

    private func path(_ context: PlatformRequestContext) throws(PlatformError) -> ArtifactPath {
        let parts = context.parameters.getCatchAll().map { String($0).removingPercentEncoding ?? String($0) }
        return try ArtifactPath(parts.joined(separator: "/"))
    }

    private func upload(_ request: Request, to path: ArtifactPath) async throws {
        let writer = try artifacts.write(path)
        do {
            var received: Int64 = 0
            for try await chunk in request.body {
                received += Int64(chunk.readableBytes)
                try chunk.withUnsafeReadableBytes { try writer.append($0) }
            }
            if let text = request.headers[.contentLength], let expected = Int64(text), expected != received {
                throw PlatformError(.invalidArgument, "the upload of '\(path)' ended after \(received) of \(expected) bytes")
            }
            try writer.commit()
        } catch {
            writer.abandon()
            throw error
        }
    }
}

/// `/get-artifact` and `/model-versions/get-artifact`, which the UI and some clients use.
struct ArtifactDownloads: Sendable {
    let store: any TrackingStore
    let artifacts: any ArtifactStore

    func add(to router: Router<PlatformRequestContext>) {
        router.get("get-artifact") { request, _ in
            try await guarded {
                let query = Parameters(query: request.uri.query)
                let run = try await store.run(id: try query.runID())
                return try download(artifacts, try ArtifactURI.path(run.artifactURI, appending: try query.required("path")))
            }
        }
        router.get("model-versions/get-artifact") { request, _ in
            try await guarded {
                let query = Parameters(query: request.uri.query)
                let version = try await store.modelVersion(name: try query.required("name"), version: try query.required("version"))
                return try download(artifacts, try ArtifactURI.path(version.storageLocation, appending: try query.required("path")))
            }
        }
    }
}

private func guarded(_ body: () async throws -> Response) async throws -> Response {
    do {
        return try await body()
    } catch let error as PlatformError {
        return error.mlflowResponse
    }
}

private func download(_ artifacts: any ArtifactStore, _ path: ArtifactPath) throws -> Response {
    let reader = try artifacts.read(path)
    let name = path.text.split(separator: "/").last.map(String.init) ?? "artifact"
    return Response(
        status: .ok,
        headers: [
            .contentType: MediaTypes.type(of: name), .contentLength: "\(reader.byteCount)",
            .contentDisposition: "attachment; filename=\"\(name.filter { $0.isLetter || $0.isNumber || "._- ".contains($0) })\"",
            .xContentTypeOptions: "nosniff",
        ],
        body: ResponseBody(contentLength: Int(reader.byteCount)) { writer in
            while true {
                let bytes = try reader.next(TrackingLimits.artifactChunkBytes)
                guard !bytes.isEmpty else { break }
                try await writer.write(ByteBuffer(bytes: bytes))
            }
            try await writer.finish(nil)
        }
    )
}

/// Media types of the files that models are made of.
enum MediaTypes {
    static func type(of name: String) -> String {
        switch name.split(separator: ".").last?.lowercased() ?? "" {
        case "json": "application/json"
        case "txt", "log", "yaml", "yml", "md", "py", "csv", "cfg", "conf", "ini", "toml": "text/plain"
        case _ where name == "MLmodel": "text/plain"
        case "html", "htm": "text/html"
        case "png": "image/png"
        case "jpg", "jpeg": "image/jpeg"
        case "svg": "image/svg+xml"
        case "pdf": "application/pdf"
        default: "application/octet-stream"
        }
    }
}
