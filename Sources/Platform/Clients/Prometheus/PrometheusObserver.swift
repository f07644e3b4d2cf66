public import SlipwayCore
public import SlipwayRelease

/// Judges by what a Prometheus has scraped from the gateways.
///
/// Counts what the samples say, by ``ScrapedWindow``. Whatever keeps it from seeing (Prometheus does not
/// answer, a gateway is not scraped, a number is none) makes the window blind, which is never a pass.
public struct PrometheusObserver: VariantObserver {
    private let source: PrometheusSource
    private let client: PrometheusClient
    private let clock: any Clock<Duration>
    private let poll: Duration

    /// - Parameter token: Sent as a bearer's, where the Prometheus asks for one.
    public init(_ source: PrometheusSource, token: String? = nil, connections: HTTPConnections, clock: any Clock<Duration> = ContinuousClock()) {
        self.init(source, token: token, connections: connections, clock: clock, poll: PrometheusLimits.poll)
    }

    /// - Parameter poll: The least time between two questions.
    init(_ source: PrometheusSource, token: String?, connections: HTTPConnections, clock: any Clock<Duration>, poll: Duration) {
        self.source = source
        self.client = PrometheusClient(url: source.url, token: token, connections: connections)
        self.clock = clock
        self.poll = poll
    }

    public func watch(_ model: ModelName, versions: Set<ModelVersion>) async throws -> any VariantWindow {
        let window = PrometheusWindow(
            client: client,
            query: GatewayQuery(model: model, versions: versions, labels: source.labels),
            staleSeconds: Double(source.staleSeconds),
            elapsed: Self.stopwatch(clock),
            poll: poll
        )
        // Its window begins now, and if it cannot be asked now, when it first can.
        _ = try await window.reading()
        return window
    }

    private static func stopwatch(_ clock: some Clock<Duration>) -> @Sendable () -> Duration {
        let start = clock.now
        return { start.duration(to: clock.now) }
    }
}

actor PrometheusWindow: VariantWindow {
    private let client: PrometheusClient
    private let query: GatewayQuery
    private let staleSeconds: Double
    private let elapsed: @Sendable () -> Duration
    private let poll: Duration
    private var window: ScrapedWindow?
    /// The scrape jobs that its gateways were found in.
    private var jobs: Set<String> = []
    private var last: (reading: WindowReading, at: Duration)?

    init(client: PrometheusClient, query: GatewayQuery, staleSeconds: Double, elapsed: @escaping @Sendable () -> Duration, poll: Duration) {
        self.client = client
        self.query = query
        self.staleSeconds = staleSeconds
        self.elapsed = elapsed
        self.poll = poll
    }

    func reading() async throws -> WindowReading {
        let now = elapsed()
        if let last, now - last.at < poll { return last.reading }
        let reading: WindowReading
        do {
            reading = try await ask()
        } catch let error as PlatformError {
            reading = .blind(error.message)
        }
        last = (reading, now)
        return reading
    }

    private func ask() async throws -> WindowReading {
        let now = try await client.now()
        guard var window else {
            window = ScrapedWindow(start: now, staleSeconds: staleSeconds)
            return .blind("nothing was scraped yet")
        }
        guard now >= window.start else { return .blind("the clock of Prometheus went back") }
        let seconds = min(max(now - window.neededSince, 0.001), PrometheusLimits.rangeSecondsMax)
        let answer = try await client.series(query.samples(seconds: seconds), at: now)
        var series: [ScrapedSeries] = []
        for one in answer {
            guard let read = try query.read(one) else { continue }
            series.append(read)
            if read.kind == .heartbeat, let job = one.labels["job"] { jobs.insert(job) }
        }
        let down = try await down(at: now)
        let reading = window.take(series, now: now, down: down)
        self.window = window
        return reading
    }

    private func down(at now: Double) async throws -> [String] {
        guard !jobs.isEmpty else { return [] }
        guard jobs.count <= PrometheusLimits.jobsMax else {
            throw PlatformError(.exhausted, "gateways are scraped by more than \(PrometheusLimits.jobsMax) jobs", remedy: "name one with 'labels: { job: … }'")
        }
        let found = try await client.series(query.down(jobs: jobs.sorted()), at: now)
        return found.prefix(PrometheusLimits.downMax).map { GatewayQuery.target($0.labels) }.sorted()
    }
}
