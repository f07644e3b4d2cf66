import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Synchronization
import Testing

@testable import SlipwayClients

@Suite("Import source", .timeLimit(.minutes(3)))
struct MLflowSourceTests {
    @Test("429 and 503 are tried again until they pass; what stays so is unavailable")
    func retries() async throws {
        let asked = Mutex(0)
        let peer = FakePeer { _ in
            let count = asked.withLock { count in
                count += 1
                return count
            }
            switch count {
            case 1: return Response(status: .tooManyRequests, headers: [.retryAfter: "7"])
            case 2: return json(#"{"error_code":"TEMPORARILY_UNAVAILABLE","message":"busy"}"#, status: .serviceUnavailable)
            case 3: return json(#"{"experiments":[]}"#)
            default: return Response(status: .serviceUnavailable)
            }
        }
        try await withSource(peer) { source in
            let found = try await source.experiments(after: nil).items
            #expect(found.isEmpty)
            #expect(peer.requests.count == 3)
            let error = await #expect(throws: PlatformError.self) { _ = try await source.experiments(after: nil) }
            #expect(error?.code == .unavailable)
            #expect(peer.requests.count == 3 + source.retries.attempts)
            #expect(peer.requests.allSatisfy { $0.body.contains("\"max_results\":100") }, "the same is asked again")
        }
    }

    @Test("A failure that will not pass is not tried again")
    func noRetries() async throws {
        let peer = FakePeer { _ in json(#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"gone"}"#, status: .notFound) }
        try await withSource(peer) { source in
            let error = await #expect(throws: PlatformError.self) { _ = try await source.run(id: "r") }
            #expect(error?.code == .notFound && peer.requests.count == 1)
        }
    }

    @Test("A server without logged models has none")
    func withoutLoggedModels() async throws {
        let peer = FakePeer { _ in Response(status: .notFound, body: ResponseBody(byteBuffer: ByteBuffer(string: "<html>"))) }
        try await withSource(peer) { source in
            let found = try await source.loggedModels(experiment: "1", after: nil).items
            #expect(found.isEmpty)
            let error = await #expect(throws: PlatformError.self) { _ = try await source.loggedModel(id: "m-1") }
            #expect(error?.code == .notFound)
            let lists = await #expect(throws: PlatformError.self) { _ = try await source.experiments(after: nil) }
            #expect(lists?.code == .failedPrecondition, "what has no experiments is no MLflow server")
        }
    }

    @Test("Int64 as text, missing zeros, NaN and the infinities are read as MLflow means them")
    func values() async throws {
        let peer = FakePeer { _ in
            json(
                #"{"metrics":[{"key":"a","value":"NaN","timestamp":"9007199254740993","step":"-1"},{"key":"a","timestamp":2},"#
                    + #"{"key":"a","value":"-Infinity","timestamp":3,"step":1,"model_id":"m-1"}],"next_page_token":""}"#
            )
        }
        try await withSource(peer) { source in
            let page = try await source.metricHistory(runID: "r", key: "a", after: nil)
            #expect(page.nextToken == nil && page.items.count == 3)
            #expect(page.items[0].value.isNaN && page.items[0].timestamp.milliseconds == 9_007_199_254_740_993 && page.items[0].step == -1)
            #expect(page.items[1].value == 0 && page.items[2].value == -.infinity && page.items[2].modelID == "m-1")
        }
    }

    @Test("A page that is too large is asked for in halves")
    func halves() async throws {
        let large = String(repeating: "x", count: ImportSourceLimits.pageBytesMax)
        let peer = FakePeer { seen in
            seen.body.contains("\"max_results\":100") ? json("{\"experiments\":[],\"x\":\"\(large)\"}") : json(#"{"experiments":[]}"#)
        }
        try await withSource(peer) { source in
            let found = try await source.experiments(after: "t").items
            #expect(found.isEmpty)
            #expect(peer.requests.map { $0.body.contains("\"max_results\":50") } == [false, true])
            #expect(peer.requests.allSatisfy { $0.body.contains("\"page_token\":\"t\"") })
        }
    }

    @Test("A model's name with a quote is asked for in the other quotes, with both among all versions", arguments: [
        ("it's", "name%3D%22it%27s%22"), ("a\"b", "name%3D%27a%22b%27"), ("a'\"b", ""),
    ])
    func quotes(name: String, expected: String) async throws {
        let peer = FakePeer { _ in json(#"{"model_versions":[{"name":"other","version":"1"}]}"#) }
        try await withSource(peer) { source in
            let found = try await source.modelVersions(of: name, after: nil).items
            #expect(found.isEmpty, "another model's versions are none of its")
            let target = peer.requests.first?.target ?? ""
            #expect(expected.isEmpty ? !target.contains("filter=") : target.contains("filter=\(expected)"), "\(target)")
        }
    }

    @Test("Bytes that are not those the source announced are corrupt, and abandoned")
    func announcedDigest() async throws {
        let peer = FakePeer { seen in
            // The SHA-256 of nothing, of other bytes, and none.
            let headers: HTTPFields =
                seen.target.hasSuffix("none") ? [:] : [HTTPField.Name("repr-digest") ?? .eTag: "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"]
            return Response(status: .ok, headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(string: seen.target.hasSuffix("empty") ? "" : "abc")))
        }
        try await withSource(peer) { source in
            let folder = SourceFolder(uri: "mlflow-artifacts:/1/r/artifacts", owner: .run("r"))
            let file = MemoryFile()
            let error = await #expect(throws: PlatformError.self) { _ = try await source.download("wrong", in: folder) { file } }
            #expect(error?.code == .corrupt && file.isAbandoned)
            let found = try await source.download("empty", in: folder) { MemoryFile() }.bytes
            #expect(found == 0)
            let received = try await source.download("none", in: folder) { MemoryFile() }
            #expect(received.digest == Digest(of: Array("abc".utf8)) && received.bytes == 3)
            #expect(peer.requests.last?.target == "/api/2.0/mlflow-artifacts/artifacts/1/r/artifacts/none")
        }
    }

    @Test("A file that cannot be stored is not fetched again")
    func fullDisk() async throws {
        let peer = FakePeer { _ in json("abc") }
        try await withSource(peer) { source in
            let folder = SourceFolder(uri: "mlflow-artifacts:/1", owner: .none)
            for file in [nil, MemoryFile(isFull: true)] {
                let error = await #expect(throws: PlatformError.self) {
                    _ = try await source.download("a", in: folder) {
                        guard let file else { throw PlatformError(.unavailable, "no place") }
                        return file
                    }
                }
                #expect(error?.message == "no place" && file?.isAbandoned != false)
            }
            #expect(peer.requests.count == 2)
        }
    }

    @Test("Files that the proxy does not serve are read through the run or the logged model", arguments: [
        (SourceFolder(uri: "s3://b/1/r/artifacts", owner: .run("r")), "/get-artifact?run_id=r&path=d%2Fa"),
        (SourceFolder(uri: "/data/m", owner: .loggedModel("m-1")), "/ajax-api/2.0/mlflow/logged-models/m-1/artifacts/files?artifact_file_path=d%2Fa"),
    ] as [(SourceFolder, String)])
    func otherStores(folder: SourceFolder, target: String) async throws {
        let peer = FakePeer { seen in
            guard seen.target.contains("list") || seen.target.contains("directories") else { return json("abc") }
            return seen.target.contains("=d")
                ? json(#"{"files":[{"path":"d/a","is_dir":false,"file_size":"3"}]}"#)
                : json(#"{"files":[{"path":"d","is_dir":true}]}"#)
        }
        try await withSource(peer) { source in
            let found = try await source.files(in: folder)
            #expect(found == [ArtifactEntry(path: "d/a", bytes: 3)])
            _ = try await source.download("d/a", in: folder) { MemoryFile() }
            #expect(peer.requests.last?.target == target)
            let nobody = await #expect(throws: PlatformError.self) { _ = try await source.files(in: SourceFolder(uri: folder.uri, owner: .none)) }
            #expect(nobody?.code == .failedPrecondition)
        }
    }

    @Test("A listing that leads out of its folder is refused", arguments: ["../x", "/etc/passwd", "a/../b", ""])
    func escapes(path: String) async throws {
        let peer = FakePeer { _ in json("{\"files\":[{\"path\":\"\(path)\",\"is_dir\":false}]}") }
        try await withSource(peer) { source in
            let error = await #expect(throws: PlatformError.self) {
                _ = try await source.files(in: SourceFolder(uri: "mlflow-artifacts:/1", owner: .none))
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test("The token goes with every request")
    func token() async throws {
        let peer = FakePeer { _ in json("3.17.2") }
        try await withConnections { connections in
            try await withServer(peer.router) { url in
                let source = MLflowSource(url: url, token: "secret", connections: connections)
                let found = try await source.describe().version
                #expect(found == "3.17.2")
                #expect(peer.requests.allSatisfy { $0.headers[.authorization] == "Bearer secret" })
            }
        }
    }

    private func withSource(_ peer: FakePeer, _ body: (MLflowSource) async throws -> Void) async throws {
        try await withConnections { connections in
            try await withServer(peer.router) { url in
                let retries = Retries(attempts: 4, first: .milliseconds(1), longest: .milliseconds(1), clock: ContinuousClock())
                try await body(MLflowSource(peer: Peer(url, name: "the source", connections: connections), retries: retries))
            }
        }
    }
}

private final class MemoryFile: IncomingArtifact {
    private let abandoned = Mutex(false)
    private let isFull: Bool

    init(isFull: Bool = false) {
        self.isFull = isFull
    }

    var isAbandoned: Bool { abandoned.withLock { $0 } }

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        if isFull { throw PlatformError(.unavailable, "no place") }
    }
    func finish() {}
    func abandon() { abandoned.withLock { $0 = true } }
}
