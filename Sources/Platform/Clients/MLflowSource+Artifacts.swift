import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import SlipwayCore
public import SlipwayTracking

/// Artifacts of a source: through its artifact proxy, or else through the routes by which it reads a run's or
/// a logged model's files for browsers, wherever those are.
extension MLflowSource {
    public func files(in folder: SourceFolder) async throws -> [ArtifactEntry] {
        let place = try SourcePlace(folder)
        let doing = "list the files at '\(folder.uri)'"
        var entries: [ArtifactEntry] = []
        var folders = [(path: "", depth: 0)]
        while let next = folders.popLast() {
            guard next.depth <= ClientLimits.artifactDepthMax else {
                throw PlatformError(.exhausted, "could not \(doing): folders stand deeper than \(ClientLimits.artifactDepthMax)")
            }
            let answer = try await listing(place, next.path, doing: doing)
            for item in answer["files"]?.arrayValue ?? [] {
                let name = try item.text("path", doing: doing)
                // The proxy names entries by themselves, the other routes from the root.
                let path = place.namesWholePaths || next.path.isEmpty ? name : "\(next.path)/\(name)"
                try MLflowRegistry.checkPath(path)
                // A server that answers a folder with itself would never end.
                guard path != next.path else { continue }
                if item["is_dir"]?.boolValue == true {
                    folders.append((path, next.depth + 1))
                } else {
                    entries.append(ArtifactEntry(path: path, bytes: MLflowRecords.integer(item["file_size"]) ?? 0))
                }
                guard entries.count + folders.count <= ImportFileLimits.filesMax else {
                    throw PlatformError(.exhausted, "could not \(doing): there are more than \(ImportFileLimits.filesMax) files")
                }
            }
        }
        return entries.sorted { $0.path < $1.path }
    }

    public func download(
        _ path: String,
        in folder: SourceFolder,
        into begin: @escaping @Sendable () throws -> any IncomingArtifact
    ) async throws -> ReceivedArtifact {
        let place = try SourcePlace(folder)
        let doing = "copy '\(path)' from '\(folder.uri)'"
        return try await retries.run {
            let result: Result<ReceivedArtifact, any Error>
            do {
                result = try await peer.transfer(place.download(path)) { response in
                    guard (200..<300).contains(response.status.code) else {
                        let answer = try await peer.answer(response)
                        if let failure = Self.passing(answer, doing: doing) { return .failure(failure) }
                        throw PlatformError.mlflow(answer, doing: doing)
                    }
                    return try await Self.receive(response, into: begin, doing: doing)
                }
            } catch let error as PlatformError where error.code == .unavailable {
                throw PassingFailure(error: error)
            }
            return try result.get()
        }
    }

    private func listing(_ place: SourcePlace, _ path: String, doing: String) async throws -> JSONValue {
        let answer = try await call(place.list(path), doing: doing)
        guard answer.isSuccess else { throw PlatformError.mlflow(answer, doing: doing) }
        return try JSONValue(parsing: answer.body)
    }

    /// - Returns: A failure of the place that the file goes to, which no other attempt would mend.
    /// - Throws: A failure of the source.
    private static func receive(
        _ response: HTTPClientResponse,
        into begin: @Sendable () throws -> any IncomingArtifact,
        doing: String
    ) async throws -> Result<ReceivedArtifact, any Error> {
        let file: any IncomingArtifact
        do {
            file = try begin()
        } catch {
            return .failure(error)
        }
        do {
            var hasher = DigestHasher()
            var bytes: Int64 = 0
            for try await chunk in response.body {
                bytes += Int64(chunk.readableBytes)
                guard bytes <= ClientLimits.fileBytesMax else {
                    throw PlatformError(.exhausted, "could not \(doing): it is larger than \(ClientLimits.fileBytesMax >> 30) GiB")
                }
                let failure = chunk.withUnsafeReadableBytes { span in
                    hasher.update(span)
                    return append(span, to: file)
                }
                if let failure {
                    file.abandon()
                    return .failure(failure)
                }
            }
            let digest = hasher.finish()
            if let announced = announced(response.headers), announced != digest {
                throw PlatformError(.corrupt, "could not \(doing): the source announced \(announced), and sent \(digest)")
            }
            return .success(ReceivedArtifact(file: file, digest: digest, bytes: bytes))
        } catch {
            file.abandon()
            throw error
        }
    }

    private static func append(_ bytes: UnsafeRawBufferPointer, to file: any IncomingArtifact) -> (any Error)? {
        do {
            try file.append(bytes)
            return nil
        } catch {
            return error
        }
    }

    /// The digest that the source keeps of the file, where it says one: RFC 9530's `Repr-Digest`.
    private static func announced(_ headers: HTTPHeaders) -> Digest? {
        for item in headers[canonicalForm: "repr-digest"] {
            let parts = item.split(separator: "=", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            guard parts.count == 2, parts[0].lowercased() == "sha-256", parts[1].hasPrefix(":"), parts[1].hasSuffix(":"),
                let data = Data(base64Encoded: String(parts[1].dropFirst().dropLast()))
            else { continue }
            return try? Digest(data.hexText)
        }
        return nil
    }
}

/// The routes by which a source hands a folder out.
private struct SourcePlace {
    private enum Route {
        case proxy(String)
        case run(String)
        case loggedModel(String)
    }

    private let route: Route

    init(_ folder: SourceFolder) throws(PlatformError) {
        if let path = ArtifactLocation(folder.uri).proxied {
            try MLflowRegistry.checkPath(path)
            route = .proxy(path)
            return
        }
        switch folder.owner {
        case .run(let id): route = .run(id)
        case .loggedModel(let id): route = .loggedModel(id)
        case .none:
            throw PlatformError(.failedPrecondition, "the source does not hand out the files at '\(folder.uri)'")
        }
    }

    var namesWholePaths: Bool {
        if case .proxy = route { false } else { true }
    }

    func list(_ path: String) -> PeerRequest {
        switch route {
        case .proxy(let root):
            PeerRequest(.GET, "/api/2.0/mlflow-artifacts/artifacts", query: [("path", path.isEmpty ? root : "\(root)/\(path)")])
        case .run(let id):
            PeerRequest(.GET, "/api/2.0/mlflow/artifacts/list", query: [("run_id", id)] + (path.isEmpty ? [] : [("path", path)]))
        case .loggedModel(let id):
            PeerRequest(
                .GET,
                "/api/2.0/mlflow/logged-models/\(id.urlEncoded)/artifacts/directories",
                query: path.isEmpty ? [] : [("artifact_directory_path", path)]
            )
        }
    }

    func download(_ path: String) -> PeerRequest {
        switch route {
        case .proxy(let root): PeerRequest(.GET, "/api/2.0/mlflow-artifacts/artifacts/\("\(root)/\(path)".pathEncoded)")
        case .run(let id): PeerRequest(.GET, "/get-artifact", query: [("run_id", id), ("path", path)])
        case .loggedModel(let id):
            PeerRequest(
                .GET,
                "/ajax-api/2.0/mlflow/logged-models/\(id.urlEncoded)/artifacts/files",
                query: [("artifact_file_path", path)]
            )
        }
    }
}

private enum ImportFileLimits {
    /// In one run or logged model.
    static let filesMax = 100_000
}
