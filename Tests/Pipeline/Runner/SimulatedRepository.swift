import SlipwayCore
import SlipwayRelease
import Synchronization

/// A Git branch in memory.
final class SimulatedRepository: ReleaseRepository {
    struct State {
        var commits: [(id: CommitID, files: [String: String], message: String)]
        /// Called before each commit of the run, with how many there were: what somebody else commits then.
        var intrusion: (@Sendable (Int) -> [String: String?]?)?
        var attempts = 0
        var isUnreachable = false
    }

    let address = "simulated"
    let state: Mutex<State>

    init() throws {
        state = Mutex(State(commits: [(try Self.id(0), [:], "begin")]))
    }

    static func id(_ number: Int) throws -> CommitID {
        let hex = String(number, radix: 16)
        return try CommitID(String(repeating: "0", count: 40 - hex.count) + hex)
    }

    var messages: [String] { state.withLock { $0.commits.dropFirst().map(\.message) } }
    var files: [String: String] { state.withLock { $0.commits.last?.files ?? [:] } }

    /// Every text that a path has had, in order.
    func texts(of path: String) -> [String?] { state.withLock { $0.commits.map { $0.files[path] } } }

    func head() async throws -> CommitID {
        try state.withLock { state in
            if state.isUnreachable { throw PlatformError(.unavailable, "no repository") }
            return state.commits[state.commits.count - 1].id
        }
    }

    private func files(at commit: CommitID) throws -> [String: String] {
        try state.withLock { state in
            if state.isUnreachable { throw PlatformError(.unavailable, "no repository") }
            guard let found = state.commits.first(where: { $0.id == commit }) else {
                throw PlatformError(.notFound, "no commit")
            }
            return found.files
        }
    }

    func releaseFiles(of environment: EnvironmentName, at commit: CommitID) async throws -> [String: String] {
        try files(at: commit).filter { $0.key.hasPrefix("envs/\(environment)/models/") }
    }

    func file(_ path: String, at commit: CommitID) async throws -> String? { try files(at: commit)[path] }

    func commit(_ files: [String: String?], on parent: CommitID, message: String) async throws -> CommitID {
        try state.withLock { state in
            if state.isUnreachable { throw PlatformError(.unavailable, "no repository") }
            if let other = state.intrusion?(state.attempts) { try Self.add(other, "somebody else", &state) }
            state.attempts += 1
            guard state.commits[state.commits.count - 1].id == parent else {
                throw PlatformError(.failedPrecondition, "the branch has moved")
            }
            try Self.add(files, message, &state)
            return state.commits[state.commits.count - 1].id
        }
    }

    func add(_ files: [String: String?], message: String) throws {
        try state.withLock { try Self.add(files, message, &$0) }
    }

    private static func add(_ files: [String: String?], _ message: String, _ state: inout State) throws {
        var tree = state.commits.last?.files ?? [:]
        for (path, text) in files { tree[path] = text }
        state.commits.append((try id(state.commits.count), tree, message))
    }

    func history(of path: String, limit: Int) async throws -> [CommitRecord] {
        state.withLock { state in
            var records: [CommitRecord] = []
            for index in state.commits.indices.dropFirst().reversed()
            where state.commits[index].files[path] != state.commits[index - 1].files[path] {
                records.append(
                    CommitRecord(
                        id: state.commits[index].id,
                        time: Timestamp(milliseconds: 0),
                        author: "",
                        message: state.commits[index].message
                    )
                )
            }
            return Array(records.prefix(limit))
        }
    }
}
