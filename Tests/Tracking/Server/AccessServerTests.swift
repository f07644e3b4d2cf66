import Foundation
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

@Suite("Access to a running tracking server", .timeLimit(.minutes(5)))
struct AccessServerTests {
    /// The first of each pair is answered on the event loop, the second by the router.
    private static let calls: [(method: String, path: String, scope: AccessScope)] = [
        ("GET", "api/2.0/mlflow/experiments/get?experiment_id=0", .read), ("POST", "api/2.0/mlflow/experiments/search", .read),
        ("POST", "ajax-api/2.0/mlflow/runs/create", .write), ("POST", "ajax-api/2.0/mlflow/registered-models/create", .write),
    ]

    @Test("Both ways through the server ask the policy: 401 without a token, 403 below the scope, else an answer", arguments: calls.indices)
    func bothPaths(index: Int) async throws {
        let call = Self.calls[index]
        var generator = SystemRandomNumberGenerator()
        var tokens = AccessTokens()
        let read = try tokens.issue(name: "reader", scope: .read, now: WallClock.system.now, using: &generator)
        let write = try tokens.issue(name: "writer", scope: .write, now: WallClock.system.now, using: &generator)
        let policy = AccessPolicy(hosts: .loopback, tokens: tokens)
        try await withServer(policy) { url in
            for token in [nil, "nonsense"] as [String?] {
                let (status, answer, headers) = try await send(call.method, "\(url)/\(call.path)", token: token)
                #expect(status == 401 && answer["error_code"] == "UNAUTHENTICATED", "\(answer)")
                #expect(headers["www-authenticate"]?.hasPrefix("Bearer") == true, "\(headers)")
            }
            let low = try await send(call.method, "\(url)/\(call.path)", token: read)
            if call.scope == .write { #expect(low.status == 403 && low.answer["error_code"] == "PERMISSION_DENIED", "\(low)") }
            #expect((low.status == 200) == (call.scope == .read), "\(low)")
            #expect(try await send(call.method, "\(url)/\(call.path)", token: write).status == 200)
            #expect(try await send("GET", "\(url)/health", token: nil).status == 200)
            #expect(try await send("GET", "\(url)/version", token: nil).status == 200)
            #expect(try await send("GET", "\(url)/nothing", token: nil).status == 401)
        }
    }

    @Test("The ledger names the token's holder, whatever a header claims")
    func ledger() async throws {
        var generator = SystemRandomNumberGenerator()
        var tokens = AccessTokens()
        let write = try tokens.issue(name: "ci", scope: .write, now: WallClock.system.now, using: &generator)
        try await withServer(AccessPolicy(hosts: .loopback, tokens: tokens)) { url in
            let base = "\(url)/api/2.0/mlflow"
            #expect(try await send("POST", "\(base)/registered-models/create", ["name": "m"], token: write).status == 200)
            #expect(try await send("POST", "\(base)/model-versions/create", ["name": "m", "source": "s3://x"], token: write).status == 200)
            let move: JSONValue = ["name": "m", "alias": "A", "version": "1"]
            #expect(try await send("POST", "\(base)/registered-models/alias", move, token: write, headers: ["x-slipway-actor": "root"]).status == 200)
            let history = try await send("GET", "\(url)/api/slipway/v1/registered-models/m/alias-history", token: write).answer
            let entry = history["moves"]?.arrayValue?.first
            #expect(entry?["actor"] == "ci" && entry?["actor_kind"] == "token", "\(history)")
        }
    }

    @Test("The stock client's token variables work, and raw requests under strange names are refused")
    func stockClient() async throws {
        var generator = SystemRandomNumberGenerator()
        var tokens = AccessTokens()
        let read = try tokens.issue(name: "reader", scope: .read, now: WallClock.system.now, using: &generator)
        let write = try tokens.issue(name: "writer", scope: .write, now: WallClock.system.now, using: &generator)
        try await withServer(AccessPolicy(hosts: .loopback, tokens: tokens)) { url in
            try await expectPythonSuite(
                "Tests/Conformance/tracking/test_access.py",
                environment: ["SLIPWAY_TRACKING_URI": url, "SLIPWAY_READ_TOKEN": read, "SLIPWAY_WRITE_TOKEN": write]
            )
        }
    }

    @Test("With a certificate the stock client talks TLS on both ways, and plain HTTP gets no answer")
    func tls() async throws {
        try await withScratchFolder { folder in
            let (certificate, key) = (folder.appending(path: "server.pem").path, folder.appending(path: "server.key").path)
            try await expectPythonSuite(
                "Tests/Conformance/tracking/make_certificate.py",
                environment: ["SLIPWAY_CERTIFICATE": certificate, "SLIPWAY_KEY": key]
            )
            let tls = try ServerTLS(certificateFile: certificate, keyFile: key)
            try await withServer(.loopback, tls: tls) { url in
                try await expectPythonSuite(
                    "Tests/Conformance/tracking/test_tls.py",
                    environment: ["SLIPWAY_TRACKING_URI": url.replacing("http://", with: "https://"), "MLFLOW_TRACKING_SERVER_CERT_PATH": certificate]
                )
            }
            let swapped = #expect(throws: PlatformError.self) { try ServerTLS(certificateFile: key, keyFile: certificate) }
            #expect(swapped?.code == .invalidArgument)
            let missing = #expect(throws: PlatformError.self) { try ServerTLS(certificateFile: certificate, keyFile: "\(key).not") }
            #expect(missing?.code == .invalidArgument)
        }
    }

    private func withServer(_ access: AccessPolicy, tls: ServerTLS? = nil, _ body: (String) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
            let artifacts = try FileArtifactStore(root: folder.appending(path: "artifacts"))
            var logger = Logger(label: "test")
            logger.logLevel = .critical
            let server = TrackingRoutes(store: store, artifacts: artifacts, access: access)
                .server(host: "127.0.0.1", port: 0, tls: tls, logger: logger)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                defer { group.cancelAll() }
                try await body("http://127.0.0.1:\(try await server.boundPort())")
            }
        }
    }

    private func send(
        _ method: String,
        _ url: String,
        _ body: JSONValue? = nil,
        token: String?,
        headers: [String: String] = [:]
    ) async throws -> (status: Int, answer: JSONValue, headers: [String: String]) {
        var request = URLRequest(url: try #require(URL(string: url)))
        request.timeoutInterval = 60
        request.httpMethod = method
        if method == "POST" { request.httpBody = Data((body ?? ["name": "x", "experiment_id": "0"]).canonicalBytes) }
        if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        let (data, response) = try await URLSession.shared.data(for: request)
        let http = try #require(response as? HTTPURLResponse)
        var fields: [String: String] = [:]
        for (name, value) in http.allHeaderFields { fields["\(name)".lowercased()] = "\(value)" }
        return (http.statusCode, (try? JSONValue(parsing: [UInt8](data))) ?? .null, fields)
    }
}
