import Foundation
import NIOHTTP1
import SlipwayCore
import SlipwayGateway
import SlipwayHTTP
import SlipwayInference
import SlipwayPipeline
import SlipwayRelease
import SlipwayTesting
import Synchronization
import Testing

@testable import SlipwayClients

/// A real Prometheus that scrapes real gateways under traffic: `ops/with-prometheus.sh`, as `make test-engines` does.
@Suite("A real Prometheus", .serialized, .enabled(if: RealPrometheus.program != nil), .timeLimit(.minutes(5)))
struct RealPrometheusTests {
    @Test("Healthy traffic passes, failing answers fail, no traffic holds; a lost gateway or Prometheus is never a pass")
    func verdicts() async throws {
        try await withScratchFolder { folder in
            try await withGateway { first, source in
                try await withGateway(source) { second in
                    try await withConnections { connections in
                        let prometheus = try await RealPrometheus.start(in: folder, targets: [first.url, second.url])
                        defer { prometheus.stop() }
                        try await judge(prometheus, [first, second], connections)
                    }
                }
            }
        }
    }

    private func judge(_ prometheus: RealPrometheus, _ gateways: [RunningGateway], _ connections: HTTPConnections) async throws {
        let source = PrometheusSource(url: prometheus.url, labels: ["environment": "dev"], staleSeconds: 30)
        let observer = PrometheusObserver(source, token: nil, connections: connections, clock: ContinuousClock(), poll: .zero)
        let peers = gateways.map { Peer($0.url, name: "gateway", connections: connections) }
        // What was before the step must not count.
        for model in ["healthy", "failing"] { try await send(5, to: model, "B", peers) }
        var windows: [String: any VariantWindow] = [:]
        for model in ["healthy", "failing", "silent"] {
            windows[model] = try await observer.watch(try ModelName(model), versions: [try ModelVersion(1), try ModelVersion(2)])
        }
        let begun = try #require(windows["healthy"])
        _ = try await counted(begun) { _, covered in covered > .zero }
        for model in ["failing", "silent"] { _ = try await counted(try #require(windows[model])) { _, covered in covered > .zero } }

        for model in ["healthy", "failing"] {
            for alias in ["A", "B"] { try await send(40, to: model, alias, peers) }
        }
        let healthy = try await counted(begun) { $0[2]?.requests == 80 && $0[1]?.requests == 80 && $1 > .seconds(2) }
        #expect(healthy[2]?.errors == 0)
        #expect(healthy[2]?.predictions == ["7": 80])
        #expect(healthy[2]?.latencyCounts.reduce(0, +) == 80)
        #expect(verdict(healthy) == .pass)
        let failing = try await counted(try #require(windows["failing"])) { $0[2]?.requests == 80 && $0[1]?.requests == 80 && $1 > .seconds(2) }
        #expect(failing[2]?.errors == 80 && failing[1]?.errors == 0)
        #expect(verdict(failing) == .fail)
        let silent = try await counted(try #require(windows["silent"])) { $1 > .seconds(2) }
        #expect(verdict(silent) == .inconclusive)

        // Another environment's gateways are not seen.
        let elsewhere = PrometheusObserver(
            PrometheusSource(url: prometheus.url, labels: ["environment": "prod"], staleSeconds: 30),
            token: nil, connections: connections, clock: ContinuousClock(), poll: .zero
        )
        let other = try await elsewhere.watch(try ModelName("healthy"), versions: [try ModelVersion(2)])
        #expect(try await blind(other) { !$0.contains("yet") } == "no gateway was scraped since the step began")

        gateways[1].stop()
        let lost = try await blind(begun) { _ in true }
        #expect(lost.contains("cannot be scraped"), "\(lost)")
        prometheus.stop()
        let away = try await blind(begun) { $0.hasPrefix("Prometheus") }
        #expect(away.hasPrefix("Prometheus "), "\(away)")
    }

    private func verdict(_ counters: [Int: VariantCounters]) -> Verdict {
        var policy = ObservePolicy()
        policy.requestsMin = 50
        let gate = ObservationGate(policy)
        return gate.judge(candidate: observed(counters[2]), champion: observed(counters[1])).verdict
    }

    private func observed(_ counters: VariantCounters?) -> ObservedVariant {
        let counters = counters ?? VariantCounters()
        return ObservedVariant(
            requests: counters.requests, errors: counters.errors, nonFinite: counters.nonFinite,
            latency: counters.latencyMicroseconds(quantile: 0.5).map { .microseconds($0) }, predictions: counters.predictions
        )
    }

    private func send(_ count: Int, to model: String, _ alias: String, _ peers: [Peer]) async throws {
        for peer in peers {
            for _ in 0..<count {
                _ = try await peer.call(PeerRequest(.POST, "/variant/\(alias)/predict", json: ["model": .string(model), "instances": [[1, 2, 3]]]))
            }
        }
    }

    private static let waitSecondsMax = 60

    private func counted(
        _ window: any VariantWindow,
        until isEnough: ([Int: VariantCounters], Duration) -> Bool
    ) async throws -> [Int: VariantCounters] {
        var last = "nothing"
        let end = ContinuousClock.now + .seconds(Self.waitSecondsMax)
        while ContinuousClock.now < end {
            let reading = try await window.reading()
            last = "\(reading)"
            if case .counted(let versions, let covered) = reading {
                let numbers = Dictionary(uniqueKeysWithValues: versions.map { ($0.key.number, $0.value) })
                if isEnough(numbers, covered ?? .zero) { return numbers }
            }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw PlatformError(.unavailable, "it never came so far: \(last.prefix(2_000))")
    }

    private func blind(_ window: any VariantWindow, until isEnough: (String) -> Bool) async throws -> String {
        let end = ContinuousClock.now + .seconds(Self.waitSecondsMax)
        while ContinuousClock.now < end {
            if case .blind(let reason) = try await window.reading(), isEnough(reason) { return reason }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw PlatformError(.unavailable, "it saw all the time")
    }

    // MARK: Gateways

    private func withGateway(_ body: (RunningGateway, GatewaySource) async throws -> Void) async throws {
        let source = GatewaySource()
        try await withGateway(source) { try await body($0, source) }
    }

    private func withGateway(_ source: GatewaySource, _ body: (RunningGateway) async throws -> Void) async throws {
        let models = TwoVersions()
        let gateway = GatewayService(backend: .embedded(models), source: source, readiness: models, token: "secret", logger: silent)
        let server = gateway.server(host: "127.0.0.1", port: 0)
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await withThrowingTaskGroup(of: Void.self) { inner in
                    inner.addTask { try await server.run() }
                    inner.addTask { for await _ in stops { return } }
                    try await inner.next()
                    inner.cancelAll()
                }
            }
            defer { group.cancelAll() }
            let port = try await server.boundPort()
            for model in ["healthy", "failing", "silent"] { try await source.release(model, on: gateway) }
            try await body(RunningGateway(url: "http://127.0.0.1:\(port)") { stop.yield() })
        }
    }
}

private struct RunningGateway: Sendable {
    let url: String
    let stop: @Sendable () -> Void
}

/// Every model has version 1 as A and version 2 as B.
private final class GatewaySource: ReleaseSource {
    private let state = Mutex(AcceptedReleases())

    func accepted() async throws -> AcceptedReleases { state.withLock { $0 } }

    func release(_ model: String, on gateway: GatewayService) async throws {
        let release = try Release(
            model: try ModelName(model),
            variants: [
                Release.Variant(alias: try Alias("A"), version: try ModelVersion(1), weight: try Weight(hundredths: 5_000)),
                Release.Variant(alias: try Alias("B"), version: try ModelVersion(2), weight: try Weight(hundredths: 5_000)),
            ],
            lastGood: try ModelVersion(1)
        )
        let commit = try CommitID(String(repeating: "1", count: 40))
        state.withLock { $0.entries[release.model] = .init(release: release, commit: commit) }
        _ = try await gateway.reload(release, commit: commit)
    }
}

/// Versions 1 and 2 answer class 7; version 2 of `failing` answers nothing.
private struct TwoVersions: InferenceDataPlane, VersionReadiness {
    func infer(_ request: InferenceRequest, completion: @escaping @Sendable (Result<InferenceResponse, PlatformError>) -> Void) {
        guard let version = request.version, !(request.model == "failing" && version.number == 2) else {
            return completion(.failure(PlatformError(.unexpected, "the graph broke")))
        }
        let bytes = TensorBytes(count: 8)
        bytes.pointer.storeBytes(of: Int64(7), as: Int64.self)
        let label = Tensor(name: "label", type: .int64, shape: [1], storage: .fixed(bytes))
        completion(.success(InferenceResponse(model: request.model, version: version, id: request.id, outputs: [label])))
    }

    func signature(model: String, version: ModelVersion?) throws(PlatformError) -> ModelSignature {
        ModelSignature(
            inputs: [TensorSpec(name: "X", type: .fp32, shape: [-1, 3])],
            outputs: [TensorSpec(name: "label", type: .int64, shape: [-1])]
        )
    }

    func readyVersions() async throws -> [ModelName: Set<ModelVersion>] {
        let both: Set<ModelVersion> = [try ModelVersion(1), try ModelVersion(2)]
        return [try ModelName("healthy"): both, try ModelName("failing"): both, try ModelName("silent"): both]
    }
}

/// Debian's program, on a free port.
private final class RealPrometheus: Sendable {
    static var program: String? { ProcessInfo.processInfo.environment["SLIPWAY_PROMETHEUS_PROGRAM"] }

    let url: String
    private let process: Mutex<Process>

    private init(url: String, process: sending Process) {
        self.url = url
        self.process = Mutex(process)
    }

    /// Sends the signal to it and waits for its end; a second call does nothing.
    func stop() {
        process.withLock { process in
            guard process.isRunning else { return }
            process.terminate()
            process.waitUntilExit()
        }
    }

    static func start(in folder: URL, targets: [String]) async throws -> RealPrometheus {
        let hosts = targets.map { "\"\($0.replacing("http://", with: ""))\"" }.joined(separator: ", ")
        let configuration = """
            global: { scrape_interval: 1s, scrape_timeout: 1s }
            scrape_configs:
              - job_name: gateway
                static_configs: [{ targets: [\(hosts)], labels: { environment: dev } }]
            """
        let file = folder.appending(path: "prometheus.yml")
        try Data(configuration.utf8).write(to: file)
        let log = folder.appending(path: "prometheus.log")
        let path = folder.path
        return try await onThread {
            try Data().write(to: log)
            let output = try FileHandle(forWritingTo: log)
            let process = Process()
            process.executableURL = URL(filePath: program ?? "")
            process.arguments = [
                "--config.file=\(file.path)", "--storage.tsdb.path=\(path)/data", "--web.listen-address=127.0.0.1:0", "--storage.tsdb.retention.time=1h",
            ]
            process.standardOutput = output
            process.standardError = output
            try process.run()
            do {
                return RealPrometheus(url: try address(in: log), process: process)
            } catch {
                process.terminate()
                process.waitUntilExit()
                throw error
            }
        }
    }

    /// What it says on which port it listens.
    private static func address(in log: URL) throws -> String {
        for _ in 0..<600 {
            let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
            if text.contains("Server is ready to receive web requests"),
                let match = text.firstMatch(of: /msg="Listening on" address=(127\.0\.0\.1:[1-9][0-9]*)/)
            {
                return "http://\(match.1)"
            }
            Thread.sleep(forTimeInterval: 0.1)
        }
        let text = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
        throw PlatformError(.unavailable, "Prometheus was not ready in 60 s: \(text.suffix(2_000))")
    }
}
