import Atomics
public import Hummingbird
public import Logging
public import SlipwayHTTP

/// `/metrics` of the model server, under Triton's names.
public struct InferenceMetrics: Sendable {
    private let server: EmbeddedModelServer

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
        func counter(_ name: String, _ help: String, _ value: (VersionCounters) -> Int) {
            page.family(name, .counter, help: help)
            for version in versions {
                page.sample(name, ["model": version.model, "version": "\(version.version)"], value(version.counters))
            }
        }
        counter("nv_inference_request_success", "Requests that were answered") { $0.successes.load(ordering: .relaxed) }
        page.family("nv_inference_request_failure", .counter, help: "Requests that failed, by reason")
        for version in versions {
            let reasons = [("REJECTED", version.counters.clientFailures), ("BACKEND", version.counters.modelFailures)]
            for (reason, count) in reasons {
                page.sample(
                    "nv_inference_request_failure",
                    ["model": version.model, "version": "\(version.version)", "reason": reason],
                    count.load(ordering: .relaxed)
                )
            }
        }
        counter("nv_inference_count", "Inferences performed") { $0.successes.load(ordering: .relaxed) }
        counter("nv_inference_exec_count", "Model executions") { $0.successes.load(ordering: .relaxed) }
        counter("nv_inference_request_duration_us", "Time of answered requests in microseconds") {
            $0.successNanoseconds.load(ordering: .relaxed) / 1000
        }
        counter("nv_inference_queue_duration_us", "Time in the queue in microseconds") {
            $0.queueNanoseconds.load(ordering: .relaxed) / 1000
        }
        counter("nv_inference_compute_infer_duration_us", "Time in the model in microseconds") {
            $0.computeNanoseconds.load(ordering: .relaxed) / 1000
        }
        page.family("nv_inference_pending_request_count", .gauge, help: "Requests taken and not yet answered")
        for version in versions {
            page.sample(
                "nv_inference_pending_request_count",
                ["model": version.model, "version": "\(version.version)"],
                version.inFlight.load(ordering: .relaxed)
            )
        }
        Self.addScheduling(of: versions, to: &page)
        return page
    }
}
