import Foundation
import Hummingbird
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import SlipwayTrackingServer
import Testing

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

@Suite("Alias history over HTTP", .timeLimit(.minutes(5)))
struct AliasHistoryTests {
    private static let commit = String(repeating: "ab", count: 20)
    private static let proof = "sha256:" + String(repeating: "cd", count: 32)
    private static let secret = String(repeating: "5", count: 64)

    @Test("A move is answered with what its headers said, and null where nothing was said", arguments: ["api", "ajax-api"])
    func headers(prefix: String) async throws {
        try await withServer { server in
            let headers = [
                "x-slipway-actor": "alice", "x-slipway-reason": "besser%20f%C3%BCr%20alle", "x-slipway-commit": Self.commit,
                "x-slipway-proof": Self.proof,
            ]
            #expect(try await server.setAlias("A", "1", headers: headers, prefix: prefix).status == 200)
            #expect(try await server.deleteAlias("A").status == 200)
            let (status, answer) = try await server.history("?alias=A")
            #expect(status == 200 && answer["model"] == "tumor" && answer["next_page_token"] == nil)
            let moves = try #require(answer["moves"]?.arrayValue)
            #expect(moves.count == 2)
            let (removed, set) = (moves[0], moves[1])
            #expect(set["alias"] == "A" && set["from_version"] == .null && set["to_version"] == 1)
            #expect(set["actor"] == "alice" && set["actor_kind"] == "claimed" && set["reason"] == "besser für alle")
            #expect(set["commit"] == .string(Self.commit) && set["proof"] == .string(Self.proof))
            #expect(removed["from_version"] == 1 && removed["to_version"] == .null)
            #expect(removed["actor"] == "anonymous" && removed["actor_kind"] == "anonymous" && removed["reason"] == "")
            #expect(removed["commit"] == .null && removed["proof"] == .null)
            let time = try #require(set["timestamp"]?.intValue)
            #expect(set["time"] == .string(Timestamp(milliseconds: time).description))
            #expect(try #require(answer["recorded_since"]?.intValue) <= time)
        }
    }

    @Test("A name that was checked further out stands above what a header claims")
    func checkedActor() async throws {
        try await withServer(actor: .init(name: "ci", kind: .token)) { server in
            _ = try await server.setAlias("A", "1", headers: ["x-slipway-actor": "root"])
            let move = try await server.history().answer["moves"]?.arrayValue?.first
            #expect(move?["actor"] == "ci" && move?["actor_kind"] == "token")
        }
    }

    @Test("A deleted version and a renamed model carry the caller's name into the ledger too")
    func indirect() async throws {
        try await withServer { server in
            _ = try await server.setAlias("A", "2")
            let headers = ["x-slipway-actor": "bob", "x-slipway-reason": "leaked"]
            #expect(try await server.send("DELETE", "model-versions/delete", ["name": "tumor", "version": "2"], headers: headers).status == 200)
            let move = try await server.history("?max_results=1").answer["moves"]?.arrayValue?.first
            #expect(move?["to_version"] == .null && move?["actor"] == "bob" && move?["reason"] == "version 2 deleted: leaked")
        }
    }

    private static let badHeaders: [(name: String, value: String)] = [
        ("x-slipway-commit", "main"), ("x-slipway-commit", String(repeating: "A", count: 40)), ("x-slipway-proof", "sha256:12"),
        ("x-slipway-actor", String(repeating: "a", count: 129)), ("x-slipway-reason", String(repeating: "a", count: 1_001)),
        ("x-slipway-actor", "a%1B[31m"), ("x-slipway-reason", "a%0Ab"),
    ]

    @Test("A header that cannot be read refuses the move, and nothing is changed", arguments: badHeaders.indices)
    func badHeader(index: Int) async throws {
        let (name, value) = Self.badHeaders[index]
        try await withServer { server in
            let (status, answer) = try await server.setAlias("A", "1", headers: [name: value])
            #expect(status == 400 && answer["error_code"] == "INVALID_PARAMETER_VALUE", "\(answer)")
            let moves = try await server.history().answer["moves"]
            #expect(moves == [])
        }
    }

