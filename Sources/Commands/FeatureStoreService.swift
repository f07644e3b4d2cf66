import Foundation
import Logging
import ServiceLifecycle
import SlipwayApps
import SlipwayClients
import SlipwayCore
import SlipwayPipeline
import SlipwayProcesses
import SlipwayRelease
import SlipwayStorage

/// Feast and Redis as child processes, while Git says that Optional is attached.
///
/// Follows `envs/<env>/optional.yaml` of the release repository. Detaching ends both processes and touches
/// no file: Redis' data stays in `<home>/<env>/optional/redis`, Feast's registry beside it, and attaching
/// again finds both. A process that ends by itself is started again, with growing pauses. Nothing else of
/// the platform waits for this, or fails with it.
struct FeatureStoreService: Service {
    enum Bound {
        static let poll: Duration = .seconds(2)
        static let backoffFirst: Duration = .seconds(1)
        static let backoffMax: Duration = .seconds(30)
        /// Feast imports for a while before it listens.
        static let readySeconds = 120
        static let grace: Duration = .seconds(10)
        /// A child runs until it is told to end; this is only a bound.
        static let lifetime: Duration = .seconds(10 * 365 * 86_400)
    }

    static let environmentKey = "SLIPWAY_OPTIONAL_HOME"

    let home: EnvironmentHome
    let repository: any ReleaseRepository
    let connections: HTTPConnections
    /// Where the gateway asks for features; `nil` while they are off.
    let address: Locked<FeatureAddress>
    let logger: Logger

    func run() async throws {
        await cancelWhenGracefulShutdown {
            await self.follow()
        }
        address.with { $0 = .detached }
        note(FeatureStoreState(phase: .detached))
    }

    private func follow() async {
        var running: Task<Void, Never>?
        let files = FeatureStoreFiles(home: home)
        var seen: (head: CommitID, isAttached: Bool)?
        while !Task.isCancelled {
            seen = await look(seen)
            if let isAttached = seen?.isAttached {
                if isAttached, running == nil {
                    logger.notice("Optional is attached: Redis and Feast start")
                    running = Task { await self.supervise(files) }
                } else if !isAttached {
                    if let task = running {
                        logger.notice("Optional is detached: Feast and Redis stop; their data stays")
                        task.cancel()
                        await task.value
                        running = nil
                    }
                    address.with { $0 = .detached }
                    note(FeatureStoreState(phase: .detached))
                }
            }
            try? await Task.sleep(for: Bound.poll)
        }
        running?.cancel()
        await running?.value
    }

    /// What Git says now, read once a commit; when it cannot be read, what it said before.
    private func look(_ seen: (head: CommitID, isAttached: Bool)?) async -> (head: CommitID, isAttached: Bool)? {
        do {
            let head = try await repository.head()
            if let seen, seen.head == head { return seen }
            let text = try await repository.file(OptionalSwitch.path(in: home.environment), at: head)
            return (head, try text.map { try OptionalSwitch.isAttached($0, in: home.environment) } ?? false)
        } catch {
            logger.warning("whether Optional is attached is not known; it stays as it is", metadata: ["error": "\(error)"])
            return seen
        }
    }

    private func note(_ state: FeatureStoreState) {
        let known = FeatureStoreState.load(home)
        // Where it was never attached, nothing is written either.
        guard known != state, known != nil || state.phase != .detached else { return }
        do {
            try PrivateFolder.make(FeatureStoreState.folder(home))
            try state.save(home)
        } catch {
            logger.warning("the state of the feature store could not be written", metadata: ["error": "\(error)"])
        }
    }

    /// Starts both, again and again, until the task is cancelled.
    private func supervise(_ files: FeatureStoreFiles) async {
        var pause = Bound.backoffFirst
        while !Task.isCancelled {
            address.with { $0 = .starting }
            note(FeatureStoreState(phase: .starting))
            do {
                let began = ContinuousClock.now
                try await runBoth(files)
                if ContinuousClock.now - began > Bound.backoffMax { pause = Bound.backoffFirst }
            } catch is CancellationError {
                break
            } catch {
                let known = PlatformError.wrapping(error, doing: "run the feature store")
                guard !Task.isCancelled else { break }
                logger.warning("the feature store does not run", metadata: ["error": "\(known)"])
                address.with { $0 = .failing(known.message) }
                note(FeatureStoreState(phase: .failing, problem: [known.message, known.remedy].compactMap { $0 }.joined(separator: "; try: ")))
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, Bound.backoffMax)
        }
    }

    /// Until one of the two ends, which ends the other.
    private func runBoth(_ files: FeatureStoreFiles) async throws {
        let programs = try files.programs()
        let commands = ProcessGroupRunner(grace: Bound.grace)
        let left = await commands.endLeftovers(key: Self.environmentKey, value: files.folder)
        if left > 0 { logger.notice("processes of a platform that was killed were ended", metadata: ["count": "\(left)"]) }
        let ports = try files.prepare(feastPort: FreePort.preferring(home.environment.text == "prod" ? 16566 : 6566))
        let url = "http://127.0.0.1:\(ports.feast)"
        try await withThrowingTaskGroup(of: Void.self) { group in
            defer { group.cancelAll() }
            let ready = Ready()
            group.addTask {
                try await self.child("redis", files.redisCommand(programs.redis), commands) { line in
                    if line.contains("Ready to accept connections") { ready.set() }
                }
            }
            group.addTask {
                try await ready.wait(seconds: Bound.readySeconds)
                try await self.child("feast", files.feastCommand(programs.feast, port: ports.feast), commands) { _ in }
            }
            group.addTask {
                try await self.untilHealthy(url)
                self.address.with { $0 = .serving(url) }
                self.note(FeatureStoreState(phase: .serving, url: url, redisPort: ports.redis))
                self.logger.notice("the feature store serves", metadata: ["url": "\(url)"])
                // It has nothing more to say; the children decide when this ends.
                try await Task.sleep(for: Bound.lifetime)
            }
            _ = try await group.next()
        }
    }

    private func child(
        _ name: String,
        _ command: Command,
        _ commands: ProcessGroupRunner,
        onLine: @escaping @Sendable (String) -> Void
    ) async throws {
        let logger = logger
        let last = Locked<String>("")
        let result = try await commands.run(command) { line in
            onLine(line)
            last.with { $0 = line }
            logger.debug("\(line)", metadata: ["process": .string(name)])
        }
        try Task.checkCancellation()
        throw PlatformError(.unavailable, "'\(name)' ended by itself (\(result)): \(last.with { $0 }.prefix(300))")
    }

    private func untilHealthy(_ url: String) async throws {
        let probe = EngineProbe(connections: connections)
        let deadline = ContinuousClock.now + .seconds(Bound.readySeconds)
        while ContinuousClock.now < deadline {
            if await probe.status(of: "\(url)/health") == 200 { return }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw PlatformError(.unavailable, "Feast was not ready within \(Bound.readySeconds) s")
    }
}

/// Where the gateway asks for features, or why it cannot.
enum FeatureAddress: Sendable, Equatable {
    case detached
    case starting
    case failing(String)
    case serving(String)
}

/// A signal that is given once.
private final class Ready: Sendable {
    private let isSet = Locked(false)

    func set() { isSet.with { $0 = true } }

    func wait(seconds: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while !isSet.with({ $0 }) {
            guard ContinuousClock.now < deadline else { throw PlatformError(.unavailable, "Redis was not ready within \(seconds) s") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
