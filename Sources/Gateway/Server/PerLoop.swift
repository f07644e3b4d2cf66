import NIOCore

/// One value for each event loop of a group, touched only on that loop: no lock, no atomic.
struct PerLoop<Value>: Sendable {
    private struct Slot: Sendable {
        let loop: any EventLoop
        let box: NIOLoopBoundBox<Value>
    }

    private let slots: [Slot]

    init(_ eventLoops: any EventLoopGroup, _ make: (Int, any EventLoop) -> sending Value) {
        var slots: [Slot] = []
        for loop in eventLoops.makeIterator() {
            slots.append(Slot(loop: loop, box: .makeBoxSendingValue(make(slots.count, loop), eventLoop: loop)))
        }
        precondition(!slots.isEmpty, "an event loop group without event loops")
        self.slots = slots
    }

    var count: Int { slots.count }

    var loops: [any EventLoop] { slots.map(\.loop) }

    /// The value of the loop that this runs on; `nil` for a loop of another group.
    @inline(__always)
    func value(on loop: any EventLoop) -> Value? {
        for slot in slots where slot.loop === loop { return slot.box.value }
        return nil
    }
}
