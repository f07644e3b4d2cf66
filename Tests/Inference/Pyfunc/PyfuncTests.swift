import Foundation
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayTesting
import Testing

@testable import SlipwayInferenceServer
@testable import SlipwayPyfunc

@Suite("Pyfunc")
struct PyfuncTests {
    @Test("A model that cannot be exported is served: batches, errors, a killed worker, an end", .timeLimit(.minutes(5)))
    func life() async throws {
        try await withScratchFolder { folder in
            let fixture = PyfuncFixture(folder: folder)
            try fixture.addModels("doubling")
            // The long delay makes one batch of requests that come together, however slow the machine.
            try fixture.configure(
                "doubling",
                """
                backend: "pyfunc" max_batch_size: 8 parameters { key: "pyfunc.run_seconds" value { string_value: "2" } }
                dynamic_batching { max_queue_delay_microseconds: 200000 preferred_batch_size: [ 8 ] }
                """
            )
            try await fixture.server.loadAtStart(["doubling"])
            let administration = ModelAdministration(server: fixture.server)
            let description = try administration.description(model: "doubling", version: nil)
            #expect(description.platform == "mlflow_pyfunc")
            #expect(description.inputs == [TensorSpec(name: "input-0", type: .fp32, shape: [-1, 2])])
            #expect(try await fixture.double([1, 2, 3, 4]) == [2, 4, 6, 8])

            try await batches(fixture, administration)
            try await errors(fixture)
            let worker = try await dies(fixture)
            try await fixture.server.unload(try ModelVersion(1), of: try ModelName("doubling"))
            try await waitForEnd(of: worker)
            await fixture.server.stop()
        }
    }

    private func batches(_ fixture: PyfuncFixture, _ administration: ModelAdministration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<24 {
                group.addTask {
                    let answer = try await fixture.double([Float(client), 0.5])
                    #expect(answer == [Float(client) * 2, 1])
                }
            }
            try await group.waitForAll()
        }
        let statistics = try #require(try administration.statistics(model: "doubling", version: nil).first)
        #expect(statistics.inferenceCount == 26)
        #expect(statistics.executionCount < 20)
        #expect(statistics.batches.contains { $0.rows > 2 && $0.rows <= 8 })
    }

    private func errors(_ fixture: PyfuncFixture) async throws {
        let raised = await #expect(throws: PlatformError.self) { try await fixture.double([777, 1]) }
        #expect(raised?.message.contains("the model raised ValueError: no sevens here") == true)
        #expect(raised?.code == .unexpected)
        #expect(try await fixture.double([5, 6]) == [10, 12], "an exception ends no worker")
    }

    /// - Returns: The worker that is there afterwards.
    private func dies(_ fixture: PyfuncFixture) async throws -> Int32 {
        let died = await #expect(throws: PlatformError.self) { try await fixture.double([666, 1]) }
        #expect(died?.code == .unavailable)
        #expect(died?.message == "the model's Python worker ended before it answered: it was ended by signal 9")
        // The next waits for the new worker.
        #expect(try await fixture.double([7, 8]) == [14, 16])
        // One that is killed while it does nothing costs nobody an answer.
        let idle = try #require(try workers(in: fixture).first)
        #expect(kill(idle, SIGKILL) == 0)
        try await waitForEnd(of: idle)
        #expect(try await fixture.double([9, 10]) == [18, 20])
        // One that takes too long is ended, and the next request has a new one.
        let late = await #expect(throws: PlatformError.self) { try await fixture.double([888, 1]) }
        #expect(late?.message == "the model's Python worker has not answered within 2 s and is ended")
        #expect(late?.code == .unavailable)
        #expect(try await fixture.double([11, 12]) == [22, 24])
        let next = try workers(in: fixture)
        #expect(next.count == 1 && next.first != idle)
        #expect(InferenceMetrics(server: fixture.server).page.text.contains(#"slipway_inference_worker_restarts_total{model="doubling",version="1"} 3"#))
        return next.first ?? 0
    }

    /// Processes that serve a model of the fixture: its folder is their argument.
    private func workers(in fixture: PyfuncFixture) throws -> [Int32] {
        let folder = Array(fixture.repository.path.utf8)
        return try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap(Int32.init).filter { identifier in
            guard let line = FileManager.default.contents(atPath: "/proc/\(identifier)/cmdline") else { return false }
            return [UInt8](line).split(separator: 0).contains { $0.starts(with: folder) && $0.count > folder.count && !$0.contains(0x0A) }
                && isAlive(identifier)
        }
    }

    private func waitForEnd(of identifier: Int32) async throws {
        for _ in 0..<6000 where isAlive(identifier) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(!isAlive(identifier))
    }

    @Test("Columns are tensors, texts too; what a signature does not say is refused", .timeLimit(.minutes(5)))
    func columns() async throws {
        try await withScratchFolder { folder in
            let fixture = PyfuncFixture(folder: folder)
            try fixture.addModels("table", "unsigned")
            let unsigned = await #expect(throws: PlatformError.self) { try await fixture.server.loadAtStart(["unsigned"]) }
            #expect(unsigned?.message.contains("the model has no signature") == true)
            #expect(unsigned?.remedy?.contains("infer_signature") == true)
            try await fixture.server.loadAtStart(["table"])
            try await fixture.withHTTP { port in
                try await expectPythonSuite(
                    "Tests/Conformance/inference/test_pyfunc.py",
                    environment: ["SLIPWAY_MODEL_SERVER": "127.0.0.1:\(port)"]
                )
            }
            await fixture.server.stop()
        }
    }

    @Test("Without a Python, with one that is not there, or without MLflow, the load says what to do")
    func interpreters() async throws {
        try await withScratchFolder { folder in
            let bare = try fakePython("exec '\(conformancePython)' -I -S \"$@\"", in: folder)
            for (python, message, remedy) in [
                (nil, "the server was not told in which", "--python"),
                ("/no/such/python", "the Python '/no/such/python' for pyfunc models is not there", "pip install mlflow"),
                (bare, "has no module 'mlflow'", "-m pip install mlflow"),
            ] as [(String?, String, String)] {
                let fixture = PyfuncFixture(folder: folder, python: python)
                try fixture.pretend("m")
                let error = await #expect(throws: PlatformError.self) { try await fixture.server.loadAtStart(["m"]) }
                #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
                #expect(error?.remedy?.contains(remedy) == true, "\(error?.remedy ?? "")")
                await fixture.server.stop()
            }
        }
    }

    @Test("A worker that never gets ready, or ends first, is a failed load in bounded time", .timeLimit(.minutes(2)))
    func badStarts() async throws {
        try await withScratchFolder { folder in
            for (script, seconds, message) in [
                ("sleep 600", 1, "has not started within 1 s"),
                ("echo broken >&2; exit 3", 60, "it exited with code 3"),
                ("printf 'this is no frame at all' >&0", 60, "sent what is no answer"),
            ] {
                let fixture = PyfuncFixture(folder: folder, python: try fakePython(script, in: folder))
                try fixture.pretend("m")
                try fixture.configure("m", #"backend: "mlflow" parameters { key: "pyfunc.start_seconds" value { string_value: "\#(seconds)" } }"#)
                let error = await #expect(throws: PlatformError.self) { try await fixture.server.loadAtStart(["m"]) }
                #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
                await fixture.server.stop()
            }
        }
    }
}

