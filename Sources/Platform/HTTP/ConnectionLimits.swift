public import NIOCore

/// What one connection may keep a server waiting for, and how many there may be.
///
/// A client that sends a byte now and then must not hold a connection for longer than one that is silent,
/// so a request has its time as a whole, and not from byte to byte.
public struct ConnectionLimits: Sendable, Hashable {
    /// Between two requests, and for a head that is not plain.
    public var idle: TimeAmount = .seconds(ServerLimits.idleSeconds)
    /// From a head's first byte to its last.
    public var head: TimeAmount = .seconds(20)
    /// For a body's first bytes; then ``bodyBytesPerSecondMin`` counts.
    public var body: TimeAmount = .seconds(20)
    /// Bytes a second that a body must come with in the long run, while it is waited for.
    public var bodyBytesPerSecondMin = 4096
    /// For a client to take at least one byte of its answers.
    public var write: TimeAmount = .seconds(60)
    /// How often a connection is looked at: what ends it does so by as much later at most.
    public var check: TimeAmount = .seconds(5)
    /// Connections of one listener at a time; those that come then wait in the backlog.
    public var connectionsMax = 16_384
    /// Files and connections of the process that are not this listener's.
    public var descriptorsKept = 512
    /// Bytes of a head's single field, and of all of them.
    public var headBytesMax = 32 << 10
    public var headFieldsMax = 128

    public init() {}

    /// How many connections fit, if the process may have `descriptorsMax` files open.
    public func connectionsMax(descriptorsMax: Int) -> Int {
        max(1, min(connectionsMax, descriptorsMax - descriptorsKept))
    }
}

/// What one connection is waited for, and for how long already.
///
/// A value: the time is passed in.
struct ConnectionClock {
    enum Expiry: Equatable {
        case idle
        case head
        case body
        case write
    }

    private enum Waiting {
        case request
        case head
        case body(bytes: Int)
        /// For us, or for nobody.
        case nothing
    }

    private var waiting = Waiting.request
    private var since: NIODeadline
    /// Bytes that the client had not taken when it was looked at first, and when that was.
    private var unsent: (bytes: Int, since: NIODeadline)?

    init(now: NIODeadline) {
        since = now
    }

    /// Nothing has come of the next request.
    mutating func awaitRequest(now: NIODeadline) {
        waiting = .request
        since = now
    }

    /// A part of a head has come.
    mutating func awaitHead(now: NIODeadline) {
        if case .head = waiting { return }
        waiting = .head
        since = now
    }

    /// The head has come, and this much of the body.
    ///
    /// - Parameter bytes: All so far.
    mutating func awaitBody(bytes: Int, now: NIODeadline) {
        if case .body = waiting {} else { since = now }
        waiting = .body(bytes: bytes)
    }

    mutating func tookBody(_ more: Int) {
        if case .body(let bytes) = waiting { waiting = .body(bytes: bytes + more) }
    }

    /// The request has come; it is ours to answer.
    mutating func awaitNothing() { waiting = .nothing }

    /// What is over.
    ///
    /// - Parameters:
    ///   - isReading: False while we do not take what the client sends: its time stands still.
    ///   - unsentBytes: What the client has not taken of its answers; `nil`: as much as it should.
    mutating func expiry(now: NIODeadline, isReading: Bool, unsentBytes: Int?, limits: ConnectionLimits) -> Expiry? {
        if let unsentBytes {
            if let known = unsent, unsentBytes >= known.bytes {
                if now - known.since >= limits.write { return .write }
            } else {
                unsent = (unsentBytes, now)
            }
        } else {
            unsent = nil
        }
        guard isReading else {
            if case .body = waiting { waiting = .body(bytes: 0) }
            since = now
            return nil
        }
        let waited = now - since
        switch waiting {
        case .nothing: return nil
        case .request: return waited >= limits.idle ? .idle : nil
        case .head: return waited >= limits.head ? .head : nil
        case .body(let bytes):
            let earned = Int64(bytes / max(1, limits.bodyBytesPerSecondMin))
            return waited >= limits.body + .seconds(earned) ? .body : nil
        }
    }
}
