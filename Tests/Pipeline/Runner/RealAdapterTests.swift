import Foundation
import Logging
import SlipwayCore
import SlipwayPipeline
import SlipwayProcesses
import SlipwayStorage
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayPipelineRunner

@Suite("Pipeline engine on real processes and a real store", .timeLimit(.minutes(2)))
struct RealAdapterTests {
    @Test("Seven steps that do nothing run as processes in order, are logged, and are on disk")
    func sevenSteps() async throws {
        try await withWorld { world in
            try world.write("pipeline.yaml", Self.pipeline(command: "[sh, -c, 'echo did $SLIPWAY_RUN_ID']"))
            let store = try SQLiteRunStore(file: world.folder.appending(path: "runs.db").path)
            let engine = try world.engine(store: store, commands: ProcessGroupRunner())
            let run = try await world.running(engine) {
                try await SimulatedWorld.end(
                    of: try await engine.submit(project: world.folder.path, parameters: [:]),
                    engine
                )
            }
            #expect(run.state == .succeeded, "\(run.summary)")
            #expect(run.steps.count { $0.state == .passed } == 7)
            #expect(try await store.run(run.id) == run)
            for name in ["s1", "s2", "s3", "extract", "validate_data", "build_features", "train"] {
                let log = world.folder.appending(path: "runs/\(run.id)/logs/\(name).log")
                #expect(try String(contentsOf: log, encoding: .utf8) == "did \(run.id)\n")
            }
        }
    }

    @Test("A cancelled run ends its process group and says so on disk")
    func cancel() async throws {
        try await withWorld { world in
            try world.write("pipeline.yaml", Self.pipeline(command: "[sh, -c, 'sleep 300 & echo $!; wait']"))
            let store = try SQLiteRunStore(file: world.folder.appending(path: "runs.db").path)
            let engine = try world.engine(
                store: store,
                commands: ProcessGroupRunner(grace: .milliseconds(200))
            )
            let child = Mutex<String>("")
            let run = try await world.running(engine) {
                let id = try await engine.submit(project: world.folder.path, parameters: [:])
                for await event in try await engine.events(of: id) {
                    guard case .output(_, let line) = event else { continue }
                    child.withLock { $0 = line }
                    try await engine.cancel(id)
                }
                return try await engine.run(id)
            }
            #expect(run.state == .cancelled)
            #expect(try await store.unfinished().isEmpty)
            let status = FileManager.default.contents(atPath: "/proc/\(child.withLock { $0 })/stat")
            #expect(status.map { String(decoding: $0, as: UTF8.self).contains(") Z ") } ?? true)
        }
    }

    @Test("A probe's report, its refusal and its crash are told apart")
    func probe() async throws {
        func probe(_ script: String) -> CommandModelProbe {
            CommandModelProbe(
                commands: ProcessGroupRunner(),
                program: ["sh", "-c", script, "probe"],
                environment: ["PATH": "/usr/bin:/bin"]
            )
        }
        let report = try await probe(#"echo warming; echo '{"inputs":["'$1'"],"outputs":[]}'"#).probe(
            file: "/m.onnx",
            timeout: .seconds(60)
        )
        #expect(report == ModelProbeReport(inputs: ["/m.onnx"], outputs: []))
        let refused = await #expect(throws: PlatformError.self) {
            try await probe("echo 'no graph' >&2; exit 2").probe(file: "/m", timeout: .seconds(60))
        }
        #expect(refused?.message == "the model does not load: no graph")
        let crashed = await #expect(throws: PlatformError.self) {
            try await probe("kill -SEGV $$").probe(file: "/m", timeout: .seconds(60))
        }
        #expect(crashed?.message.contains("signal 11") == true)
        let hung = await #expect(throws: PlatformError.self) {
            try await probe("sleep 300").probe(file: "/m", timeout: .milliseconds(50))
        }
        #expect(hung?.code == .exhausted)
    }

    private static func pipeline(command: String) -> String {
        """
        apiVersion: slipway.dev/v1
        kind: Pipeline
        metadata: { name: noop }
        spec:
          until: train
          steps:
            s1: { command: \(command), needs: [] }
            s2: { command: \(command), needs: [s1] }
            s3: { command: \(command), needs: [s2] }
            extract: { command: \(command) }
            validate_data: { command: \(command) }
            build_features: { command: \(command) }
            train: { command: \(command) }
        """
    }
}
