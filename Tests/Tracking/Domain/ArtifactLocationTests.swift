import SlipwayTracking
import Testing

@Suite("Artifact locations")
struct ArtifactLocationTests {
    @Test("The proxy's URIs are the same place with and without a host and slashes", arguments: [
        "mlflow-artifacts:/1/r", "mlflow-artifacts:/1/r/", "mlflow-artifacts:///1/r", "mlflow-artifacts://host:5000/1/r",
    ])
    func proxied(uri: String) {
        #expect(ArtifactLocation(uri).uri == "mlflow-artifacts:/1/r")
        #expect(ArtifactLocation(uri).proxied == "1/r")
    }

    @Test("Other stores are not the proxy's, and its root is no folder", arguments: ["s3://b/1", "/data/1", "file:///x", "mlflow-artifacts:/", ""])
    func others(uri: String) {
        #expect(ArtifactLocation(uri).proxied == nil)
    }

    @Test("A place is in a folder only at a slash", arguments: [
        ("s3://b/1/r", "s3://b/1", "r"), ("s3://b/1", "s3://b/1/", ""), ("s3://b/10", "s3://b/1", nil), ("s3://b", "s3://b/1", nil),
        ("mlflow-artifacts://h/1/r/artifacts", "mlflow-artifacts:/1", "r/artifacts"),
    ] as [(String, String, String?)])
    func inside(uri: String, folder: String, path: String?) {
        #expect(ArtifactLocation(uri).path(in: ArtifactLocation(folder)) == path)
    }
}
