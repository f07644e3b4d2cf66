import Foundation
import Hummingbird
import Logging
import NIOPosix
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTrackingSQLite
import SlipwayTrackingServer
import Testing

@testable import SlipwayClients

let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Runs `body` with a listener of its own on a free port.
func withServer(_ router: Router<PlatformRequestContext>, _ body: (String) async throws -> Void) async throws {
    let server = HTTPServer(name: "test", host: "127.0.0.1", port: 0, router: router, logger: silent)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        defer { group.cancelAll() }
        try await body("http://127.0.0.1:\(try await server.boundPort())")
    }
}

/// Runs `body` with connections that are closed afterwards.
func withConnections(
    stall: Duration = ClientLimits.stall,
    _ body: (HTTPConnections) async throws -> Void
) async throws {
    let connections = HTTPConnections(eventLoops: .singleton, stall: stall)
    do {
        try await body(connections)
    } catch {
        try? await connections.close()
        throw error
    }
    try await connections.close()
}

/// Runs `body` with the embedded tracking server and a folder.
func withEmbeddedTracking(_ body: (String, URL) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
        let artifacts = try FileArtifactStore(root: folder.appending(path: "artifacts"))
        let router = Router(context: PlatformRequestContext.self)
        TrackingRoutes(store: store, artifacts: artifacts).add(to: router)
        try await withServer(router) { url in try await body(url, folder) }
    }
}
