import Foundation
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import SlipwayTrackingServer
import Testing

@Suite("Tracking conformance")
struct MLflowConformanceTests {
    @Test("The stock mlflow client notices no difference")
    func mlflowClient() async throws {
        try await withTrackingServer { url in
            try await expectPythonSuite("Tests/Conformance/tracking/run.py", environment: ["SLIPWAY_TRACKING_URI": url], seconds: 600)
        }
    }
}

/// Runs `body` with a tracking server of its own.
func withTrackingServer(_ body: (String) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
        let artifacts = try FileArtifactStore(root: folder.appending(path: "artifacts"))
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        // The whole server, with what answers on event loops of its own.
        let server = TrackingRoutes(store: store, artifacts: artifacts).server(host: "127.0.0.1", port: 0, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            try await body("http://127.0.0.1:\(try await server.boundPort())")
            group.cancelAll()
        }
    }
}
