import Foundation
import SlipwayCore
import SlipwayS3
import SlipwayTracking
import Synchronization

/// The objects below a prefix of a bucket, by artifact paths; waits for each answer.
struct BucketObjects: Sendable {
    private let client: S3Client
    /// With a `/` at its end, or empty.
    private let prefix: String
    /// An object of ours that shows that the bucket takes objects; no artifact.
    private static let probeName = ".slipway-artifacts"

    init(client: S3Client, prefix: String) {
        self.client = client
        self.prefix = prefix.isEmpty ? "" : prefix + "/"
    }

    func probe() async throws {
        try await client.put(Array("artifacts of a slipway tracking server\n".utf8), at: prefix + Self.probeName)
    }

    func head(_ path: ArtifactPath) throws -> S3Object? {
        try wait { [client, prefix] in try await client.head(prefix + path.text) }
    }

    /// - Throws: `corrupt` when what was uploaded is not the file that has this digest.
    func upload(_ file: String, to path: ArtifactPath, digest: Digest) throws -> Digest {
        let stored = try wait { [client, prefix] in try await client.put(file: file, at: prefix + path.text) }
        guard stored == digest else { throw PlatformError(.corrupt, "artifact '\(path)' changed on its way into the bucket", remedy: "upload it again") }
        return stored
    }

    func fetch(_ path: ArtifactPath, to file: String) throws -> Digest {
        do {
            return try wait { [client, prefix] in try await client.get(prefix + path.text, to: file) }
        } catch let error as PlatformError where error.code == .notFound {
            throw PlatformError(.notFound, "No such artifact: '\(path)'")
        }
    }

    func list(_ path: ArtifactPath?) throws -> [ArtifactListing] {
        let above = prefix + (path.map { "\($0)/" } ?? "")
        let objects = try wait { [client] in try await client.list(above) }
        var folders: Set<String> = []
        var found: [ArtifactListing] = []
        for object in objects {
            let rest = object.key.dropFirst(above.count)
            guard !rest.isEmpty, object.key != prefix + Self.probeName else { continue }
            if let slash = rest.firstIndex(of: "/") {
                let name = String(rest[..<slash])
                if !name.isEmpty, folders.insert(name).inserted { found.append(ArtifactListing(name: name, isFolder: true, bytes: 0)) }
            } else {
                found.append(ArtifactListing(name: String(rest), isFolder: false, bytes: object.byteCount))
            }
        }
        return found.sorted { $0.name < $1.name }
    }

    func delete(_ path: ArtifactPath) throws {
        let key = prefix + path.text
        try wait { [client] in
            try await client.delete(key)
            for object in try await client.list(key + "/") { try await client.delete(object.key) }
        }
    }

    /// Runs a call of the client from a thread that may wait; the client bounds how long that is.
    private func wait<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) throws -> Value {
        let answer = Answer<Value>()
        let done = DispatchSemaphore(value: 0)
        Task.detached {
            do {
                answer.set(.success(try await body()))
            } catch {
                answer.set(.failure(error))
            }
            done.signal()
        }
        done.wait()
        return try answer.get()
    }
}

private final class Answer<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)

    func set(_ result: Result<Value, any Error>) { self.result.withLock { $0 = result } }

    func get() throws -> Value {
        guard let result = result.withLock({ $0 }) else { throw PlatformError(.unexpected, "a call of the bucket gave no answer") }
        return try result.get()
    }
}
