import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingImport
import Testing

/// From a real MLflow server, which `make test-engines` starts.
@Suite("Import from MLflow", .enabled(if: ProcessInfo.processInfo.environment["SLIPWAY_ENGINES"] == "1"), .timeLimit(.minutes(10)))
struct ImportFromMLflowTests {
    @Test("What the stock client made in MLflow's server is here as it was there; cut off on the way, too")
    func everything() async throws {
        let url = try #require(
            ProcessInfo.processInfo.environment["SLIPWAY_MLFLOW_URL"],
            "SLIPWAY_ENGINES is set and SLIPWAY_MLFLOW_URL is not: run 'make test-engines'"
        )
        let made = try await onThread { try Self.fill(url) }
        let (experiments, models) = (Set(made["experiments"]?.texts ?? []), Set(made["models"]?.texts ?? []))
        try #require(experiments.count == 2 && models.count == 3)
        try await withScratchFolder { folder in
            try await withConnections { connections in
                let expected = try await describe(url, connections, experiments: experiments, models: models)
                #expect(expected.count { $0.hasPrefix("metric") } > 900)
                for writes in [Int.max, 3, 20, 45] {
                    try await withHome(folder, "here-\(writes)") { here in
                        let options = ImportOptions(selection: ImportSelection(experiments: experiments, models: models))
                        let source = MLflowSource(url: url, connections: connections)
                        let intake = StoreArtifactIntake(here.artifacts)
                        let budget = WriteBudget(writes)
                        let faulty = TrackingImporter(
                            source: source,
                            store: FaultyStore(store: here.store, budget: budget),
                            intake: FaultyIntake(intake: intake, budget: budget),
                            options: options
                        )
                        if writes < .max { _ = await #expect(throws: PlatformError.self) { try await faulty.run() } }
                        let importer = TrackingImporter(source: source, store: here.store, intake: intake, options: options)
                        let report = try await importer.run()
                        try report.check()
                        #expect(report.sourceVersion != nil)
                        let found = try await describe(here.url, connections, experiments: experiments, models: models)
                        let (missing, extra) = (Set(expected).subtracting(found), Set(found).subtracting(expected))
                        #expect(missing.isEmpty && extra.isEmpty, "missing: \(missing.sorted().prefix(5)) extra: \(extra.sorted().prefix(5))")
                        #expect(found.count == expected.count)
                        let again = try await importer.run()
                        #expect(again.counts.values.allSatisfy { $0.copied == 0 && $0.updated == 0 }, "\(again.counts)")
                    }
                }
            }
        }
    }

    /// Runs the script that fills the server, and answers what it made.
    private static func fill(_ url: String) throws -> JSONValue {
        let process = Process()
        process.executableURL = URL(filePath: conformancePython)
        process.arguments = [packageRoot.appending(path: "Tests/Conformance/import/fill_mlflow.py").path]
        process.environment = ProcessInfo.processInfo.environment.merging(["SLIPWAY_MLFLOW_URL": url]) { _, new in new }
        let log = FileManager.default.temporaryDirectory.appending(path: "slipway-fill-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        try Data().write(to: log)
        let output = try FileHandle(forWritingTo: log)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let deadline = Date(timeIntervalSinceNow: 240)
        while process.isRunning, Date() < deadline { Thread.sleep(forTimeInterval: 0.1) }
        if process.isRunning { process.terminate() }
        process.waitUntilExit()
        let text = String(decoding: try Data(contentsOf: log), as: UTF8.self)
        guard process.terminationStatus == 0, let line = text.split(separator: "\n").last(where: { $0.hasPrefix("{") }) else {
            throw PlatformError(.unexpected, "fill_mlflow.py failed: \(text.suffix(3_000))")
        }
        return try JSONValue(parsing: String(line))
    }
}

extension JSONValue {
    fileprivate var texts: [String] { arrayValue?.compactMap(\.stringValue) ?? [] }
}
