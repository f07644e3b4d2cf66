import Foundation
import SlipwayCore
import SlipwayInference

/// How a version's workers are started and what they may take.
struct WorkerLaunch: Sendable {
    /// The Python that has MLflow.
    let python: String
    /// Holds the file `MLmodel`.
    let folder: String
    /// On top of the server's own.
    var environment: [String: String] = [:]
    var startSeconds = PyfuncLimits.startSeconds
    var runSeconds = PyfuncLimits.runSeconds
    /// Gets each line that a worker prints.
    var onLine: @Sendable (String) -> Void = { _ in }
}

/// One Python process that has loaded the model. Takes one request at a time.
final class Worker: Sendable {
    let process: ChildProcess
    let signature: ModelSignature
    private let launch: WorkerLaunch
    private let socket: WorkerSocket
    private let output: WorkerOutput

    /// Starts the process and waits until the model is loaded.
    ///
    /// - Throws: What the worker says is wrong (no MLflow, no signature), or how it ended, or `unavailable`
    ///   when it takes too long.
    init(_ launch: WorkerLaunch) throws {
        let output = WorkerOutput()
        let (socket, process) = try WorkerSocket.pair { socket, input in
            let process = try output.collect(onLine: launch.onLine) { target in
                try ChildProcess(
                    executable: launch.python,
                    arguments: ["-c", Self.script, launch.folder, "\(PyfuncLimits.frameBytesMax)"],
                    environment: ProcessInfo.processInfo.environment.merging(launch.environment) { _, own in own },
                    input: input,
                    output: target
                )
            }
            return (socket, process)
        }
        do {
            signature = try Self.receive(socket, until: Self.deadline(launch.startSeconds)).signature()
        } catch let failure as WorkerFailure {
            defer { process.kill() }
            throw Self.error(of: failure, process, output, doing: "started", secondsMax: launch.startSeconds)
        } catch {
            process.kill()
            throw error
        }
        (self.launch, self.socket, self.process, self.output) = (launch, socket, process, output)
    }

    static let script = String(decoding: PackageResources.worker_py, as: UTF8.self)

    /// Whether it can take a request.
    var isThere: Bool { !process.hasEnded && !socket.isSpent }

    /// Blocks until the answer is there.
    ///
    /// - Returns: The outputs, or what the model says is wrong with the request.
    /// - Throws: `unavailable` when the worker did not answer: it must not be used again.
    func run(inputs: [Tensor], outputs: [String]) throws(PlatformError) -> Result<[Tensor], PlatformError> {
        let frame: (memory: TensorBytes, count: Int)
        do {
            frame = try WorkerFrame.written(InferenceRequest(model: "", inputs: inputs, outputs: outputs))
        } catch {
            return .failure(error)
        }
        let deadline = Self.deadline(launch.runSeconds)
        let body: WorkerFrame.Body
        do {
            try socket.send(UnsafeRawBufferPointer(start: frame.memory.pointer, count: frame.count), until: deadline)
            body = try Self.receive(socket, until: deadline)
        } catch {
            throw Self.error(of: error, process, output, doing: "answered", secondsMax: launch.runSeconds)
        }
        do {
            return .success(try body.outputs())
        } catch {
            return .failure(error)
        }
    }

    /// Lets it end by itself, and sees to it that it does.
    func end() {
        socket.shutDown()
        DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(PyfuncLimits.endSeconds)) { [process] in process.kill() }
    }

    private static func deadline(_ seconds: Int) -> UInt64 {
        DispatchTime.now().uptimeNanoseconds + UInt64(max(seconds, 0)) * 1_000_000_000
    }

    private static func receive(_ socket: WorkerSocket, until deadline: UInt64) throws(WorkerFailure) -> WorkerFrame.Body {
        let head = TensorBytes(count: WorkerFrame.headBytes)
        try socket.receive(into: UnsafeMutableRawBufferPointer(start: head.pointer, count: head.count), until: deadline)
        let lengths = try WorkerFrame.head(head.bytes)
        let body = TensorBytes(count: lengths.bodyBytes)
        try socket.receive(into: UnsafeMutableRawBufferPointer(start: body.pointer, count: body.count), until: deadline)
        return WorkerFrame.Body(memory: body, jsonBytes: lengths.jsonBytes)
    }

    private static func error(
        of failure: WorkerFailure,
        _ process: ChildProcess,
        _ output: WorkerOutput,
        doing: String,
        secondsMax: Int
    ) -> PlatformError {
        switch failure {
        case .gone:
            let ending = process.ending(within: PyfuncLimits.endSeconds)?.text ?? "it closed its socket"
            return PlatformError(
                .unavailable,
                "the model's Python worker ended before it \(doing): \(ending)",
                remedy: "send the request again: the worker is started anew",
                cause: WorkerPrinted(text: output.tail)
            )
        case .tooSlow:
            return PlatformError(
                .unavailable,
                "the model's Python worker has not \(doing) within \(secondsMax) s and is ended",
                remedy: "raise parameter '\(doing == "started" ? "pyfunc.start_seconds" : "pyfunc.run_seconds")' of the model's configuration",
                cause: WorkerPrinted(text: output.tail)
            )
        case .nonsense(let what):
            return PlatformError(.unavailable, "the model's Python worker sent what is no answer: \(what)", cause: WorkerPrinted(text: output.tail))
        }
    }
}

/// The last that a worker printed, for the operator.
struct WorkerPrinted: Error, CustomStringConvertible {
    let text: String

    var description: String { text.isEmpty ? "the worker printed nothing" : "the worker printed: \(text)" }
}
