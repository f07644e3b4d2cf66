import SlipwayCore
import SlipwayRelease
import Testing

/// Scrapes at 100, 110, 120 …, of a window that begins at 95 and takes 30 s for stale.
@Suite("Scraped window")
struct ScrapedWindowTests {
    private let version: ModelVersion

    init() throws {
        version = try ModelVersion(2)
    }

    private func beats(_ seconds: [Double]) -> ScrapedSeries { beats("a", seconds) }

    private func requests(_ samples: KeyValuePairs<Double, Double>) -> ScrapedSeries { requests("a", "ok", samples) }

    private func beats(_ target: String, _ seconds: [Double]) -> ScrapedSeries {
        ScrapedSeries(target: target, kind: .heartbeat, samples: seconds.map { .init(seconds: $0, value: 7) })
    }

    private func requests(_ target: String, _ outcome: String, _ samples: KeyValuePairs<Double, Double>) -> ScrapedSeries {
        ScrapedSeries(
            target: target,
            kind: .requests(version, variant: "B", outcome: outcome),
            samples: samples.map { .init(seconds: $0.key, value: $0.value) }
        )
    }

    private func reading(_ series: [ScrapedSeries], now: Double = 125, down: [String] = []) -> WindowReading {
        var window = ScrapedWindow(start: 95, staleSeconds: 30)
        return window.take(series, now: now, down: down)
    }

    private func counted(_ reading: WindowReading) throws -> (VariantCounters, Duration?) {
        guard case .counted(let versions, let covered) = reading else {
            throw PlatformError(.unexpected, "the window is blind: \(reading)")
        }
        return (versions[version] ?? VariantCounters(), covered)
    }

    private func reason(_ reading: WindowReading) -> String {
        guard case .blind(let reason) = reading else { return "" }
        return reason
    }

    @Test("What was counted before the window is not in it, and it reaches from the first scrape to the last")
    func aligned() throws {
        let (counters, covered) = try counted(reading([
            beats([80, 90, 100, 110, 120]), requests([80: 10, 90: 20, 100: 50, 110: 70, 120: 90]),
        ]))
        #expect(counters.requests == 40 && counters.errors == 0)
        #expect(covered == .seconds(20))
    }

    @Test("Of outcomes, errors and answers that are no numbers count against a version, what the client did wrong not at all")
    func outcomes() throws {
        let (counters, _) = try counted(reading([
            beats([100, 110, 120]), requests([100: 0, 120: 90]), requests("a", "error", [100: 1, 120: 4]),
            requests("a", "non_finite", [100: 0, 120: 2]), requests("a", "rejected", [100: 0, 120: 50]),
        ]))
        #expect(counters.requests == 95 && counters.errors == 5 && counters.nonFinite == 2)
    }

    @Test("A counter that went back began anew: what it shows since is added")
    func reset() throws {
        let (counters, _) = try counted(reading([beats([100, 110, 120]), requests([100: 1_000, 110: 1_030, 120: 7])]))
        #expect(counters.requests == 37)
    }

    @Test("A series that is younger than its gateway's first scrape was born at zero")
    func born() throws {
        let (counters, _) = try counted(reading([beats([100, 110, 120]), requests([110: 25, 120: 30])]))
        #expect(counters.requests == 30)
    }

    @Test("Replicas are added up, each with its own resets; the window is known up to the slowest of them")
    func replicas() throws {
        let (counters, covered) = try counted(reading([
            beats([100, 110, 120]), beats("b", [104, 114]),
            requests([100: 0, 110: 10, 120: 20]), requests("b", "ok", [104: 500, 114: 5]),
        ]))
        #expect(counters.requests == 25)
        #expect(covered == .seconds(10))
    }

    @Test("A gateway that comes later does not shorten what is known; its first scrape counts nothing")
    func scaledOut() throws {
        var window = ScrapedWindow(start: 95, staleSeconds: 30)
        let times = stride(from: 100.0, through: 200, by: 10).map { $0 }
        let (counters, covered) = try counted(window.take(
            [beats(times), beats("b", [180, 190, 200]), requests([100: 0, 200: 10]), requests("b", "ok", [180: 99, 200: 100])],
            now: 205, down: []
        ))
        #expect(counters.requests == 11)
        #expect(covered == .seconds(100))
    }

