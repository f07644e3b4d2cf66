import Foundation
import HTTPTypes
import SlipwayCore
import SlipwayTracking
import Testing

@testable import SlipwayTrackingServer

@Suite("Access policy")
struct AccessPolicyTests {
    private static let now = Timestamp(milliseconds: 1_000_000)

    private struct Keys {
        var tokens = AccessTokens()
        var texts: [String: String] = [:]

        init() throws {
            var generator = SystemRandomNumberGenerator()
            for scope in AccessScope.allCases {
                texts[scope.rawValue] = try tokens.issue(name: scope.rawValue, scope: scope, now: now, using: &generator)
            }
            texts["old"] = try tokens.issue(name: "old", scope: .admin, now: now, expires: now, using: &generator)
        }
    }

    private struct Row: Sendable {
        let method: HTTPRequest.Method
        let path: String
        let needs: AccessScope
    }

    private static let rows: [Row] = [
        Row(method: .get, path: "/api/2.0/mlflow/runs/get?run_id=x", needs: .read),
        Row(method: .head, path: "/api/2.0/mlflow-artifacts/artifacts/a", needs: .read),
        Row(method: .get, path: "/get-artifact?path=a", needs: .read),
        Row(method: .get, path: "/api/slipway/v1/registered-models/m/alias-history", needs: .read),
        Row(method: .post, path: "/api/2.0/mlflow/runs/search", needs: .read),
        Row(method: .post, path: "/ajax-api/2.0/mlflow/experiments/search?x=1", needs: .read),
        Row(method: .post, path: "/ajax-api/2.0/mlflow/experiments/search-datasets", needs: .read),
        Row(method: .post, path: "/api/2.0/mlflow/registered-models/get-latest-versions", needs: .read),
        Row(method: .post, path: "/api/3.0/mlflow/traces/search", needs: .read),
        Row(method: .post, path: "/api/2.0/mlflow/runs/log-metric", needs: .write),
        Row(method: .post, path: "/api/2.0/mlflow/runs/create", needs: .write),
        Row(method: .delete, path: "/api/2.0/mlflow/registered-models/alias", needs: .write),
        Row(method: .patch, path: "/api/2.0/mlflow/logged-models/search", needs: .write),
        Row(method: .put, path: "/api/2.0/mlflow-artifacts/artifacts/search", needs: .write),
        // Names that callers choose must not make a write look like a read.
        Row(method: .post, path: "/api/2.0/mlflow-artifacts/mpu/create/get-rich.txt", needs: .write),
        Row(method: .post, path: "/api/2.0/mlflow-artifacts/mpu/search", needs: .write),
        Row(method: .post, path: "/api/2.0/mlflow/logged-models/x/search", needs: .write),
        Row(method: .post, path: "/api/2.0/mlflow/runs/delete?/search", needs: .write),
        Row(method: .post, path: "/api/2.0/mlflow/runs/delete#/search", needs: .write),
        Row(method: .post, path: "//api/2.0/mlflow/runs/search", needs: .write),
        Row(method: .post, path: "/api/2.0/mlflow/runs/get-%2e%2e", needs: .write),
        Row(method: .post, path: "/api/slipway/v1/import/search", needs: .write),
    ]

    @Test("A call needs 'read' to look and 'write' to change; each scope includes those before it", arguments: rows.indices)
    func scopes(index: Int) throws {
        let row = Self.rows[index]
        let keys = try Keys()
        for scope in AccessScope.allCases {
            let head = Self.head(row.method, row.path, authorization: "Bearer \(keys.texts[scope.rawValue] ?? "")")
            switch Self.policy(keys).decision(on: head) {
            case .granted(let caller):
                #expect(scope >= row.needs && caller == scope.rawValue, "\(row)")
            case .refused(let error):
                #expect(scope < row.needs && error.code == .permissionDenied, "\(row)")
                #expect(error.code.mlflow.name == "PERMISSION_DENIED" && error.message.contains("'\(row.needs.rawValue)'"))
            }
        }
    }

