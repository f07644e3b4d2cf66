import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayFeatures
import SlipwayHTTP
import SlipwayRelease
import Synchronization

/// Joins features in front of the routes, for models whose release asks for it.
///
/// A request names its entities; the features come in one round trip with a deadline, and the joined request
/// goes the way of any other. While no release has features, a request pays for one read of a flag.
final class GatewayFeatures: Sendable {
    /// Entities of one request.
    static let entitiesMax = 10_000
    /// Entities whose last values are kept.
    static let knownEntitiesMax = 100_000

    private struct State {
        var settings: [String: FeatureSettings] = [:]
        var timeouts: [String: Duration] = [:]
        var known = LastKnownFeatures(entitiesMax: knownEntitiesMax)
        var joins: [String: [FeatureOutcome: Int]] = [:]
    }

    private let source: (any FeatureSource)?
    private let clock: WallClock
    private let isNeeded = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// - Parameter source: `nil`: none is configured, and requests for such models are refused.
    init(source: (any FeatureSource)?, clock: WallClock = .system) {
        self.source = source
        self.clock = clock
    }

    @inline(__always)
    var isActive: Bool { isNeeded.load(ordering: .relaxed) }

    /// Takes up what the releases that serve now say.
    func follow(_ releases: some Sequence<Release>) {
        var settings: [String: FeatureSettings] = [:]
        var timeouts: [String: Duration] = [:]
        for release in releases {
            guard let features = release.features else { continue }
            settings[release.model.text] = FeatureSettings(features)
            timeouts[release.model.text] = .milliseconds(features.timeoutMilliseconds)
        }
        let (next, limits) = (settings, timeouts)
        state.withLock {
            $0.settings = next
            $0.timeouts = limits
        }
        isNeeded.store(!next.isEmpty, ordering: .relaxed)
    }

    /// The answer to a request whose model takes features; `nil` when it takes none, or when the request
    /// brings whole tensors.
    ///
    /// - Parameters:
    ///   - only: The one model that has routes, if there is one.
    ///   - forward: Answers the joined request.
    func intercept(
        _ request: FastRequest,
        only: String?,
        on loop: any EventLoop,
        forward: @escaping @Sendable (FastRequest) -> FastAnswer
    ) -> FastAnswer? {
        let headers = RequestHeaders(request.head.headerFields)
        var named = headers.model
        switch GatewayPath(request.path) {
        case .predictModel(let model): named = String(model)
        case .predict, .predictVariant: break
        case .infer, nil: return nil
        }
        let name = named ?? only
        if let name, settings(of: name) == nil { return nil }
        guard headers.jsonLength == nil, let body = try? JSONValue(parsing: Array(request.body.readableBytesView)), body["inputs"] == nil,
            let model = body["model"]?.stringValue ?? name, let settings = settings(of: model)
        else { return nil }
        do throws(PlatformError) {
            let joining = try JoiningRequest(body, model: model, settings: settings)
            return .later(loop.makeFutureWithTask { await self.join(joining, request, forward, on: loop) }.flatMap { $0 })
        } catch {
            return .now(error.response(.predict))
        }
    }

    /// Inside the lock: a copy of the known values outside of it would make the next change copy all of them.
    private func join(_ joining: JoiningRequest, _ answer: FeatureAnswer?, at now: Timestamp) -> Result<FeatureJoin, PlatformError> {
        state.withLock { state in
            do throws(PlatformError) {
                return .success(
                    try FeatureJoin(
                        joining.settings, entities: joining.entities, answer: answer,
                        known: { state.known.value(of: $1, for: $0, in: joining.settings.service) }, now: now
                    )
                )
            } catch {
                return .failure(error)
            }
        }
    }

    private func settings(of model: String) -> FeatureSettings? { state.withLock { $0.settings[model] } }

    private func join(
        _ joining: JoiningRequest,
        _ request: FastRequest,
        _ forward: @escaping @Sendable (FastRequest) -> FastAnswer,
        on loop: any EventLoop
    ) async -> EventLoopFuture<FastResponse> {
        let joined: FeatureJoin
        do {
            joined = try await features(of: joining)
            count(FeatureOutcome(joined), of: joining.model)
        } catch {
            count(FeatureOutcome(error), of: joining.model)
            let known = PlatformError.wrapping(error, doing: "join features", code: .unavailable)
            return loop.makeSucceededFuture(known.response(.predict))
        }
        let body = ByteBuffer(bytes: joining.body(with: joined))
        var head = request.head
        // What goes on was written here, and is not compressed.
        head.headerFields[.contentEncoding] = nil
        let next = FastRequest(head: head, path: request.path, body: body)
        let headers = FeatureHeaders(joined, policy: joining.settings.policy)
        return loop.flatSubmit {
            let future: EventLoopFuture<FastResponse>
            switch forward(next) {
            case .now(let response): future = loop.makeSucceededFuture(response)
            case .later(let later): future = later.hop(to: loop)
            }
            return future.map { headers.added(to: $0) }
        }
    }

    private func count(_ outcome: FeatureOutcome, of model: String) {
        state.withLock { $0.joins[model, default: [:]][outcome, default: 0] += 1 }
    }

    /// Joins so far by model and what came of them; models are those that Git names.
    var joins: [(model: String, counts: [FeatureOutcome: Int])] {
        state.withLock { $0.joins }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private func features(of joining: JoiningRequest) async throws -> FeatureJoin {
        let settings = joining.settings
        guard let source else {
            throw PlatformError(
                .unavailable,
                "model '\(joining.model)' takes features of service '\(settings.service)', and no feature store is connected",
                remedy: "slipway optional on"
            )
        }
        let timeout = state.withLock { $0.timeouts[joining.model] } ?? .milliseconds(Release.Features.timeoutMillisecondsDefault)
        var answer: FeatureAnswer?
        var failure: PlatformError?
        do {
            let fresh = try await source.answer(settings, for: joining.entities, timeout: timeout)
            state.withLock { $0.known.remember(fresh, of: joining.entities, in: settings.service) }
            answer = fresh
        } catch {
            let known = PlatformError.wrapping(error, doing: "ask the feature store", code: .unavailable)
            // Detached, or without such a service: values from earlier would hide what people have decided.
            guard known.code != .failedPrecondition else {
                throw PlatformError(
                    .unavailable, "model '\(joining.model)' takes features of service '\(settings.service)': \(known.message)",
                    remedy: known.remedy, cause: known
                )
            }
            failure = known
        }
        do throws(PlatformError) {
            return try join(joining, answer, at: clock.now).get()
        } catch {
            guard let failure else { throw error }
            throw PlatformError(.unavailable, "\(error.message), as \(failure.message)", remedy: error.remedy, cause: failure)
        }
    }
}

extension FeatureSettings {
    fileprivate init(_ features: Release.Features) {
        let policy: Policy =
            switch features.policy {
            case .default: .default
            case .reject: .reject
            case .warn: .warn
            }
        self.init(
            service: features.service, entities: features.entities, columns: features.columns, policy: policy,
            defaults: features.defaults, ageSecondsMax: features.ageSecondsMax
        )
    }
}
