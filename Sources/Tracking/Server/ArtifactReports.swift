import Hummingbird
import Logging
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking
import Synchronization

/// What an operator must know about artifacts: logged, and counted for the metrics page.
final class ArtifactReports: Sendable {
    private let logger: Logger
    private let corruptReads = Atomic<Int>(0)

    init(logger: Logger) {
        self.logger = logger
    }

    func corrupt(_ path: ArtifactPath, _ error: PlatformError) {
        corruptReads.add(1, ordering: .relaxed)
        logger.error("an artifact is corrupt: its bytes do not match their digest", metadata: ["artifact.path": "\(path)", "error": "\(error)"])
    }

    func add(to page: inout MetricsPage) {
        page.family("slipway_tracking_artifact_corrupt_reads_total", .counter, help: "Reads refused because an artifact did not match its SHA-256.")
        page.sample("slipway_tracking_artifact_corrupt_reads_total", [:], corruptReads.load(ordering: .relaxed))
    }
}
