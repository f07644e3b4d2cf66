import Foundation
import SlipwayCore
public import SlipwayInference

/// Serves MLflow models that cannot be exported, each in Python processes of its own.
///
/// A version's workers are processes of one interpreter that has MLflow; they get requests over a Unix socket
/// that is their standard input, and end with the server, however that ends. Nothing is started before a
/// pyfunc model is loaded.
public final class PyfuncRuntime: ModelRuntime {
    private let python: String?
    private let onLine: @Sendable (String) -> Void

    /// - Parameters:
    ///   - python: The interpreter, a path or a name to be found in `PATH`; `nil`: pyfunc models are refused. A
    ///     pyfunc model is a program: whoever may load one may run what they like here.
    ///   - onLine: Gets what the workers print, and what becomes of them.
    public init(python: String?, onLine: @escaping @Sendable (String) -> Void = { _ in }) {
        self.python = python
        self.onLine = onLine
    }

    public func open(file: String, options: SessionOptions) throws -> any ModelSession {
        guard let python else {
            throw PlatformError(
                .failedPrecondition,
                "pyfunc models run in Python, and the server was not told in which",
                remedy: "start it with --python and the path of an interpreter that has mlflow"
            )
        }
        guard options.instances <= PyfuncLimits.workersMax else {
            throw PlatformError(
                .invalidArgument,
                "instance_group asks for \(options.instances) instances; a pyfunc model may have \(PyfuncLimits.workersMax) workers"
            )
        }
        let folder = try Self.folder(of: file)
        var launch = WorkerLaunch(python: try Self.resolved(python), folder: folder, onLine: onLine)
        launch.startSeconds = try Self.seconds("pyfunc.start_seconds", in: options) ?? PyfuncLimits.startSeconds
        launch.runSeconds = try Self.seconds("pyfunc.run_seconds", in: options) ?? PyfuncLimits.runSeconds
        if let threads = options.intraOpThreads {
            for name in ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"] { launch.environment[name] = "\(threads)" }
        }
        let pool = WorkerPool(launch, count: max(1, options.instances))
        return PyfuncSession(signature: try pool.open(), pool: pool)
    }

    /// - Parameter file: `MLmodel`, or a folder that has one.
    private static func folder(of file: String) throws(PlatformError) -> String {
        let place = URL(filePath: file)
        let folder = place.lastPathComponent == "MLmodel" ? place.deletingLastPathComponent() : place
        guard FileManager.default.isReadableFile(atPath: folder.appending(path: "MLmodel").path) else {
            throw PlatformError(.notFound, "the version has no file 'MLmodel'", remedy: "put an MLflow model's folder in its place")
        }
        return folder.standardizedFileURL.path
    }

    private static func resolved(_ python: String) throws(PlatformError) -> String {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let places = python.contains("/") ? [python] : path.split(separator: ":").map { "\($0)/\(python)" }
        // Links stay: a virtual environment is found by the place of its link.
        guard let found = places.first(where: { FileManager.default.isExecutableFile(atPath: $0) }) else {
            throw PlatformError(
                .failedPrecondition,
                "the Python '\(python)' for pyfunc models is not there",
                remedy: "make one: python3 -m venv .venv && .venv/bin/python -m pip install mlflow; then --python .venv/bin/python"
            )
        }
        return found
    }

    private static func seconds(_ key: String, in options: SessionOptions) throws(PlatformError) -> Int? {
        guard let text = options.parameters[key] else { return nil }
        guard let seconds = Int(text), (1...PyfuncLimits.secondsMax).contains(seconds) else {
            throw PlatformError(
                .invalidArgument,
                "parameter '\(key)' is '\(text.prefix(40))'; 1 to \(PyfuncLimits.secondsMax) seconds are possible"
            )
        }
        return seconds
    }
}

/// A loaded pyfunc model. Its workers end with it.
final class PyfuncSession: ModelSession {
    let signature: ModelSignature
    let pool: WorkerPool
    var isComputeOnly: Bool { false }
    var restarts: Int? { pool.restarts }

    init(signature: ModelSignature, pool: WorkerPool) {
        (self.signature, self.pool) = (signature, pool)
    }

    deinit {
        pool.end()
    }

    func run(inputs: [Tensor], outputs: [String]) throws -> [Tensor] {
        try pool.run(inputs: inputs, outputs: outputs)
    }
}