    @Test("Without a valid token every call is unauthenticated, but the probes")
    func unauthenticated() throws {
        let keys = try Keys()
        let read = keys.texts["read"] ?? ""
        let wrong: [String?] = [
            nil, "", "Bearer", "Bearer ", "Bearer x", "Bearer \(read.dropLast())", "Bearer \(read)0", "Bearer \(read.uppercased())", "Digest \(read)", read,
            "Basic \(read)", "Basic \(Data(read.utf8).base64EncodedString())", "Basic \(Data("\(read):".utf8).base64EncodedString())",
            "Bearer \(keys.texts["old"] ?? "")", "Bearer \(Digest(of: read.utf8).hex)", "Bearer " + String(repeating: "a", count: 10_000),
        ]
        for authorization in wrong {
            for path in ["/api/2.0/mlflow/runs/get", "/", "/nothing", "/health/", "/health/../api/2.0/mlflow/runs/get"] {
                let decision = Self.policy(keys).decision(on: Self.head(.get, path, authorization: authorization))
                #expect(decision.code == .unauthenticated, "\(authorization ?? "none") \(path)")
            }
            #expect(Self.policy(keys).decision(on: Self.head(.post, "/health", authorization: authorization)).code == .unauthenticated)
            for path in ["/health", "/version", "/health?x"] {
                #expect(Self.policy(keys).decision(on: Self.head(.get, path, host: "evil.example", authorization: authorization)).code == nil)
            }
        }
    }

    @Test("A token goes as a bearer, or as the password of anybody")
    func presented() throws {
        let keys = try Keys()
        let read = keys.texts["read"] ?? ""
        for authorization in ["Bearer \(read)", "bearer  \(read) ", "Basic \(Data("any:\(read)".utf8).base64EncodedString())", "basic \(Data(":\(read)".utf8).base64EncodedString())"] {
            #expect(Self.policy(keys).decision(on: Self.head(.get, "/", authorization: authorization)).caller == "read", "\(authorization)")
        }
    }

    @Test("A token that is revoked, or tokens that cannot be read, let nobody in")
    func revoked() throws {
        var keys = try Keys()
        let head = Self.head(.get, "/", authorization: "Bearer \(keys.texts["read"] ?? "")")
        #expect(Self.policy(keys).decision(on: head).caller == "read")
        try keys.tokens.revoke("read")
        #expect(Self.policy(keys).decision(on: head).code == .unauthenticated)
        #expect(AccessPolicy(hosts: nil, tokens: Broken()).decision(on: head).code == .unavailable)
    }

    private struct Broken: AccessTokenSource {
        func current() throws(PlatformError) -> AccessTokens { throw PlatformError(.corrupt, "broken") }
    }

