import Foundation
import Hummingbird
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayInferenceServer
import SlipwayTesting

@testable import SlipwayPyfunc

/// A model server over MLflow models.
struct PyfuncFixture: Sendable {
    let repository: URL
    let server: EmbeddedModelServer
    let lines = Lines()

    /// What the workers print and what becomes of them.
    final class Lines: Sendable {
        private let stream = AsyncStream<String>.makeStream()

        func add(_ line: String) { stream.continuation.yield(line) }

        /// Waits for a line that has `text`.
        func wait(for text: String) async {
            for await line in stream.stream where line.contains(text) { return }
        }
    }

    /// - Parameter folder: Gets the model repository.
    init(folder: URL, python: String? = conformancePython) {
        repository = folder.appending(path: "models")
        let lines = lines
        server = EmbeddedModelServer(
            repository: ModelRepository(folder: repository),
            runtime: NoONNX(),
            backends: [.pyfunc(PyfuncRuntime(python: python) { lines.add($0) })]
        )
    }

    /// Fills the repository with models that MLflow itself has made.
    func addModels(_ names: String...) throws {
        try FileManager.default.createDirectory(at: repository, withIntermediateDirectories: true)
        for name in names {
            try FileManager.default.copyItem(
                at: packageRoot.appending(path: "Tests/Inference/PyfuncModels/\(name)"),
                to: repository.appending(path: name)
            )
        }
    }

    func configure(_ model: String, _ text: String) throws {
        let folder = repository.appending(path: model)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: folder.appending(path: "config.pbtxt"))
    }

    /// A version that no worker of the test will get as far as reading.
    func pretend(_ model: String) throws {
        let folder = repository.appending(path: "\(model)/1")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data("flavors: {}\n".utf8).write(to: folder.appending(path: "MLmodel"))
    }

    func double(_ values: [Float]) async throws -> [Float] {
        let bytes = TensorBytes(count: values.count * 4)
        values.withUnsafeBytes { if let base = $0.baseAddress { bytes.pointer.copyMemory(from: base, byteCount: $0.count) } }
        let input = Tensor(name: "input-0", type: .fp32, shape: [values.count / 2, 2], storage: .fixed(bytes))
        let response = try await server.infer(InferenceRequest(model: "doubling", inputs: [input]))
        guard case .fixed(let output) = response.outputs[0].storage else { return [] }
        return Array(output.bytes.bindMemory(to: Float.self))
    }

    /// Runs the server's HTTP side while `body` runs.
    func withHTTP(_ body: (Int) async throws -> Void) async throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let api = InferenceRoutes(server: server).server(host: "127.0.0.1", port: 0, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await api.run() }
            try await body(try await api.boundPort())
            group.cancelAll()
        }
    }
}

struct NoONNX: ModelRuntime {
    func open(file: String, options: SessionOptions) throws -> any ModelSession {
        throw PlatformError(.unexpected, "no graph is opened here")
    }
}

/// An interpreter that is none: a shell script in its place.
func fakePython(_ script: String, in folder: URL) throws -> String {
    let place = folder.appending(path: "python")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try writeShellScript(script, at: place)
    return place.path
}

/// Whether a process is there; a dead one that nobody has reaped is not.
func isAlive(_ identifier: Int32) -> Bool {
    guard let text = try? String(contentsOfFile: "/proc/\(identifier)/stat", encoding: .utf8) else { return false }
    return !text.contains(") Z")
}
