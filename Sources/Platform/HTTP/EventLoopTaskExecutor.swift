public import NIOCore

/// Runs a task on one event loop, so that a request needs no change of threads before it waits for something.
///
/// For work that is as short as the loop's own: a look-up, the parsing of a small body.
public final class EventLoopTaskExecutor: TaskExecutor {
    private let eventLoop: any EventLoop

    public init(_ eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        eventLoop.execute { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
    }
}