    @Test("As of a time, in milliseconds or RFC 3339 with any offset, also with a plus that was not encoded")
    func asOf() async throws {
        try await withServer { server in
            _ = try await server.setAlias("A", "1")
            let made = try #require(try await server.history().answer["moves"]?.arrayValue?.first?["timestamp"]?.intValue)
            // The next move must not share the millisecond.
            try await server.waitPast(made)
            _ = try await server.setAlias("A", "2")
            let plusNine = String(Timestamp(milliseconds: made + 9 * 3_600_000).description.dropLast()) + "+09:00"
            for time in ["\(made)", Timestamp(milliseconds: made).description, plusNine, plusNine.replacing("+", with: "%2B"), plusNine.replacing("T", with: "%20")] {
                let (status, answer) = try await server.history("?alias=A&as_of=\(time)")
                #expect(status == 200, "\(time): \(answer)")
                #expect(answer["as_of"] == .int(made) && answer["moves"] == nil)
                #expect(answer["aliases"]?.arrayValue?.map { $0["to_version"] } == [1], "\(time): \(answer)")
            }
            let before = try await server.history("?as_of=\(made - 1)").answer
            #expect(before["aliases"] == [])
            let now = try await server.history("?as_of=9999-12-31T00:00:00Z").answer
            #expect(now["aliases"]?.arrayValue?.map { $0["to_version"] } == [2])
        }
    }

    @Test("Pages follow their tokens, of a history and of a moment")
    func pages() async throws {
        try await withServer { server in
            for alias in ["A", "B", "champion"] { _ = try await server.setAlias(alias, "1") }
            for (query, key) in [("", "moves"), ("&as_of=9999-12-31T00:00:00Z", "aliases")] {
                var seen: [String] = []
                var token = ""
                for _ in 0..<3 {
                    let answer = try await server.history("?max_results=1\(query)\(token.isEmpty ? "" : "&page_token=\(token)")").answer
                    seen += answer[key]?.arrayValue?.compactMap { $0["alias"]?.stringValue } ?? []
                    token = answer["next_page_token"]?.stringValue ?? ""
                }
                #expect(seen == (key == "moves" ? ["champion", "B", "A"] : ["A", "B", "champion"]))
                #expect(token.isEmpty)
            }
        }
    }

    @Test("A question that cannot be read is refused in our own form", arguments: [
        "?max_results=0", "?max_results=1001", "?max_results=x", "?page_token=x", "?page_token=-1", "?as_of=yesterday", "?as_of=2026-02-30T00:00:00Z",
        "?alias=A&alias=B",
    ])
    func badQuestion(query: String) async throws {
        try await withServer { server in
            let (status, answer) = try await server.history(query)
            #expect(status == 400 && answer["error"]?["code"] == "invalid_argument", "\(answer)")
        }
    }

    @Test("A model that never was is not found; any name that MLflow allows can be asked for")
    func names() async throws {
        try await withServer { server in
            let (status, answer) = try await server.history(model: "churn")
            #expect(status == 404 && answer["error"]?["code"] == "not_found")
            #expect(answer["error"]?["message"]?.stringValue?.contains("'churn'") == true)
            for (name, encoded) in [("50% für%41", "50%25%20f%C3%BCr%2541"), ("a.b c", "a.b%20c")] {
                _ = try await server.send("POST", "registered-models/create", ["name": .string(name)])
                let (status, answer) = try await server.history(model: encoded)
                #expect(status == 200 && answer["model"] == .string(name), "\(answer)")
            }
        }
    }

    @Test("A protected alias answers MLflow's PERMISSION_DENIED with the release file's name; the reconciler's secret moves it")
    func protected() async throws {
        let rules = ProtectedAliases(names: ["champion"], releaseFolder: "envs/dev/models")
        try await withServer(secret: Self.secret, protected: rules) { server in
            let known = ["x-slipway-reconciler": Self.secret, "x-slipway-commit": Self.commit, "x-slipway-actor": "somebody else"]
            #expect(try await server.setAlias("champion", "1", headers: known).status == 200)
            for (status, answer) in [
                try await server.setAlias("champion", "2"), try await server.deleteAlias("champion"),
                try await server.setAlias("champion", "2", headers: ["x-slipway-actor": "reconciler"]),
                try await server.send("DELETE", "model-versions/delete", ["name": "tumor", "version": "1"]),
                try await server.send("DELETE", "registered-models/delete", ["name": "tumor"]),
                try await server.send("POST", "registered-models/rename", ["name": "tumor", "new_name": "lesion"]),
            ] {
                #expect(status == 403 && answer["error_code"] == "PERMISSION_DENIED", "\(answer)")
                #expect(answer["message"]?.stringValue?.contains("'envs/dev/models/tumor.yaml'") == true, "\(answer)")
            }
            let moves = try await server.history().answer["moves"]?.arrayValue ?? []
            #expect(moves.map { $0["actor_kind"] } == ["reconciler"] && moves.first?["commit"] == .string(Self.commit))
            #expect(moves.first?["actor"] == "reconciler")
            #expect(try await server.setAlias("mine", "2").status == 200)
            #expect(try await server.deleteAlias("champion", headers: known).status == 200)
        }
    }

