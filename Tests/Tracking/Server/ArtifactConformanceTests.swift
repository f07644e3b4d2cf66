import SlipwayTesting
import Testing

@Suite("Artifact conformance")
struct ArtifactConformanceTests {
    @Test("The stock client's artifacts go up and down, whole and in parts")
    func artifacts() async throws {
        try await withTrackingServer { url in
            try await expectPythonSuite("Tests/Conformance/tracking/test_artifacts.py", environment: ["SLIPWAY_TRACKING_URI": url], seconds: 300)
        }
    }
}
