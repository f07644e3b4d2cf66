import NIOPosix
import SlipwayTracking

/// Where the work goes that waits for a disk or hashes a lot: away from the threads that answer requests.
enum BlockingWork {
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: TrackingLimits.artifactThreads)
        pool.start()
        return pool
    }()

    static func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await pool.runIfActive(body)
    }
}