    @Test("On loopback no token is needed, and only loopback names and those allowed are answered to")
    func hosts() throws {
        let some = AccessPolicy(hosts: try AllowedHosts(["ml.example", "Other.example:8443", "*.svc.local"]))
        let cases: [(host: String?, loopback: Bool, some: Bool)] = [
            ("127.0.0.1:5000", true, true), ("localhost", true, true), ("LOCALHOST:1", true, true), ("[::1]:5000", true, true), ("[::1]", true, true),
            ("127.1.2.3", true, true), ("127.0.0.1.evil.example", false, false), ("127.evil.0.1", false, false), ("127.0.0.1:80@evil", false, false),
            ("127.0.0.256", false, false), ("127.0.0.+1", false, false), ("127.0.0", false, false), ("[::1].evil", false, false), ("[::2]", false, false), ("0.0.0.0:5000", false, false),
            ("10.0.0.1", false, false), ("localhost.evil.example", false, false), ("", false, false), (nil, false, false),
            ("ml.example", false, true), ("ml.example:5000", false, true), ("ML.EXAMPLE", false, true), ("xml.example", false, false),
            ("other.example", false, false), ("other.example:8443", false, true), ("a.svc.local:1", false, true), ("svc.local", false, false), (".svc.local", false, false),
        ]
        for (host, loopback, allowed) in cases {
            let head = Self.head(.post, "/api/2.0/mlflow/runs/create", host: host)
            #expect((AccessPolicy.loopback.decision(on: head).code == nil) == loopback, "\(host ?? "none")")
            #expect((some.decision(on: head).code == nil) == allowed, "\(host ?? "none")")
            if !loopback { #expect(AccessPolicy.loopback.decision(on: head).code == .permissionDenied) }
            #expect(AccessPolicy(hosts: try AllowedHosts(["*"])).decision(on: head).code == nil)
        }
    }

    @Test("What cannot be a host is no host to allow", arguments: ["", "http://a", "a b", "*a", "a.*", "*.", "a,b"])
    func badHosts(pattern: String) {
        let error = #expect(throws: PlatformError.self) { try AllowedHosts([pattern]) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("A change from a page of another site is refused, also with a token; looking is not")
    func origins() throws {
        let keys = try Keys()
        let bearer = "Bearer \(keys.texts["write"] ?? "")"
        let cases: [(origin: String, isOurs: Bool)] = [
            ("http://127.0.0.1:3000", true), ("http://localhost", true), ("http://127.0.0.1:5000", true),
            ("https://evil.example", false), ("null", false), ("http://localhost.evil.example", false),
        ]
        for (origin, isOurs) in cases {
            for policy in [AccessPolicy.loopback, Self.policy(keys)] {
                let change = Self.head(.post, "/api/2.0/mlflow/runs/create", authorization: bearer, origin: origin)
                #expect((policy.decision(on: change).code == nil) == isOurs, "\(origin)")
                #expect(policy.decision(on: Self.head(.get, "/api/2.0/mlflow/runs/get", authorization: bearer, origin: origin)).code == nil)
            }
        }
        let own = Self.head(.post, "/api/2.0/mlflow/runs/create", host: "ml.example", authorization: bearer, origin: "https://ml.example")
        #expect(AccessPolicy(hosts: nil, tokens: keys.tokens).decision(on: own).code == nil)
    }

    @Test("Tokens are 256 random bits, kept as their digest alone; names are unique and plain")
    func tokens() throws {
        var tokens = AccessTokens()
        var generator = SystemRandomNumberGenerator()
        let text = try tokens.issue(name: "ci", scope: .read, now: Self.now, using: &generator)
        #expect(text.hasPrefix("slipway_") && text.utf8.count == 8 + 64)
        #expect(tokens.tokens.map(\.digest) == [Digest(of: text.utf8)])
        let kept = try JSONValue(encoding: tokens).canonicalText
        #expect(!kept.contains(text) && !kept.contains(text.dropFirst(8)))
        #expect(tokens.token(of: text)?.name == "ci" && tokens.token(of: String(text.dropLast())) == nil && tokens.token(of: "") == nil)
        let other = try tokens.issue(name: "ci2", scope: .read, now: Self.now, using: &generator)
        #expect(other != text)
        let again = #expect(throws: PlatformError.self) { try tokens.issue(name: "ci", scope: .write, now: Self.now, using: &generator) }
        #expect(again?.code == .alreadyExists)
        for name in ["", "-a", "a b", "a\n", "ä", String(repeating: "a", count: 65)] {
            let error = #expect(throws: PlatformError.self) { try tokens.issue(name: name, scope: .write, now: Self.now, using: &generator) }
            #expect(error?.code == .invalidArgument, "\(name)")
        }
        let missing = #expect(throws: PlatformError.self) { try tokens.revoke("nobody") }
        #expect(missing?.code == .notFound)
    }

    private static func policy(_ keys: Keys) -> AccessPolicy {
        AccessPolicy(hosts: .loopback, tokens: keys.tokens, clock: WallClock { now })
    }

    private static func head(
        _ method: HTTPRequest.Method,
        _ path: String,
        host: String? = "127.0.0.1:5000",
        authorization: String? = nil,
        origin: String? = nil
    ) -> HTTPRequest {
        var head = HTTPRequest(method: method, scheme: "http", authority: host, path: path)
        if let authorization { head.headerFields[.authorization] = authorization }
        if let origin { head.headerFields[.origin] = origin }
        return head
    }
}

extension AccessPolicy.Decision {
    fileprivate var code: PlatformError.Code? {
        guard case .refused(let error) = self else { return nil }
        return error.code
    }

    fileprivate var caller: String? {
        guard case .granted(let caller) = self else { return nil }
        return caller
    }
}
