import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// The threads on which runs are carried out that do not fit on an event loop.
///
/// Computing and waiting are kept apart: a run that waits for another process must not hold a thread
/// that a model could compute on.
final class RunPools: Sendable {
    let computeThreads: Int
    private let compute: NIOThreadPool
    private let waiting: NIOThreadPool
    /// The waiting pool's threads start with the first version that needs them.
    private let isWaitingStarted = NIOLockedValueBox(false)
    /// Tells the time, for delays and deadlines.
    let timers = MultiThreadedEventLoopGroup.singleton

    init(computeThreads: Int) {
        self.computeThreads = computeThreads
        compute = NIOThreadPool(numberOfThreads: computeThreads)
        waiting = NIOThreadPool(numberOfThreads: ServingLimits.waitingThreadsMax)
        compute.start()
    }

    /// - Parameter body: Gets false when the server is ending.
    func submit(isComputeOnly: Bool, _ body: @escaping @Sendable (Bool) -> Void) {
        if !isComputeOnly {
            isWaitingStarted.withLockedValue { isStarted in
                if !isStarted { waiting.start() }
                isStarted = true
            }
        }
        (isComputeOnly ? compute : waiting).submit { state in
            if case .active = state { body(true) } else { body(false) }
        }
    }

    func stop() async {
        // Ending twice is fine.
        try? await compute.shutdownGracefully()
        try? await waiting.shutdownGracefully()
    }
}