    @Test("A wrong secret is refused, whatever it moves, and never shown", arguments: ["5", String(repeating: "6", count: 64)])
    func wrongSecret(given: String) async throws {
        try await withServer(secret: Self.secret) { server in
            let (status, answer) = try await server.setAlias("A", "1", headers: ["x-slipway-reconciler": given])
            #expect(status == 403 && answer["error_code"] == "PERMISSION_DENIED")
            #expect(answer["message"]?.stringValue?.contains(Self.secret) == false)
            let moves = try await server.history().answer["moves"]
            #expect(moves == [])
        }
    }

    @Test("Without a secret of its own, a server takes nobody for the reconciler")
    func noSecret() async throws {
        let rules = ProtectedAliases(names: ["A"], releaseFolder: "envs/dev/models")
        try await withServer(protected: rules) { server in
            for value in ["", "anything"] {
                let (status, _) = try await server.setAlias("A", "1", headers: ["x-slipway-reconciler": value])
                #expect(status == 403)
            }
        }
    }

    @Test("The stock mlflow client raises PERMISSION_DENIED on a protected alias, and moves the others")
    func mlflowClient() async throws {
        let rules = ProtectedAliases(names: ["champion"], releaseFolder: "envs/dev/models")
        try await withServer(secret: Self.secret, protected: rules) { server in
            _ = try await server.setAlias("champion", "1", headers: ["x-slipway-reconciler": Self.secret])
            try await expectPythonSuite("Tests/Conformance/tracking/test_aliases.py", environment: ["SLIPWAY_TRACKING_URI": server.url])
        }
    }

    // MARK: Fixtures

    /// Runs `body` with a server that has two versions of 'tumor'.
    private func withServer(
        secret: String? = nil,
        protected: ProtectedAliases = .none,
        actor: ChangeOrigin.Actor? = nil,
        _ body: (Server) async throws -> Void
    ) async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path, protected: { protected })
            let artifacts = try FileArtifactStore(root: folder.appending(path: "artifacts"))
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            for _ in 0..<2 {
                _ = try await store.createModelVersion(
                    ModelVersionDraft(name: "tumor", source: "s3://x", runID: "", runLink: "", description: "", tags: [:], modelID: nil)
                )
            }
            let router = Router(context: PlatformRequestContext.self)
            if let actor { router.add(middleware: Checked(actor: actor)) }
            TrackingRoutes(store: store, artifacts: artifacts, reconcilerSecret: secret).add(to: router)
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let server = HTTPServer(name: "tracking", host: "127.0.0.1", port: 0, router: router, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                defer { group.cancelAll() }
                try await body(Server(url: "http://127.0.0.1:\(try await server.boundPort())"))
            }
        }
    }

    /// As a layer in front that knows its callers.
    private struct Checked: RouterMiddleware {
        let actor: ChangeOrigin.Actor

        func handle(
            _ request: Request,
            context: PlatformRequestContext,
            next: @concurrent (Request, PlatformRequestContext) async throws -> Response
        ) async throws -> Response {
            try await ChangeOrigin.$current.withValue(ChangeOrigin(actor: actor)) { try await next(request, context) }
        }
    }

    private struct Server {
        let url: String

        func setAlias(_ alias: String, _ version: String, headers: [String: String] = [:], prefix: String = "api") async throws -> (status: Int, answer: JSONValue) {
            try await send("POST", "registered-models/alias", ["name": "tumor", "alias": .string(alias), "version": .string(version)], headers: headers, prefix: prefix)
        }

        func deleteAlias(_ alias: String, headers: [String: String] = [:]) async throws -> (status: Int, answer: JSONValue) {
            try await send("DELETE", "registered-models/alias", ["name": "tumor", "alias": .string(alias)], headers: headers)
        }

        func send(_ method: String, _ path: String, _ body: JSONValue, headers: [String: String] = [:], prefix: String = "api") async throws -> (status: Int, answer: JSONValue) {
            var request = URLRequest(url: try #require(URL(string: "\(url)/\(prefix)/2.0/mlflow/\(path)")))
            request.httpMethod = method
            request.httpBody = Data(body.canonicalBytes)
            for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
            return try await load(request)
        }

        func history(_ query: String = "", model: String = "tumor") async throws -> (status: Int, answer: JSONValue) {
            try await load(URLRequest(url: try #require(URL(string: "\(url)/api/slipway/v1/registered-models/\(model)/alias-history\(query)"))))
        }

        /// Until the clock has left that millisecond.
        func waitPast(_ milliseconds: Int64) async throws {
            for _ in 0..<10_000 where WallClock.system.now.milliseconds <= milliseconds { await Task.yield() }
            try #require(WallClock.system.now.milliseconds > milliseconds)
        }

        private func load(_ request: URLRequest) async throws -> (status: Int, answer: JSONValue) {
            var request = request
            request.timeoutInterval = 60
            let (data, response) = try await URLSession.shared.data(for: request)
            return ((response as? HTTPURLResponse)?.statusCode ?? 0, data.isEmpty ? .null : try JSONValue(parsing: data))
        }
    }
}