@Suite("Worker frame")
struct WorkerFrameTests {
    @Test("Lengths that contradict each other, or the limit, are refused before a byte is read")
    func refusals() throws {
        #expect(throws: WorkerFailure.self) { try head(json: 10, body: 9) }
        #expect(throws: WorkerFailure.self) { try head(json: 1, body: UInt64(PyfuncLimits.frameBytesMax) + 1) }
        #expect(throws: WorkerFailure.self) { try head(json: 1, body: .max) }
        #expect(try head(json: 3, body: 5) == WorkerFrame.Head(jsonBytes: 3, bodyBytes: 5))
    }

    @Test("A request's frame says how long it is")
    func request() throws {
        let bytes = TensorBytes(count: 4)
        bytes.pointer.storeBytes(of: 1.5, as: Float.self)
        let input = Tensor(name: "x", type: .fp32, shape: [1, 1], storage: .fixed(bytes))
        let (memory, count) = try WorkerFrame.written(InferenceRequest(model: "", inputs: [input], outputs: ["y"]))
        let head = try WorkerFrame.head(UnsafeRawBufferPointer(rebasing: memory.bytes.prefix(WorkerFrame.headBytes)))
        #expect(head.bodyBytes + WorkerFrame.headBytes == count)
        #expect(head.bodyBytes - head.jsonBytes == 4)
    }

    @Test("What a worker says is wrong becomes the error, with its code and its remedy")
    func failure() throws {
        let body = Self.body(#"{"error": "no", "code": "failed_precondition", "remedy": "yes"}"#)
        let error = #expect(throws: PlatformError.self) { try body.outputs() }
        #expect(error?.code == .failedPrecondition)
        #expect(error?.message == "no")
        #expect(error?.remedy == "yes")
        let signature = #expect(throws: PlatformError.self) { try Self.body(#"{"signature":{"inputs":[{"name":1}]}}"#).signature() }
        #expect(signature?.code == .unexpected)
    }

    private static func body(_ text: String) -> WorkerFrame.Body {
        let bytes = TensorBytes(count: text.utf8.count)
        for (offset, byte) in text.utf8.enumerated() { bytes.pointer.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self) }
        return WorkerFrame.Body(memory: bytes, jsonBytes: bytes.count)
    }

    private func head(json: UInt32, body: UInt64) throws -> WorkerFrame.Head {
        var bytes: [UInt8] = []
        withUnsafeBytes(of: json.littleEndian) { bytes += $0 }
        withUnsafeBytes(of: body.littleEndian) { bytes += $0 }
        return try bytes.withUnsafeBytes { try WorkerFrame.head($0) }
    }
}
