import NIOCore
import NIOHTTP1
public import NIOPosix
public import SlipwayCore
public import SlipwayInference

/// A model server behind one or several URLs, one a replica.
///
/// Each event loop has its own kept-alive connections, so a request that is proxied never leaves the
/// loop that it came in on. Bodies pass through as they are.
public final class UpstreamDataPlane: Sendable {
    let naming: UpstreamNaming
    let counts = UpstreamCounts()
    private let limits: UpstreamLimits
    private let loops: PerLoop<UpstreamLoop>

    /// - Parameters:
    ///   - endpoints: At least one; requests go to each in turn.
    ///   - eventLoops: Those of the gateway's listener.
    public init(
        endpoints: [UpstreamEndpoint],
        naming: UpstreamNaming = .versions,
        limits: UpstreamLimits = UpstreamLimits(),
        eventLoops: MultiThreadedEventLoopGroup = .singleton
    ) {
        precondition(!endpoints.isEmpty, "a data plane without a model server")
        self.naming = naming
        self.limits = limits
        let counts = counts
        loops = PerLoop(eventLoops) { index, loop in
            UpstreamLoop(endpoints: endpoints, first: index, limits: limits, counts: counts, loop: loop)
        }
    }

    /// Sends a request from `loop`, which must be one of the group's.
    func send(_ request: UpstreamRequest, on loop: any EventLoop) -> EventLoopFuture<UpstreamResult> {
        let promise = loop.makePromise(of: UpstreamResult.self)
        guard let local = loops.value(on: loop) else {
            preconditionFailure("a request from an event loop that the data plane does not know")
        }
        let deadline = NIODeadline.now() + .nanoseconds(limits.answerDeadline.nanoseconds)
        local.send(UpstreamExchange(request, deadline: deadline, promise: promise))
        return promise.futureResult
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

/// What one event loop has: a pool a replica. Only touched on that loop.
private final class UpstreamLoop {
    private var pools: [UpstreamPool]
    private var next: Int

    init(
        endpoints: [UpstreamEndpoint],
        first: Int,
        limits: UpstreamLimits,
        counts: UpstreamCounts,
        loop: any EventLoop
    ) {
        // Loops begin at different replicas.
        next = first
        pools = []
        pools = endpoints.map { endpoint in
            UpstreamPool(endpoint: endpoint, limits: limits, counts: counts, loop: loop) { [weak self] exchange in
                guard let self else { return false }
                exchange.refusals += 1
                guard exchange.refusals < pools.count else { return false }
                send(exchange)
                return true
            }
        }
    }

    func send(_ exchange: UpstreamExchange) {
        pool().send(exchange)
    }

    /// The next in turn that did not just refuse a connection; the next in turn when all did.
    private func pool() -> UpstreamPool {
        guard pools.count > 1 else { return pools[0] }
        let now = NIODeadline.now()
        for _ in pools {
            next = (next + 1) % pools.count
            if pools[next].downUntil <= now { return pools[next] }
        }
        next = (next + 1) % pools.count
        return pools[next]
    }

    func close() {
        for pool in pools { pool.close() }
    }
}