    @Test("A gateway that is gone keeps what it counted; one that cannot be scraped makes the window blind")
    func gone() throws {
        let series = [
            beats(stride(from: 100.0, through: 200, by: 10).map { $0 }), beats("b", [100, 110]),
            requests([100: 0, 200: 10]), requests("b", "error", [100: 0, 110: 3]),
        ]
        let (counters, covered) = try counted(reading(series, now: 205))
        #expect(counters.requests == 13 && counters.errors == 3)
        #expect(covered == .seconds(100))
        #expect(reason(reading(series, now: 205, down: ["b"])) == "gateway 'b' cannot be scraped")
    }

    @Test("Without a scrape, with one, or with none lately, nothing is known")
    func tooShort() {
        #expect(reason(reading([])) == "no gateway was scraped since the step began")
        #expect(reason(reading([beats([80, 90]), requests([80: 1, 90: 500])])) == "no gateway was scraped since the step began")
        #expect(reason(reading([beats([90, 100]), requests([90: 1, 100: 500])])).contains("scraped twice"))
        #expect(reason(reading([beats([100, 110]), requests([100: 1, 110: 500])], now: 141)) == "no gateway was scraped for 31 s")
    }

    @Test("After a gap in the scrapes the window begins anew, and is blind until then")
    func gap() throws {
        var window = ScrapedWindow(start: 95, staleSeconds: 30)
        let first = window.take([beats([100, 110, 150, 160]), requests([100: 0, 110: 10, 150: 60, 160: 70])], now: 165, down: [])
        #expect(reason(first).contains("not scraped for more than 30 s"))
        let (counters, covered) = try counted(window.take([beats([150, 160, 170]), requests([150: 60, 160: 70, 170: 90])], now: 175, down: []))
        #expect(counters.requests == 30)
        #expect(covered == .seconds(20))
    }

    @Test("A count that is no number makes the window blind", arguments: [Double.nan, .infinity, -1])
    func noNumber(value: Double) {
        #expect(reason(reading([beats([100, 110, 120]), requests([100: 0, 110: value, 120: 100])])) == "a count of gateway 'a' is no number")
    }

    @Test("Samples that are seen again change nothing; those that come late are counted once")
    func again() throws {
        var window = ScrapedWindow(start: 95, staleSeconds: 30)
        _ = window.take([beats([100, 110]), requests([100: 0, 110: 10])], now: 112, down: [])
        #expect(window.neededSince == 95)
        // Of the second scrape only the heartbeat was stored yet.
        _ = window.take([beats([100, 110, 120]), requests([100: 0, 110: 10])], now: 122, down: [])
        let (counters, _) = try counted(window.take([beats([110, 120, 130]), requests([110: 10, 120: 25, 130: 26])], now: 132, down: []))
        #expect(counters.requests == 26)
        #expect(window.neededSince == 100)
    }

    @Test("Latencies are counts of buckets again; where they do not add up, nothing is known")
    func latencies() throws {
        func buckets(_ counts: [(Int, Double)]) -> [ScrapedSeries] {
            counts.map { bound, count in
                ScrapedSeries(
                    target: "a", kind: .latency(version, variant: "B", bound: bound),
                    samples: [.init(seconds: 100, value: 5), .init(seconds: 120, value: 5 + count)]
                )
            }
        }
        let last = ScrapedWindow.boundsCount - 1
        let all = (0...last).map { ($0, $0 < 6 ? 0.0 : $0 < 9 ? 40 : 50) }
        let (counters, _) = try counted(reading([beats([100, 120])] + buckets(all)))
        #expect(counters.latencyCounts[6] == 40 && counters.latencyCounts[9] == 10)
        #expect(counters.latencyCounts.reduce(0, +) == 50)
        #expect(counters.latencyMicroseconds(quantile: 0.5) == 1_000)
        #expect(reason(reading([beats([100, 120])] + buckets([(3, 10), (4, 5), (last, 10)]))) == "the latencies of version 2 do not add up")
    }

    @Test("Predictions are counted by class, over all gateways")
    func predictions() throws {
        func prediction(_ target: String, _ label: String, _ count: Double) -> ScrapedSeries {
            ScrapedSeries(
                target: target, kind: .prediction(version, variant: "B", label),
                samples: [.init(seconds: 100, value: 3), .init(seconds: 120, value: 3 + count)]
            )
        }
        let (counters, _) = try counted(reading([
            beats([100, 120]), beats("b", [100, 120]), prediction("a", "0", 5), prediction("b", "0", 7), prediction("a", "1", 0),
        ]))
        #expect(counters.predictions == ["0": 12])
    }
}
