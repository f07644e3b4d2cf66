import NIOCore
import NIOPosix
import SlipwayCore
import SlipwayInference
import SlipwayRouting
import Synchronization

#if canImport(Glibc)
import Glibc
#endif

/// A copy of a request with the answer that its client got.
struct ShadowJob: Sendable {
    enum Payload: Sendable {
        /// For the model server of this process.
        case tensors(InferenceRequest)
        /// For a model server behind a URL: a body of the Open Inference Protocol, as it was sent.
        case body(ByteBuffer, jsonBytes: Int?, any EventLoop)
    }

    let payload: Payload
    let answer: [Tensor]
    let bytes: Int
    let mirror: ShadowMirror
}

/// What a variant needs to mirror its requests to its model's shadow.
final class ShadowMirror: Sendable {
    let lane: ShadowLane
    let meter: ShadowMeter
    let comparison: ShadowComparison
    private let shadow: RoutedShadow

    init(lane: ShadowLane, meter: ShadowMeter, shadow: RoutedShadow, signature: ModelSignature) {
        self.lane = lane
        self.meter = meter
        self.shadow = shadow
        comparison = ShadowComparison(rule: shadow.comparison, predictions: OutputObservation(signature: signature).output)
    }

    @inline(__always)
    func picks(_ random: UInt64) -> Bool { shadow.mirrors(random: random) }
}

/// A request that will be copied to a shadow, once its client has its answer.
struct MirroredRequest: Sendable {
    let mirror: ShadowMirror
    let payload: ShadowJob.Payload
    let bytes: Int

    func offer(_ answer: [Tensor]) {
        let answerBytes = answer.reduce(0) { sum, tensor in
            guard case .fixed(let bytes) = tensor.storage else { return sum + tensor.elementCount * 32 }
            return sum + bytes.count
        }
        mirror.lane.offer(ShadowJob(payload: payload, answer: answer, bytes: bytes + answerBytes, mirror: mirror))
    }
}

/// The way to one shadow: a bounded queue and a few calls at a time, all of them after the answers.
///
/// Nobody waits for it. What does not fit is dropped and counted; a shadow that fails is counted for the
/// shadow alone; on the model server of this process it computes on a thread of its own, which gives way
/// to all others.
final class ShadowLane: Sendable {
    struct Key: Hashable, Sendable {
        let model: ModelName
        let version: ModelVersion
    }

    private struct State {
        var waiting = CircularBuffer<ShadowJob>()
        var waitingBytes = 0
        var queueMax: Int
        var running = 0
        var isClosed = false
    }

    let key: Key
    private let backend: GatewayBackend
    private let state: Mutex<State>
    private let callsMax: Int

    init(key: Key, backend: GatewayBackend, queueMax: Int) {
        self.key = key
        self.backend = backend
        state = Mutex(State(queueMax: queueMax))
        switch backend {
        case .embedded: callsMax = 1
        case .upstream: callsMax = GatewayLimits.shadowCallsMax
        }
    }

    /// Copies that wait or are being answered; 0 for good once it is closed.
    var inFlight: Int { state.withLock { $0.waiting.count + $0.running } }

    /// Opens the lane again, or for the first time.
    func open(queueMax: Int) {
        state.withLock {
            $0.queueMax = queueMax
            $0.isClosed = false
        }
    }

    /// Takes nothing more, and drops what waits.
    func close() {
        let dropped = state.withLock { state in
            state.isClosed = true
            state.waitingBytes = 0
            let waiting = state.waiting
            state.waiting = CircularBuffer()
            return waiting
        }
        for job in dropped { job.mirror.meter.count(.dropped) }
    }

    /// Never waits and never computes: at most a few steps under a lock that only copies take.
    func offer(_ job: ShadowJob) {
        enum Decision { case drop, wait, run }
        let decision: Decision = state.withLock { state in
            guard !state.isClosed else { return .drop }
            if state.running < callsMax, state.waiting.isEmpty {
                state.running += 1
                return .run
            }
            guard state.waiting.count < state.queueMax,
                state.waitingBytes + job.bytes <= GatewayLimits.shadowWaitingBytesMax
            else { return .drop }
            state.waiting.append(job)
            state.waitingBytes += job.bytes
            return .wait
        }
        switch decision {
        case .drop: job.mirror.meter.count(.dropped)
        case .wait: break
        case .run: run(job)
        }
    }

    private func run(_ job: ShadowJob) {
        switch (job.payload, backend) {
        case (.tensors(var request), .embedded(let dataPlane)):
            request.version = key.version
            request.id = nil
            let copy = request
            ShadowWorker.submit {
                let started = NIODeadline.now()
                dataPlane.infer(copy) { self.finish(job, started, $0.map(\.outputs)) }
            }
        case (.body(let body, let jsonBytes, let loop), .upstream(let upstream)):
            // Behind whatever the loop is doing now: the answer's bytes first.
            loop.execute {
                let started = NIODeadline.now()
                let path = upstream.naming.path(model: self.key.model.text, version: self.key.version) + "/infer"
                let request = UpstreamRequest(path: path, body: body, jsonBytes: jsonBytes, isShadow: true)
                upstream.send(request, on: loop) { self.finish(job, started, RoutedCall.outputs(of: $0)) }
            }
        case (.tensors, .upstream), (.body, .embedded):
            preconditionFailure("a copy for another backend than the lane's")
        }
    }

    private func finish(_ job: ShadowJob, _ started: NIODeadline, _ result: Result<[Tensor], PlatformError>) {
        let nanoseconds = Int((NIODeadline.now() - started).nanoseconds)
        switch result {
        case .success(let outputs):
            job.mirror.meter.count(job.mirror.comparison.compare(job.answer, with: outputs), nanoseconds: nanoseconds)
        case .failure:
            job.mirror.meter.count(.error, nanoseconds: nanoseconds)
        }
        let next: ShadowJob? = state.withLock { state in
            guard let next = state.waiting.popFirst() else {
                state.running -= 1
                return nil
            }
            state.waitingBytes -= next.bytes
            return next
        }
        if let next { run(next) }
    }
}

/// One thread for the shadows of the whole process, with the lowest priority.
private enum ShadowWorker {
    private static let pool: NIOThreadPool = {
        let pool = NIOThreadPool(numberOfThreads: 1)
        pool.start()
        pool.submit { _ in
            #if canImport(Glibc)
            // On Linux this is the calling thread's own. Without the right to, it stays as it is.
            _ = setpriority(Int32(PRIO_PROCESS.rawValue), 0, 19)
            #endif
        }
        return pool
    }()

    static func submit(_ work: @escaping @Sendable () -> Void) {
        pool.submit { _ in work() }
    }
}
