import Foundation
import SlipwayCore
import Synchronization

/// A process of ours that leads a group of its own and ends with everything in it.
final class ChildProcess: Sendable {
    enum Ending: Sendable, Equatable {
        case exited(Int32)
        case signalled(Int32)

        var text: String {
            switch self {
            case .exited(let code): "it exited with code \(code)"
            case .signalled(let signal): "it was ended by signal \(signal)"
            }
        }
    }

    private struct State {
        var ending: Ending?
        var watchers: [@Sendable (Ending) -> Void] = []
    }

    let identifier: pid_t
    private let state = Mutex(State())

    /// Starts a program.
    ///
    /// - Parameters:
    ///   - input: What it gets as standard input, and `output` as standard output and error; both stay open here.
    /// - Throws: `failed_precondition` when it cannot be started.
    init(
        executable: String,
        arguments: [String],
        environment: [String: String],
        input: Int32,
        output: Int32
    ) throws(PlatformError) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input, 0)
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What the server ignores or blocks, the child must not.
        var none = sigset_t()
        sigemptyset(&none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

        var argv: [UnsafeMutablePointer<CChar>?] = ([executable] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argv + envp { free(text) } }
        var identifier: pid_t = 0
        let code = posix_spawn(&identifier, executable, &actions, &attributes, &argv, &envp)
        guard code == 0 else {
            throw PlatformError(
                .failedPrecondition,
                "'\(executable)' could not be started: \(String(cString: strerror(code)))",
                remedy: "check that the file exists and may be executed"
            )
        }
        self.identifier = identifier
        Thread.detachNewThread { [self] in watch() }
    }

    /// Waits for the end, takes the group along, and tells the watchers.
    ///
    /// The number is the child's until it is reaped: whoever is told to be killed before that is it, or its group.
    private func watch() {
        var info = siginfo_t()
        while waitid(P_PID, id_t(identifier), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        let watchers = state.withLock { state in
            _ = Foundation.kill(-identifier, SIGKILL)
            var status: Int32 = 0
            while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
            let signal = status & 0x7F
            let ending = signal == 0 ? Ending.exited((status >> 8) & 0xFF) : .signalled(signal)
            state.ending = ending
            defer { state.watchers = [] }
            return state.watchers.map { watcher in { watcher(ending) } }
        }
        for watcher in watchers { watcher() }
    }

    /// Calls `body` once when it has ended; at once when it has already.
    func whenEnded(_ body: @escaping @Sendable (Ending) -> Void) {
        let ending = state.withLock { state in
            if state.ending == nil { state.watchers.append(body) }
            return state.ending
        }
        if let ending { body(ending) }
    }

    /// How it ended; `nil` when it has not within that time.
    func ending(within seconds: Int) -> Ending? {
        let semaphore = DispatchSemaphore(value: 0)
        whenEnded { _ in semaphore.signal() }
        _ = semaphore.wait(timeout: .now() + .seconds(seconds))
        return state.withLock { $0.ending }
    }

    var hasEnded: Bool { state.withLock { $0.ending != nil } }

    func kill() {
        state.withLock { state in
            if state.ending == nil { _ = Foundation.kill(-identifier, SIGKILL) }
        }
    }
}
