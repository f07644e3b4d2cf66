import Synchronization

/// Whether whoever asked is gone.
///
/// Set from any thread, once and for good; whoever works for the one who asked looks at it before it
/// begins something that costs. Work that has begun is finished: its answer goes nowhere.
public final class Cancellation: Sendable {
    private let flag = Atomic(false)

    public init() {}

    public func cancel() {
        flag.store(true, ordering: .relaxed)
    }

    public var isCancelled: Bool { flag.load(ordering: .relaxed) }
}
