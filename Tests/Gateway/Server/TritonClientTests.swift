import Foundation
import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayGateway

/// The stock `tritonclient`, unchanged, with a gateway where it expects a model server.
@Suite(
    "tritonclient against the gateway",
    .enabled(if: python != nil, "no Python; make sets it up"),
    .timeLimit(.minutes(2))
)
struct TritonClientTests {
    @Test("Health, metadata, and inference with JSON and with binary tensors")
    func client() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await withServer(fixture) { base in
            let (status, output) = try await run(script, port: try #require(base.port))
            #expect(status == 0, "\(output)")
            #expect(output.contains("all good"))
        }
    }

    private let script = """
        import sys
        import numpy as np
        import tritonclient.http as http
        from tritonclient.utils import InferenceServerException

        client = http.InferenceServerClient(url="127.0.0.1:" + sys.argv[1], network_timeout=20)
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tumor")
        assert not client.is_model_ready("nope")
        metadata = client.get_model_metadata("tumor")
        assert metadata["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 3]}], metadata
        rows = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
        for binary_in in (False, True):
            for binary_out in (False, True):
                given = http.InferInput("X", [2, 3], "FP32")
                given.set_data_from_numpy(rows, binary_data=binary_in)
                wanted = [http.InferRequestedOutput(name, binary_data=binary_out) for name in ("label", "probabilities")]
                result = client.infer("tumor", [given], outputs=wanted, request_id="r1")
                assert result.as_numpy("label").tolist() == [1, 1]
                assert result.as_numpy("probabilities").shape == (2, 2)
                answer = result.get_response()
                assert answer["model_name"] == "tumor" and answer["model_version"] == "1" and answer["id"] == "r1", answer
        given = http.InferInput("X", [2, 3], "FP32")
        given.set_data_from_numpy(rows)
        client.infer("tumor", [given], model_version="1")
        for model, version in (("nope", ""), ("tumor", "9")):
            try:
                client.infer(model, [given], model_version=version)
                raise SystemExit("no error for " + model + " " + version)
            except InferenceServerException as error:
                assert error.status() == "404", error.status()
                assert "is not released" in error.message(), error.message()
        print("all good")
        """

    private func run(_ script: String, port: Int) async throws -> (Int32, String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/timeout")
        process.arguments = ["60", try #require(python), "-c", script, "\(port)"]
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = try await onThread {
            defer { process.waitUntilExit() }
            return try pipe.fileHandleForReading.readToEnd() ?? Data()
        }
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}

private let python: String? = {
    let root = URL(filePath: #filePath).appending(path: "../../../../.venv/bin/python").standardized.path
    let path = ProcessInfo.processInfo.environment["SLIPWAY_PYTHON"] ?? root
    return FileManager.default.isExecutableFile(atPath: path) ? path : nil
}()
