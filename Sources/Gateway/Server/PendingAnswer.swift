import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import Synchronization

/// Where a data plane's completion and the event loop that waits for it meet.
///
/// Small models complete before `infer` returns, and then the answer goes out with no promise and no hop;
/// large ones complete on a thread of their own, which also writes the answer. Each side moves `phase` once.
final class PendingAnswer: Sendable {
    private enum Phase {
        static let open: UInt8 = 0
        static let completed: UInt8 = 1
        static let awaited: UInt8 = 2
    }

    private let call: RoutedCall
    private let phase = Atomic<UInt8>(Phase.open)
    // Each is written before its side moves `phase`, and read only by the side that moved it second.
    nonisolated(unsafe) private var result: Result<InferenceResponse, PlatformError>?
    nonisolated(unsafe) private var promise: EventLoopPromise<FastResponse>?

    init(_ call: RoutedCall) {
        self.call = call
    }

    /// Called exactly once, on any thread.
    func complete(_ result: Result<InferenceResponse, PlatformError>) {
        self.result = result
        guard phase.exchange(Phase.completed, ordering: .acquiringAndReleasing) == Phase.awaited else { return }
        promise?.succeed(call.finish(result))
    }

    /// Called exactly once, on the event loop, after `infer` has returned.
    func answer(on eventLoop: any EventLoop) -> FastAnswer {
        if phase.load(ordering: .acquiring) == Phase.completed, let result { return .now(call.finish(result)) }
        let promise = eventLoop.makePromise(of: FastResponse.self)
        self.promise = promise
        if phase.exchange(Phase.awaited, ordering: .acquiringAndReleasing) == Phase.completed, let result {
            promise.succeed(call.finish(result))
        }
        return .later(promise.futureResult)
    }
}
