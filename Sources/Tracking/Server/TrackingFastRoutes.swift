import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// The calls that training loops and gates make all day, answered on the event loop: one key looked up, or
/// one write handed to the writer.
///
/// What may take longer (searches, histories, files) goes to the router, and from there to other threads.
struct TrackingFastRoutes: FastRoutes {
    /// `GET /api/2.0/mlflow/runs/get` → the call.
    private let calls: [String: TrackingCall]
    private let access: AccessPolicy

    private static let quick: Set<String> = [
        "POST runs/create", "GET runs/get", "POST runs/update", "POST runs/log-metric", "POST runs/log-parameter", "POST runs/log-batch",
        "POST runs/set-tag", "GET experiments/get", "GET experiments/get-by-name", "GET registered-models/get",
        "GET registered-models/alias", "GET model-versions/get", "GET model-versions/get-download-uri", "POST model-versions/create",
    ]

    init(_ calls: [TrackingCall], prefixes: [String], access: AccessPolicy) {
        var known: [String: TrackingCall] = [:]
        for call in calls where Self.quick.contains("\(call.method.rawValue) \(call.path)") {
            for prefix in prefixes { known["\(call.method.rawValue) /\(prefix)/\(call.path)"] = call }
        }
        self.calls = known
        self.access = access
    }

    var bodyBytesMax: Int { Limits.jsonBytesMax }

    var tooLarge: FastResponse {
        FastResponse(PlatformError(.invalidArgument, "the request body is larger than \(bodyBytesMax) bytes"))
    }

    func accepts(method: HTTPRequest.Method, path: String) -> Bool {
        calls["\(method.rawValue) \(path)"] != nil
    }

    func refusal(of head: HTTPRequest) -> FastResponse? {
        guard case .refused(let error) = access.decision(on: head) else { return nil }
        return FastResponse(error)
    }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        let caller: String?
        switch access.decision(on: request.head) {
        case .granted(let name): caller = name
        case .refused(let error): return .now(FastResponse(error))
        }
        let promise = eventLoop.makePromise(of: FastResponse.self)
        let call = calls["\(request.head.method.rawValue) \(request.path)"]
        Task(executorPreference: EventLoopTaskExecutor(eventLoop)) {
            guard let caller else {
                promise.succeed(await Self.answer(request, call))
                return
            }
            let origin = ChangeOrigin(actor: .init(name: caller, kind: .token))
            promise.succeed(await ChangeOrigin.$current.withValue(origin) { await Self.answer(request, call) })
        }
        return .later(promise.futureResult)
    }

    private static func answer(_ request: FastRequest, _ call: TrackingCall?) async -> FastResponse {
        do {
            guard let call else { throw PlatformError(.notFound, "there is nothing at this path") }
            let parameters = request.head.method == .get ? Parameters(target: request.head.path) : try Parameters(body: request.body)
            let json = try await call.handle(parameters)
            return FastResponse(status: .ok, headers: jsonHeaders, body: ByteBuffer(bytes: json.canonicalBytes))
        } catch {
            return FastResponse(PlatformError.wrapping(error, doing: "answer"))
        }
    }

    fileprivate static let jsonHeaders: HTTPFields = [.contentType: "application/json"]
}

extension FastResponse {
    fileprivate init(_ error: PlatformError) {
        let (status, body) = error.mlflowAnswer
        var headers = TrackingFastRoutes.jsonHeaders
        if error.code == .unauthenticated { headers[.wwwAuthenticate] = AccessPolicy.challenge }
        self.init(status: status, headers: headers, body: ByteBuffer(bytes: body.canonicalBytes))
    }
}
