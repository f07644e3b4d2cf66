import NIOCore
import NIOHTTP1
public import NIOPosix
public import ServiceLifecycle
public import SlipwayCore
import SlipwayHTTP
public import SlipwayInference
import Synchronization

/// A model server behind one or several URLs, each a replica, or a name with an address a replica.
///
/// Each event loop has its own kept-alive connections, balancer and breaker, so a request that is proxied
/// never leaves the loop that it came in on and takes no lock. Bodies pass through as they are.
public final class UpstreamDataPlane: Service {
    let naming: UpstreamNaming
    let counts = UpstreamCounts()
    let limits: UpstreamLimits
    private let loops: PerLoop<UpstreamLoop>
    private let lookup: UpstreamLookup
    private let clock: any Clock<Duration>

    /// - Parameters:
    ///   - endpoints: At least one. A host that is a name is one replica until ``run()`` has looked it up.
    ///   - eventLoops: Those of the gateway's listener.
    ///   - resolve: The addresses of a name.
    public init(
        endpoints: [UpstreamEndpoint],
        naming: UpstreamNaming = .versions,
        limits: UpstreamLimits = UpstreamLimits(),
        eventLoops: MultiThreadedEventLoopGroup = .singleton,
        clock: any Clock<Duration> = ContinuousClock(),
        resolve: @escaping @Sendable (String) async throws -> [String] = SystemResolver.addresses
    ) {
        precondition(!endpoints.isEmpty, "a data plane without a model server")
        self.naming = naming
        self.limits = limits
        self.clock = clock
        lookup = UpstreamLookup(endpoints: endpoints, addressesMax: limits.addressesMax, resolve: resolve)
        let counts = counts
        loops = PerLoop(eventLoops) { index, loop in
            UpstreamLoop(endpoints: endpoints, first: index, limits: limits, counts: counts, loop: loop)
        }
    }

    /// Sends a request from `loop`, which must be one of the group's.
    ///
    /// - Parameters:
    ///   - timeout: Shorter than ``UpstreamLimits/answerDeadline``, if the client asks for that.
    ///   - cancellation: Says when nobody waits any more; the request is given up soon after.
    ///   - completion: Called exactly once, on `loop`.
    func send(
        _ request: UpstreamRequest,
        on loop: any EventLoop,
        timeout: Duration? = nil,
        cancellation: Cancellation? = nil,
        completion: @escaping (UpstreamResult) -> Void
    ) {
        guard let local = loops.value(on: loop) else {
            preconditionFailure("a request from an event loop that the data plane does not know")
        }
        let timeout = min(timeout ?? limits.answerDeadline, limits.answerDeadline)
        let deadline = NIODeadline.now() + .nanoseconds(timeout.nanoseconds)
        local.send(
            UpstreamExchange(request, deadline: deadline, timeout: timeout, cancellation: cancellation, owner: local, completion: completion)
        )
    }

    private func send(_ request: UpstreamRequest, on loop: any EventLoop) -> EventLoopFuture<UpstreamResult> {
        let promise = loop.makePromise(of: UpstreamResult.self)
        send(request, on: loop) { promise.succeed($0) }
        return promise.futureResult
    }

    /// The replicas that requests go to now.
    public func replicas() async -> [UpstreamEndpoint] { await lookup.current }

    /// Looks the names up again and again, until the task is cancelled or shuts down gracefully.
    public func run() async throws {
        guard await lookup.hasNames else {
            try? await gracefulShutdown()
            return
        }
        await cancelWhenGracefulShutdown {
            while !Task.isCancelled {
                await self.refreshReplicas()
                try? await self.clock.sleep(for: self.limits.lookupInterval)
            }
        }
    }

    /// Looks the names up once. A name that cannot be looked up keeps the addresses it had.
    public func refreshReplicas() async {
        let looked = await lookup.refresh()
        if looked.failures > 0 { counts.lookupFailures.wrappingAdd(looked.failures, ordering: .relaxed) }
        guard looked.isChanged else { return }
        for loop in loops.loops {
            _ = try? await loop.submit { self.loops.value(on: loop)?.update(looked.endpoints) }.get()
        }
    }

    /// Asks for the metadata of a version.
    ///
    /// - Throws: `not_found` when the server does not serve it, `unavailable` when it does not answer.
    public func signature(of model: ModelName, version: ModelVersion) async throws -> ModelSignature {
        let request = UpstreamRequest(method: .GET, path: naming.path(model: model.text, version: version))
        let loop = loops.loops[0]
        let response = try await loop.flatSubmit { self.send(request, on: loop) }.get().get()
        switch response.status {
        case 200: return try Self.signature(JSONValue(parsing: response.body.readableBytesView))
        case 400, 404:
            throw PlatformError(.notFound, "the model server does not serve version \(version) of model '\(model)'")
        default:
            throw PlatformError(.unavailable, "the model server answered \(response.status) for version \(version) of model '\(model)'")
        }
    }

    /// Closes all connections; what is under way fails.
    public func shutDown() async throws {
        for loop in loops.loops {
            try await loop.submit { self.loops.value(on: loop)?.close() }.get()
        }
    }

    private static func signature(_ metadata: JSONValue) throws(PlatformError) -> ModelSignature {
        ModelSignature(inputs: try specs(metadata["inputs"]), outputs: try specs(metadata["outputs"]))
    }

    private static func specs(_ value: JSONValue?) throws(PlatformError) -> [TensorSpec] {
        guard let items = value?.arrayValue, items.count <= InferenceLimits.tensorsMax else { throw unreadable }
        var specs: [TensorSpec] = []
        for item in items {
            guard let name = item["name"]?.stringValue, let type = item["datatype"]?.stringValue.flatMap(DataType.init),
                let shape = item["shape"]?.arrayValue?.map({ $0.intValue.flatMap(Int.init(exactly:)) })
            else { throw unreadable }
            specs.append(TensorSpec(name: name, type: type, shape: shape.compactMap { $0 }))
        }
        return specs
    }

    private static var unreadable: PlatformError {
        PlatformError(.unavailable, "the model server's metadata cannot be read")
    }
}
