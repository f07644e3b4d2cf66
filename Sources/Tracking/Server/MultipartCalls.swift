import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// `mlflow-artifacts/mpu/…`: files in parts, as MLflow's client sends large ones; and `…/presigned/…`.
///
/// The client sends parts and fetches ranges with nothing but the URL it was given: the URL is the permission.
/// It names an upload by ``UploadID``, or a file by a ``DownloadGrants`` token, and neither can be guessed.
struct MultipartCalls: Sendable {
    let artifacts: any ArtifactStore
    let transfer: ArtifactTransfer
    let grants: DownloadGrants
    /// Where the group is, for the URLs that are handed out.
    let place: String

    func add(to group: RouterGroup<PlatformRequestContext>) {
        let uploads = artifacts.uploads
        group.post("mpu/create/**") { request, _ in
            try await guarded {
                let body = try await parameters(request)
                let path = try path(request, "create", body)
                let parts = try body.int("num_parts") ?? 1
                let base = try baseURL(request)
                let upload = try await BlockingWork.run { try uploads.create(path, parts: Int(clamping: parts)) }
                let credentials = (1...upload.parts).map { number -> JSONValue in
                    ["url": .string("\(base)/mpu/parts/\(upload.id)/\(number)"), "part_number": .int(Int64(number)), "headers": [:]]
                }
                return Response(json: ["upload_id": .string(upload.id.text), "credentials": .array(credentials)])
            }
        }
        group.put("mpu/parts/:upload_id/:number") { request, context in
            try await guarded {
                let id = try UploadID(context.parameters.get("upload_id") ?? "")
                guard let number = Int(context.parameters.get("number") ?? "") else {
                    throw PlatformError(.invalidArgument, "the part's number is no number")
                }
                let upload = try await BlockingWork.run { try uploads.upload(id) }
                let digest = try await transfer.upload(request, of: upload.path) { try uploads.write(part: number, of: id, expecting: $0) }
                return ArtifactTransfer.stored(digest)
            }
        }
        group.get("mpu/parts/:upload_id") { _, context in
            try await guarded {
                let id = try UploadID(context.parameters.get("upload_id") ?? "")
                let (upload, parts) = try await BlockingWork.run { (try uploads.upload(id), try uploads.parts(of: id)) }
                let items = parts.map { part -> JSONValue in
                    ["part_number": .int(Int64(part.number)), "etag": .string("\"\(part.digest.hex)\""), "size": .int(part.bytes)]
                }
                return Response(json: [
                    "upload_id": .string(id.text), "path": .string(upload.path.text), "num_parts": .int(Int64(upload.parts)),
                    "is_complete": .bool(upload.completed != nil), "parts": .array(items),
                ])
            }
        }
        group.post("mpu/complete/**") { request, _ in
            try await guarded {
                let body = try await parameters(request)
                let path = try path(request, "complete", body)
                let id = try UploadID(try body.required("upload_id"))
                var claims: [PartClaim] = []
                for part in try body.objects("parts") {
                    claims.append(PartClaim(number: Int(clamping: try part.int("part_number") ?? 0), etag: try part.text("etag") ?? ""))
                }
                let sent = claims
                let digest = try await BlockingWork.run { try uploads.complete(id, path, sent) }
                return ArtifactTransfer.stored(digest)
            }
        }
        group.post("mpu/abort/**") { request, _ in
            try await guarded {
                let body = try await parameters(request)
                _ = try path(request, "abort", body)
                let id = try UploadID(try body.required("upload_id"))
                try await BlockingWork.run { try uploads.abort(id) }
                return Response(json: [:])
            }
        }
        group.get("presigned/**") { request, _ in
            try await guarded {
                let path = try ArtifactProxy.path(request, behind: "/mlflow-artifacts/presigned/")
                let base = try baseURL(request)
                let bytes = try await BlockingWork.run { try artifacts.read(path).byteCount }
                return Response(json: ["url": .string("\(base)/granted/\(grants.grant(path))"), "headers": [:], "file_size": .int(bytes)])
            }
        }
        for method in [HTTPRequest.Method.get, .head] {
            group.on("granted/:token", method: method) { request, context in
                try await guarded {
                    guard let path = grants.path(context.parameters.get("token") ?? "") else {
                        throw PlatformError(.notFound, "the download URL has expired", remedy: "ask for another one")
                    }
                    return try await transfer.download(path, request)
                }
            }
        }
    }

    /// The folder of the URL and the name of the client's own file.
    private func path(_ request: Request, _ call: String, _ body: Parameters) throws(PlatformError) -> ArtifactPath {
        let folder = try ArtifactProxy.path(request, behind: "/mlflow-artifacts/mpu/\(call)/")
        let local = try body.required("path")
        guard let name = local.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last else {
            throw PlatformError(.invalidArgument, "Invalid path")
        }
        return try folder.appending(try ArtifactPath(requested: String(name)).text)
    }

    private func parameters(_ request: Request) async throws -> Parameters {
        let buffer: ByteBuffer
        do {
            buffer = try await request.body.collect(upTo: Limits.jsonBytesMax)
        } catch {
            throw PlatformError(.invalidArgument, "the request body is larger than \(Limits.jsonBytesMax) bytes", cause: error)
        }
        guard let body = try JSONValue(parsing: buffer.readableBytesView).objectValue else {
            throw PlatformError(.invalidArgument, "the request body must be a JSON object")
        }
        return Parameters(body)
    }

    /// As the client, or the proxy in front of us, reached this server.
    private func baseURL(_ request: Request) throws(PlatformError) -> String {
        let scheme = request.headers[.forwardedProto] ?? request.head.scheme ?? "http"
        guard let host = request.headers[.forwardedHost] ?? request.head.authority, !host.isEmpty, scheme == "http" || scheme == "https" else {
            throw PlatformError(.invalidArgument, "the request does not say by which host this server was reached", remedy: "send the header 'Host'")
        }
        let prefix = (request.headers[.forwardedPrefix] ?? "").split(separator: "/").map { "/\($0)" }.joined()
        return "\(scheme)://\(host)\(prefix)\(place)"
    }
}
