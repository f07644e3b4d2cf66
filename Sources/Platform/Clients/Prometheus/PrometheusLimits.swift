/// What asking a Prometheus is bounded by.
enum PrometheusLimits {
    /// One question, from the first byte to the last of its answer.
    static let query = Duration.seconds(10)
    static let answerBytesMax = 16 << 20
    /// Series in one answer: a gateway has about 150 for two versions.
    static let seriesMax = 20_000
    static let samplesMax = 500_000
    /// How far back one question reaches.
    static let rangeSecondsMax = 3_600.0
    /// The pause between two questions of one window; scrapes are rarer.
    static let poll = Duration.seconds(2)
    /// Scrape jobs that gateways are found in.
    static let jobsMax = 20
    /// Gateways out of reach that are named.
    static let downMax = 20
    static let labelCharactersMax = 200
}
