import Foundation
import Hummingbird
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import SlipwayTrackingServer
import Testing

@testable import SlipwayClients

@Suite("Alias ledger client", .timeLimit(.minutes(5)))
struct AliasLedgerClientTests {
    private static let secret = String(repeating: "5", count: 64)

    @Test("What the reconciler's client moves comes back with its reason, commit and proof, as the reconciler's")
    func roundTrip() async throws {
        let rules = ProtectedAliases(names: ["A"], releaseFolder: "envs/dev/models")
        try await withLedger(protected: rules) { url, connections in
            let model = try ModelName("tumor")
            let (alias, one) = (try Alias("A"), try ModelVersion(1))
            let reconciler = MLflowRegistry(url: url, reconcilerSecret: Self.secret, connections: connections)
            let origin = ChangeOrigin(
                actor: .reconciler, reason: "folgt envs/dev/models/tumor.yaml: für 100 %, \"sofort\"\u{2028}",
                commit: try CommitID(String(repeating: "a", count: 40)), proof: Digest(of: "p".utf8)
            )
            try await ChangeOrigin.$current.withValue(origin) {
                try await reconciler.setAlias(alias, to: one, of: model)
                try await reconciler.removeAlias(alias, of: model)
            }
            let client = AliasLedgerClient(url: url, connections: connections)
            let history = try await client.aliasMoves(of: "tumor", alias: "A", limit: 10, before: nil)
            #expect(history.moves.map(\.to) == [nil, 1])
            #expect(history.moves.map(\.origin) == [origin, origin])
            let first = try #require(history.moves.last)
            let snapshot = try await client.aliases(of: "tumor", alias: nil, asOf: first.time, limit: 10, after: nil)
            // Removed in the same millisecond, it points nowhere then.
            #expect(snapshot.asOf == first.time && snapshot.aliases == (history.moves[0].time == first.time ? [] : [first]))

            let stranger = MLflowRegistry(url: url, connections: connections)
            let refused = await #expect(throws: PlatformError.self) { try await stranger.setAlias(alias, to: one, of: model) }
            #expect(refused?.code == .permissionDenied)
            #expect(refused?.message.contains("'envs/dev/models/tumor.yaml'") == true)
            let removal = await #expect(throws: PlatformError.self) { try await stranger.removeAlias(alias, of: model) }
            #expect(removal?.code == .permissionDenied)
        }
    }

    @Test("A client that says nothing is anonymous; one that names itself is taken at its word and no more")
    func actors() async throws {
        try await withLedger { url, connections in
            let registry = MLflowRegistry(url: url, connections: connections)
            let model = try ModelName("tumor")
            try await registry.setAlias(try Alias("A"), to: try ModelVersion(1), of: model)
            try await ChangeOrigin.$current.withValue(ChangeOrigin(actor: .reconciler)) {
                try await registry.setAlias(try Alias("A"), to: try ModelVersion(2), of: model)
            }
            let moves = try await AliasLedgerClient(url: url, connections: connections).aliasMoves(of: "tumor", alias: nil, limit: 10, before: nil).moves
            #expect(moves.map(\.origin.actor) == [.init(name: "reconciler", kind: .claimed), .anonymous])
        }
    }

    @Test("The server's own refusals come back as they were; pages go on from their tokens")
    func answers() async throws {
        try await withLedger { url, connections in
            let client = AliasLedgerClient(url: url, connections: connections)
            let unknown = await #expect(throws: PlatformError.self) { try await client.aliasMoves(of: "churn", alias: nil, limit: 1, before: nil) }
            #expect(unknown?.code == .notFound && unknown?.message.contains("'churn'") == true)
            let bad = await #expect(throws: PlatformError.self) { try await client.aliasMoves(of: "tumor", alias: nil, limit: 0, before: nil) }
            #expect(bad?.code == .invalidArgument)
            let registry = MLflowRegistry(url: url, connections: connections)
            for version in [1, 2, 1] { try await registry.setAlias(try Alias("A"), to: try ModelVersion(version), of: try ModelName("tumor")) }
            let page = try await client.aliasMoves(of: "tumor", alias: nil, limit: 2, before: nil)
            let token = try #require(page.nextPageToken.flatMap { Int64($0) })
            let rest = try await client.aliasMoves(of: "tumor", alias: nil, limit: 2, before: token)
            #expect((page.moves + rest.moves).map(\.to) == [1, 2, 1] && rest.nextPageToken == nil)
        }
    }

    @Test("What keeps no ledger is told apart from a model that is not there", arguments: [
        (404, "<html>Not Found</html>", PlatformError.Code.failedPrecondition), (404, "{\"detail\":\"Not Found\"}", .failedPrecondition),
        (200, "<html>hello</html>", .failedPrecondition), (200, "{}", .failedPrecondition), (405, "", .failedPrecondition),
        (404, "{\"error\":{\"code\":\"not_found\",\"message\":\"model 'tumor'\"}}", .notFound), (503, "", .unavailable), (500, "oops", .unexpected),
        (403, "", .permissionDenied),
    ] as [(Int, String, PlatformError.Code)])
    func strangers(status: Int, body: String, code: PlatformError.Code) async throws {
        let peer = FakePeer { _ in json(body, status: .init(code: status)) }
        try await withServer(peer.router) { url in
            try await withConnections { connections in
                let client = AliasLedgerClient(url: url, connections: connections)
                let error = await #expect(throws: PlatformError.self) { try await client.aliasMoves(of: "tumor", alias: nil, limit: 1, before: nil) }
                #expect(error?.code == code, "\(String(describing: error))")
            }
        }
    }

    @Test("The secret goes with moves of aliases and with nothing else")
    func secret() async throws {
        let peer = FakePeer { _ in json("{\"model_version\":{\"version\":\"1\",\"source\":\"s\"}}") }
        try await withServer(peer.router) { url in
            try await withConnections { connections in
                let registry = MLflowRegistry(url: url, reconcilerSecret: Self.secret, connections: connections)
                let (model, one) = (try ModelName("tumor"), try ModelVersion(1))
                _ = try? await registry.version(one, of: model)
                try await registry.setVersionTags(["a": "b"], version: one, of: model)
                try await registry.setAlias(try Alias("A"), to: one, of: model)
                try await registry.removeAlias(try Alias("A"), of: model)
            }
        }
        let carriers = peer.requests.filter { request in request.headers.contains { $0.value == Self.secret } }
        #expect(carriers.map(\.target) == ["/api/2.0/mlflow/registered-models/alias", "/api/2.0/mlflow/registered-models/alias"])
        #expect(peer.requests.count == 4)
    }

    private func withLedger(protected: ProtectedAliases = .none, _ body: (String, HTTPConnections) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path, protected: { protected })
            _ = try await store.createRegisteredModel(name: "tumor", description: "", tags: [:])
            for _ in 0..<2 {
                _ = try await store.createModelVersion(
                    ModelVersionDraft(name: "tumor", source: "s3://x", runID: "", runLink: "", description: "", tags: [:], modelID: nil)
                )
            }
            let router = Router(context: PlatformRequestContext.self)
            let artifacts = try FileArtifactStore(root: folder.appending(path: "artifacts"))
            TrackingRoutes(store: store, artifacts: artifacts, reconcilerSecret: Self.secret).add(to: router)
            try await withServer(router) { url in
                try await withConnections { connections in try await body(url, connections) }
            }
        }
    }
}
