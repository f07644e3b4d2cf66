import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTrackingServer
import Testing

@testable import SlipwayClients

@Suite("MLflow registry client", .timeLimit(.minutes(2)))
struct MLflowRegistryTests {
    @Test("Every code that our server says comes back as the same code", arguments: PlatformError.Code.allCases)
    func codes(code: PlatformError.Code) {
        let (name, status) = code.mlflow
        #expect(PlatformError.code(mlflow: name, status: status.code) == code)
    }

    @Test("An error names what was being done, and says what the server said")
    func message() async throws {
        let peer = FakePeer { _ in json(#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Run with id=r7 not found"}"#, status: .notFound) }
        let error = try await failure(peer) { _ = try await $0.run(id: "r7") }
        #expect(error?.code == .notFound)
        #expect(error?.message == "could not read run 'r7': Run with id=r7 not found")
    }

    @Test(
        "What is no MLflow server is a clear error, whatever it answers",
        arguments: [
            (200, "<html>hello</html>", PlatformError.Code.failedPrecondition), (404, "<html>", .failedPrecondition),
            (302, "", .failedPrecondition), (401, "no", .failedPrecondition), (403, "", .failedPrecondition),
            (502, "bad gateway", .unavailable), (503, "", .unavailable), (504, "", .unavailable), (500, "oops", .unexpected),
            (429, "slow down", .exhausted), (200, "", .failedPrecondition), (200, "{", .failedPrecondition), (200, "{}", .unexpected),
        ]
    )
    func strangers(answer: (status: Int, body: String, code: PlatformError.Code)) async throws {
        let peer = FakePeer { _ in json(answer.body, status: .init(code: answer.status)) }
        let error = try await failure(peer) { _ = try await $0.run(id: "r") }
        #expect(error?.code == answer.code, "\(String(describing: error))")
    }

    @Test("Nobody listening, no such host and no URL at all are told apart, and no password is shown")
    func unreachable() async throws {
        let port = closedPort
        try await withConnections { connections in
            let cases: [(String, PlatformError.Code)] = [
                ("http://127.0.0.1:\(port)", .unavailable), ("http://user:hunter2@127.0.0.1:\(port)", .unavailable),
                ("ftp://user:hunter2@host", .invalidArgument), ("", .invalidArgument), ("hunter2", .invalidArgument),
                ("http://", .invalidArgument),
            ]
            for (url, code) in cases {
                let registry = MLflowRegistry(url: url, connections: connections)
                let error = await #expect(throws: PlatformError.self) { try await registry.run(id: "r") }
                #expect(error?.code == code, "\(url): \(String(describing: error))")
                #expect(!"\(String(describing: error))".contains("hunter2"))
                #expect(!registry.address.contains("hunter2") || url == "hunter2")
            }
        }
    }

    @Test("A server that never answers is given up after the named limit")
    func hangs() async throws {
        try await withConnections { connections in
            try await withRawServer({ $0.eventLoop.makeSucceededVoidFuture() }) { url in
                let registry = MLflowRegistry(url: url, connections: connections, clock: HurriedClock())
                let error = await #expect(throws: PlatformError.self) { try await registry.run(id: "r") }
                #expect(error?.code == .unavailable)
                #expect(error?.message == "the tracking server did not answer within \(ClientLimits.call.milliseconds) ms")
            }
        }
    }

    @Test("A transfer in which nothing moves any more ends, and leaves no file")
    func stalls() async throws {
        try await withScratchFolder { folder in
            try await withConnections(stall: .seconds(2)) { connections in
                let peer = FakePeer { seen in
                    guard seen.target.contains("mlflow-artifacts") else { return json(Self.run) }
                    return Response(
                        status: .ok, headers: [.contentLength: "1000"],
                        body: ResponseBody(contentLength: 1_000) { writer in
                            try await writer.write(ByteBuffer(string: "begin"))
                            // Ends when the client has gone.
                            try await Task.sleep(for: .seconds(60))
                            try await writer.finish(nil)
                        }
                    )
                }
                try await withServer(peer.router) { url in
                    let registry = MLflowRegistry(url: url, connections: connections)
                    let target = folder.appending(path: "x").path
                    let error = await #expect(throws: PlatformError.self) { try await registry.downloadArtifact("a", ofRun: "r", toFile: target) }
                    #expect(error?.code == .unavailable)
                    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                    #expect(left.isEmpty)
                }
            }
        }
    }

    @Test("A download that breaks off leaves what was there before")
    func breaksOff() async throws {
        try await withScratchFolder { folder in
            try await withConnections { connections in
                let target = folder.appending(path: "x")
                try Data("before".utf8).write(to: target)
                let server: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
                    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"
                    return channel.pipeline.addHandler(AnswerAndClose(head))
                }
                try await withRawServer(server) { url in
                    let wire = MLflowWire(peer: Peer(url, name: "the tracking server", connections: connections))
                    let error = await #expect(throws: PlatformError.self) { try await wire.download("a", toFile: target.path, doing: "fetch") }
                    #expect(error?.code == .unavailable)
                    let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
                    #expect(left == ["x"])
                    #expect(try Data(contentsOf: target) == Data("before".utf8))
                }
            }
        }
    }

    @Test("A download into a folder that is not there, and an upload of no file, are clear errors")
    func files() async throws {
        let peer = FakePeer { _ in json(Self.run) }
        try await withScratchFolder { folder in
            let target = folder.appending(path: "none/x").path
            let down = try await failure(peer) { _ = try await $0.downloadArtifact("a", ofRun: "r", toFile: target) }
            #expect(down?.code == .unavailable)
            #expect(down?.message == "'x' could not be written")
            let up = try await failure(peer) { try await $0.uploadArtifact(runID: "r", path: "a", fromFile: target) }
            #expect(up?.code == .notFound)
            let isFolder = try await failure(peer) { try await $0.uploadArtifact(runID: "r", path: "a", fromFile: folder.path) }
            #expect(isFolder?.code == .notFound)
        }
    }

    @Test("Paths that would lead out are refused before anything is asked", arguments: ["", "/a", "a//b", "../a", "a/..", "a/./b", "a\\b", "a\u{0}"])
    func paths(path: String) async throws {
        let peer = FakePeer { _ in json("{}") }
        let error = try await failure(peer) { _ = try await $0.downloadArtifact(path, ofRun: "r", toFile: "/dev/null") }
        #expect(error?.code == .invalidArgument)
        #expect(peer.requests.isEmpty)
    }

    @Test("A server that lists a path leading out is not followed", arguments: ["../evil", "/etc/passwd", "a/../../b"])
    func evilList(name: String) async throws {
        let peer = FakePeer { seen in
            seen.target.contains("artifacts?")
                ? Response(json: ["files": [["path": .string(name), "is_dir": false, "file_size": 1]]])
                : json(#"{"artifact_uri":"mlflow-artifacts:/1/models/m-1/artifacts"}"#)
        }
        let error = try await failure(peer) { _ = try await $0.artifacts(of: try ModelVersion(1), model: try ModelName("m")) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("A folder that contains itself ends at a named depth")
    func endless() async throws {
        let peer = FakePeer { seen in
            seen.target.contains("artifacts?")
                ? json(#"{"files":[{"path":"again","is_dir":true}]}"#)
                : json(#"{"artifact_uri":"mlflow-artifacts:/1/models/m-1/artifacts"}"#)
        }
        let error = try await failure(peer) { _ = try await $0.artifacts(of: try ModelVersion(1), model: try ModelName("m")) }
        #expect(error?.code == .exhausted)
        #expect(peer.requests.count == ClientLimits.artifactDepthMax + 2)
    }

    @Test("Artifacts that the server does not hand out are a clear error with the remedy")
    func notServed() async throws {
        let peer = FakePeer { _ in json(#"{"artifact_uri":"s3://bucket/1/models/m-1/artifacts"}"#) }
        let error = try await failure(peer) { _ = try await $0.artifacts(of: try ModelVersion(1), model: try ModelName("m")) }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.remedy == "start the tracking server with --serve-artifacts")
    }

    @Test(
        "An artifact URI becomes a path below the proxy",
        arguments: [
            ("mlflow-artifacts:/1/r/artifacts", "1/r/artifacts"), ("mlflow-artifacts://host:5000/1/r", "1/r"),
            ("mlflow-artifacts:///1/r", "1/r"),
        ]
    )
    func roots(uri: String, path: String) async throws {
        try await withConnections { connections in
            let root = try MLflowRegistry(url: "http://127.0.0.1", connections: connections).artifactRoot(uri)
            #expect(root == path)
        }
    }

    @Test("Credentials of the address go into the header and nowhere else; a token is a bearer")
    func credentials() async throws {
        let peer = FakePeer { _ in json(Self.run) }
        try await withServer(peer.router) { url in
            try await withConnections { connections in
                let basic = MLflowRegistry(url: url.replacing("http://", with: "http://user:pw@"), connections: connections)
                _ = try await basic.run(id: "r")
                _ = try await MLflowRegistry(url: url, token: "t", connections: connections).run(id: "r")
            }
        }
        #expect(peer.requests.map { $0.headers[.authorization] } == ["Basic dXNlcjpwdw==", "Bearer t"])
        #expect(peer.requests.allSatisfy { !$0.target.contains("pw") })
    }

    @Test("A cancelled call ends as cancelled, not as a failure of the server", .timeLimit(.minutes(3)))
    func cancelled() async throws {
        try await withConnections { connections in
            try await withRawServer({ $0.eventLoop.makeSucceededVoidFuture() }) { url in
                let registry = MLflowRegistry(url: url, connections: connections)
                await withTaskGroup(of: Bool.self) { group in
                    group.addTask {
                        do {
                            _ = try await registry.run(id: "r")
                            return false
                        } catch {
                            return error is CancellationError
                        }
                    }
                    group.cancelAll()
                    #expect(await group.next() == true)
                }
            }
        }
    }

    private static let run = #"{"run":{"info":{"run_id":"r","experiment_id":"1","artifact_uri":"mlflow-artifacts:/1/r/artifacts"}}}"#

    private func failure(
        _ peer: FakePeer,
        _ body: @escaping (MLflowRegistry) async throws -> Void
    ) async throws -> PlatformError? {
        var found: PlatformError?
        try await withServer(peer.router) { url in
            try await withConnections { connections in
                found = await #expect(throws: PlatformError.self) { try await body(MLflowRegistry(url: url, connections: connections)) }
            }
        }
        return found
    }
}

/// Answers the first bytes of a request with a text, and closes.
final class AnswerAndClose: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let text: String

    init(_ text: String) {
        self.text = text
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let context = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.value.writeAndFlush(wrapOutboundOut(ByteBuffer(string: text))).whenComplete { _ in
            context.value.close(promise: nil)
        }
    }
}
