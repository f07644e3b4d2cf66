import Atomics
public import Hummingbird
public import Logging
public import SlipwayHTTP

/// `/metrics` of the model server: Triton's names with Triton's meaning, and histograms of our own.
public struct InferenceMetrics: Sendable {
    private let server: EmbeddedModelServer
    private let processor = ProcessorUse()

    public init(server: EmbeddedModelServer) {
        self.server = server
    }

    /// The listener of the page.
    public func server(host: String, port: Int, logger: Logger) -> HTTPServer {
        let router = Router(context: PlatformRequestContext.self)
        add(to: router)
        return HTTPServer(name: "metrics", host: host, port: port, router: router, logger: logger)
    }

    public func add(to router: Router<PlatformRequestContext>) {
        router.get("metrics") { _, _ in page.response }
    }

    var page: MetricsPage {
        let versions = server.table.load(ordering: .acquiring).all
        var page = MetricsPage()
        addCounters(of: versions, to: &page)
        addDurations(of: versions, to: &page)
        addHistograms(of: versions, to: &page)
        Self.addScheduling(of: versions, to: &page)
        addMachine(to: &page)
        return page
    }

    private func addCounters(of versions: [LoadedVersion], to page: inout MetricsPage) {
        func family(
            _ name: String,
            _ kind: MetricsPage.Kind,
            _ help: String,
            _ value: (LoadedVersion) -> Int
        ) {
            page.family(name, kind, help: help)
            for version in versions {
                page.sample(name, ["model": version.model, "version": "\(version.version)"], value(version))
            }
        }
        family("nv_inference_request_success", .counter, "Number of successful inference requests") {
            $0.counters.successes.load(ordering: .relaxed)
        }
        let failures = "nv_inference_request_failure"
        page.family(failures, .counter, help: "Number of failed inference requests, by reason")
        for version in versions {
            let reasons = [
                ("REJECTED", version.counters.clientFailures.load(ordering: .relaxed)),
                ("BACKEND", version.counters.modelFailures.load(ordering: .relaxed)),
            ]
            for (reason, count) in reasons {
                page.sample(failures, ["model": version.model, "version": "\(version.version)", "reason": reason], count)
            }
        }
        family("nv_inference_count", .counter, "Number of inferences performed: rows, where the model batches") {
            $0.counters.rows.load(ordering: .relaxed)
        }
        family("nv_inference_exec_count", .counter, "Number of model executions performed") {
            $0.counters.executions.load(ordering: .relaxed)
        }
        family("nv_inference_pending_request_count", .gauge, "Requests taken and not yet answered") {
            $0.inFlight.load(ordering: .relaxed)
        }
        family("slipway_inference_version_memory_bytes", .gauge, "Resident memory that the version is taken to need") { $0.bytes }
    }

    private func addDurations(of versions: [LoadedVersion], to page: inout MetricsPage) {
        let durations: [(String, String, (VersionCounters) -> ManagedAtomic<Int>)] = [
            ("nv_inference_request_duration_us", "Time of answered requests", { $0.successNanoseconds }),
            ("nv_inference_queue_duration_us", "Time in the queue", { $0.queueNanoseconds }),
            ("nv_inference_compute_input_duration_us", "Time of gathering inputs", { $0.inputNanoseconds }),
            ("nv_inference_compute_infer_duration_us", "Time in the model", { $0.computeNanoseconds }),
            ("nv_inference_compute_output_duration_us", "Time of parting outputs", { $0.outputNanoseconds }),
        ]
        for (name, help, counter) in durations {
            page.family(name, .counter, help: "\(help) in microseconds")
            for version in versions {
                page.sample(
                    name,
                    ["model": version.model, "version": "\(version.version)"],
                    counter(version.counters).load(ordering: .relaxed) / 1000
                )
            }
        }
    }

    private func addHistograms(of versions: [LoadedVersion], to page: inout MetricsPage) {
        let time = "slipway_inference_request_duration_seconds"
        page.family(time, .histogram, help: "Time of answered requests from their arrival in the model server")
        for version in versions {
            page.histogram(
                time,
                labels: [("model", version.model), ("version", "\(version.version)")],
                bounds: LatencyBuckets.boundsSeconds,
                counts: version.counters.latency.counts,
                sum: Double(version.counters.successNanoseconds.load(ordering: .relaxed)) / 1e9
            )
        }
        let rows = "slipway_inference_execution_rows"
        page.family(rows, .histogram, help: "Rows of one execution of a model")
        for version in versions {
            let bounds = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
            var counts = Array(repeating: 0, count: bounds.count + 1)
            var sum = 0
            for batch in version.counters.batches.snapshot() {
                counts[bounds.firstIndex { batch.rows <= $0 } ?? bounds.count] += batch.computeInfer.count
                sum += batch.rows * batch.computeInfer.count
            }
            page.histogram(
                rows,
                labels: [("model", version.model), ("version", "\(version.version)")],
                bounds: bounds.map(Double.init),
                counts: counts,
                sum: Double(sum)
            )
        }
    }

    private func addMachine(to page: inout MetricsPage) {
        let memory = MachineMemory.read()
        page.family("nv_cpu_utilization", .gauge, help: "CPU utilization rate [0.0 - 1.0] since the page was asked for last")
        page.sample("nv_cpu_utilization", [:], processor.rate())
        page.family("nv_cpu_memory_total_bytes", .gauge, help: "CPU total memory (RAM), in bytes")
        page.sample("nv_cpu_memory_total_bytes", [:], memory.total)
        page.family("nv_cpu_memory_used_bytes", .gauge, help: "CPU used memory (RAM), in bytes")
        page.sample("nv_cpu_memory_used_bytes", [:], memory.used)
        page.family("process_resident_memory_bytes", .gauge, help: "Resident memory of the server, in bytes")
        page.sample("process_resident_memory_bytes", [:], ResidentMemory.bytes)
    }
}
