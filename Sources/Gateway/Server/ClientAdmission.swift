import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayGRPC
import SlipwayHTTP
public import SlipwayRouting
import Synchronization

/// Keeps each client of the gateway within its rate and its number of requests under way.
///
/// A client is an address, or what a header says where something in front of the gateway sets one: behind a
/// proxy all clients have the proxy's address. One gate for all event loops, so that a client's limit does
/// not depend on how many connections it has; without limits it is not there, and nothing is locked.
public final class ClientAdmission: Sendable {
    private let gate: Mutex<ClientGate>
    private let limits: ClientGate.Limits
    private let header: String?

    /// - Parameter header: Names the client; `nil`: its address does.
    /// - Returns: `nil` for limits that allow everything.
    public init?(limits: ClientGate.Limits, header: String? = nil) {
        guard !limits.isOff else { return nil }
        self.limits = limits
        self.header = header?.lowercased()
        gate = Mutex(ClientGate(limits: limits))
    }

    /// Answers a request if its client may send it.
    func admit(_ request: FastRequest, _ answer: () -> FastAnswer) throws(PlatformError) -> FastAnswer {
        let client = client(header.flatMap { name in request.head.headerFields.first { $0.name.canonicalName == name }?.value }) ?? request.peer
        try enter(client)
        switch answer() {
        case .now(let response):
            leave(client)
            return .now(response)
        case .later(let future):
            future.whenComplete { _ in self.leave(client) }
            return .later(future)
        }
    }

    /// The same for a call over gRPC, or one message of its stream.
    func admit(_ call: GRPCContext, _ answer: () -> GRPCAnswer) throws(PlatformError) -> GRPCAnswer {
        let client = client(header.flatMap { call.metadata($0) }) ?? call.remoteAddress?.peerHash ?? 0
        try enter(client)
        switch answer() {
        case .now(let reply):
            leave(client)
            return .now(reply)
        case .later(let future):
            future.whenComplete { _ in self.leave(client) }
            return .later(future)
        }
    }

    private func enter(_ client: UInt64) throws(PlatformError) {
        let now = Int(truncatingIfNeeded: NIODeadline.now().uptimeNanoseconds)
        switch gate.withLock({ $0.enter(client, now: now) }) {
        case .admitted: break
        case .tooFast(let wait):
            throw refusal("more than \(limits.ratePerSecond ?? 0) requests a second", retryAfterSeconds: wait.secondsUp)
        case .tooMany:
            throw refusal("more than \(limits.concurrencyMax ?? 0) requests under way", retryAfterSeconds: 1)
        }
    }

    private func leave(_ client: UInt64) {
        gate.withLock { $0.leave(client) }
    }

    /// The client that the header names.
    private func client(_ name: String?) -> UInt64? {
        guard let name else { return nil }
        var hasher = Hasher()
        hasher.combine(name)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }

    private func refusal(_ what: String, retryAfterSeconds: Int) -> PlatformError {
        PlatformError(.exhausted, "this client sends \(what)", remedy: "wait \(retryAfterSeconds) s, as Retry-After says", cause: Wait(seconds: retryAfterSeconds))
    }

    /// How long a refused client is to wait.
    struct Wait: Error { let seconds: Int }
}

extension Int {
    /// Nanoseconds as whole seconds, at least one.
    fileprivate var secondsUp: Int { Swift.max(1, (self + 999_999_999) / 1_000_000_000) }
}
