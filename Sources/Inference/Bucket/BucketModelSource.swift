import Foundation
import SlipwayCore
public import SlipwayInference
public import SlipwayS3

/// Models in a bucket, `<prefix>/<model>/…` in Triton's layout, brought to a folder before each load.
///
/// What was brought is noted in the model's folder, `.brought.json`: a file whose ETag and size are the same is not
/// fetched again, one that is gone from the bucket goes here too, and what others have put into the folder stays.
public struct BucketModelSource: ModelSource {
    public enum Limits {
        public static let filesMax = 10_000
    }

    private static let note = ".brought.json"
    private let client: S3Client
    /// With a `/` at its end, or empty.
    private let prefix: String

    /// - Parameter prefix: Without a `/` at its end; may be empty.
    public init(client: S3Client, prefix: String) {
        self.client = client
        self.prefix = prefix.isEmpty ? "" : prefix + "/"
    }

    public func models() async throws -> [String] {
        let keys = try await client.list(prefix).map { $0.key.dropFirst(prefix.count) }
        return Set(keys.compactMap { key in key.firstIndex(of: "/").map { String(key[..<$0]) } }).filter { (try? ModelName($0)) != nil }.sorted()
    }

    public func bring(_ model: String, to place: String) async throws {
        let folder = URL(filePath: place, directoryHint: .isDirectory)
        let above = "\(prefix)\(model)/"
        let objects = try await client.list(above).filter { !$0.key.hasSuffix("/") }
        guard objects.count <= Limits.filesMax else {
            throw PlatformError(.exhausted, "model '\(model)' has more than \(Limits.filesMax) files in bucket '\(client.bucket.name)'")
        }
        let before = Self.brought(in: folder)
        guard !objects.isEmpty || !before.isEmpty else { return }
        var now: [String: String] = [:]
        for object in objects {
            let path = String(object.key.dropFirst(above.count))
            guard Self.isPlain(path) else {
                throw PlatformError(.invalidArgument, "'\(object.key.prefix(200))' in bucket '\(client.bucket.name)' leads out of its model's folder")
            }
            let file = folder.appending(path: path)
            let stamp = "\(object.etag ?? "")/\(object.byteCount)"
            if before[path] != stamp || object.etag == nil || !FileManager.default.fileExists(atPath: file.path) {
                try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                _ = try await client.get(object.key, to: file.path)
            }
            now[path] = stamp
        }
        for path in before.keys where now[path] == nil {
            let file = folder.appending(path: path)
            try? FileManager.default.removeItem(at: file)
            Self.removeEmpty(file.deletingLastPathComponent())
        }
        let note = folder.appending(path: Self.note)
        guard !now.isEmpty else {
            try? FileManager.default.removeItem(at: note)
            return Self.removeEmpty(folder)
        }
        try Data(JSONValue.object(now.mapValues { .string($0) }).canonicalText.utf8).write(to: note, options: .atomic)
    }

    private static func brought(in folder: URL) -> [String: String] {
        guard let data = try? Data(contentsOf: folder.appending(path: note)), let table = try? JSONValue(parsing: data).objectValue else { return [:] }
        return table.compactMapValues(\.stringValue).filter { isPlain($0.key) }
    }

    /// A version's folder without files would be a version that cannot be loaded.
    private static func removeEmpty(_ folder: URL) {
        // Fails for one that is not empty, which is to stay.
        _ = rmdir(folder.path)
    }

    private static func isPlain(_ path: String) -> Bool {
        path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." } && path != note
    }
}
