import NIOCore
import NIOPosix

/// An event loop that no gateway under test knows.
enum ForeignLoop {
    private static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

    static var loop: any EventLoop { group.next() }
}
