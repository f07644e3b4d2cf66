import Hummingbird
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// Asks the ``AccessPolicy`` before the router answers, and lets the ledger know whose token it was.
struct AccessMiddleware: RouterMiddleware {
    let policy: AccessPolicy

    func handle(
        _ request: Request,
        context: PlatformRequestContext,
        next: @concurrent (Request, PlatformRequestContext) async throws -> Response
    ) async throws -> Response {
        switch policy.decision(on: request.head) {
        case .granted(caller: nil): return try await next(request, context)
        case .granted(caller: let name?):
            return try await ChangeOrigin.$current.withValue(ChangeOrigin(actor: .init(name: name, kind: .token))) {
                try await next(request, context)
            }
        case .refused(let error): return error.mlflowResponse
        }
    }
}
