public import SlipwayCore
public import SlipwayPipeline

/// What the console's routes ask of the platform. The composition root adapts the engine and the
/// reconciler to it; a test gives its own.
///
/// Every method throws ``PlatformError``.
public protocol ConsoleBackend: Sendable {
    /// Releases, what really serves, sync state, engines and their addresses.
    func status() async throws -> JSONValue
    /// Accepts a run of the training project in `project`, an absolute folder.
    func submit(project: String, parameters: [String: String]) async throws -> RunID
    /// Accepts the promotion of what serves `model` in another environment, whose home is `fromHome`.
    func promote(model: ModelName, from environment: EnvironmentName) async throws -> RunID
    /// Newest first.
    func runs(limit: Int) async throws -> [RunRecord]
    /// `not_found` when there is no such run.
    func run(_ id: RunID) async throws -> RunRecord
    /// The run as it stands, then everything that happens to it, until it has ended.
    func events(of id: RunID) async throws -> AsyncStream<RunEvent>
    func cancel(_ id: RunID) async throws
    /// Looks at Git now instead of at the next interval.
    func reconcile() async throws
}
