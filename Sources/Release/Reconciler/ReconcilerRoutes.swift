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
        router.get("metrics") { _, _ in await metrics().response }
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

    private func metrics() async -> MetricsPage {
        let (passes, failed) = (await reconciler.passes, await reconciler.failedPasses)
        let agrees = await reconciler.currentProblem.isEmpty
        var page = MetricsPage()
        page.family("slipway_reconciler_passes_total", .counter, help: "Passes that have ended")
        page.sample("slipway_reconciler_passes_total", [:], passes)
        page.family("slipway_reconciler_failed_passes_total", .counter, help: "Passes that did not end in agreement with Git")
        page.sample("slipway_reconciler_failed_passes_total", [:], failed)
        page.family("slipway_reconciler_in_agreement", .gauge, help: "1 when the last pass ended in agreement with Git")
        page.sample("slipway_reconciler_in_agreement", [:], agrees ? 1 : 0)
        guard let models = try? await reconciler.status() else { return page }
        page.family("slipway_release_state", .gauge, help: "1 for the state in which a model's release is")
        for model in models {
            for state in SyncState.allCases {
                page.sample("slipway_release_state", ["model": model.model.text, "state": state.rawValue], model.sync == state ? 1 : 0)
            }
        }
        return page
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
