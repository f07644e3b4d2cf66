import HTTPTypes
public import Hummingbird
public import Logging
public import SlipwayCore
public import SlipwayHTTP
import SlipwayRelease

/// What a reconciler that is a process of its own answers: `/health`, `/ready`, `/status`, `/metrics`.
///
/// Nothing here changes anything; what it says is what the last pass saw.
public struct ReconcilerRoutes: Sendable {
    private let reconciler: Reconciler

    public init(_ reconciler: Reconciler) {
        self.reconciler = reconciler
    }

    public func server(host: String, port: Int, logger: Logger) -> HTTPServer {
        let router = Router(context: PlatformRequestContext.self)
        add(to: router)
        return HTTPServer(name: "reconciler", host: host, port: port, router: router, logger: logger)
    }

    public func add(to router: Router<PlatformRequestContext>) {
        router.get("health") { _, _ in "OK" }
        router.get("ready") { _, _ in await ready() }
        router.get("status") { _, _ in Response(json: try await reconciler.statusJSON()) }
        router.get("metrics") { _, _ in await reconciler.metricsPage().response }
    }

    /// Ready: a pass has ended, and the last one ended in agreement with Git.
    private func ready() async -> Response {
        let (passes, problem) = (await reconciler.passes, await reconciler.currentProblem)
        guard passes > 0, problem.isEmpty else {
            let reason = passes == 0 ? "the first pass is under way" : problem
            return Response(json: ["ready": false, "reason": .string(reason)], status: .serviceUnavailable)
        }
        return Response(json: ["ready": true])
    }
}

extension Reconciler {
    /// How every release stands, for programs.
    public func statusJSON() async throws -> JSONValue {
        [
            "problem": .string(currentProblem), "passes": .int(Int64(passes)),
            "commit": head.map { .string($0.text) } ?? .null,
            "models": .array(try await status().map { try JSONValue(encoding: $0) }),
        ]
    }
}
