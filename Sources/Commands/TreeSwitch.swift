import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayProcesses
import SlipwayStorage

/// Turns Optional on or off in a Git work tree: one file, one commit, checked before it is made.
struct TreeSwitch {
    let tree: GitOpsTree
    let environment: EnvironmentName

    /// - Returns: The commit; `nil` when it was so already.
    /// - Throws: `failed_precondition` for a tree with changes that are not committed, or when anything of
    ///   Core or Baseline would change; then nothing was changed.
    func set(_ isAttached: Bool) async throws -> String? {
        let path = OptionalSwitch.path(in: environment)
        guard try tree.catalogue().environments.contains(environment) else {
            throw PlatformError(.notFound, "'\(Catalogue.path)' names no environment '\(environment)'")
        }
        let dirty = try await tree.changes()
        guard dirty.isEmpty else {
            throw PlatformError(
                .failedPrecondition,
                "the tree has changes that are not committed, such as '\(dirty[0].prefix(120))'",
                remedy: "commit or stash them first: the switch is a commit of its own"
            )
        }
        guard let head = try await tree.commit() else {
            throw PlatformError(.failedPrecondition, "the tree has no commit yet", remedy: "commit it first")
        }
        let text = try tree.text(path)
        let edited = try OptionalSwitch.setting(isAttached, in: text, environment: environment)
        guard edited != text else { return nil }
        let before = try await untouched()
        let file = tree.folder.appending(path: path)
        try Data(edited.utf8).write(to: file, options: .atomic)
        do {
            try await check(before, isAttached)
            _ = try await git(["add", "--", path], doing: "stage '\(path)'")
            _ = try await git(
                identity(try await hasIdentity()) + ["commit", "--quiet", "--only", "--message", OptionalSwitch.message(isAttached, environment), "--", path],
                doing: "commit '\(path)'"
            )
        } catch {
            try await restore(text, file, path)
            throw error
        }
        let commit = try await tree.commit() ?? ""
        let changed = try await git(["diff", "--name-only", "-z", head, commit], doing: "read the commit back")
        if let foreign = OptionalSwitch.foreignPath(in: changed.split(separator: "\0").map(String.init), environment: environment) {
            throw PlatformError(.unexpected, "the commit \(commit.prefix(8)) also changes '\(foreign)'", remedy: "git revert \(commit.prefix(8)); a hook of this repository may have added it")
        }
        return commit
    }

    /// Everything of Core and Baseline that Argo CD would see, and what the rest is made of.
    private struct Untouched: Equatable {
        let applications: [Application]
        let inputs: [Digest]
        let projects: [ProjectFence]
    }

    private func untouched() async throws -> Untouched {
        let applications = try await tree.applications().tree
        let others = applications.applications.filter { $0.layer != "optional" }
        return Untouched(applications: others, inputs: try others.map { try tree.inputs(of: $0) }, projects: applications.projects)
    }

    private func check(_ before: Untouched, _ isAttached: Bool) async throws {
        let changed = try await tree.changes()
        if let foreign = OptionalSwitch.foreignPath(in: changed, environment: environment) {
            throw PlatformError(.failedPrecondition, "'\(foreign)' changed meanwhile", remedy: "try again when nobody else writes into the tree")
        }
        guard try await untouched() == before else {
            throw PlatformError(
                .failedPrecondition, "switching Optional would change an Application of Core or Baseline",
                remedy: "something outside of 'optional/' reads \(OptionalSwitch.path(in: environment)): slipway app list shows what"
            )
        }
        let own = try await tree.applications().tree.applications.filter {
            $0.role == .app && $0.layer == "optional" && $0.environment == environment.text
        }
        guard own.isEmpty != isAttached else {
            throw PlatformError(.failedPrecondition, "the Applications of Optional do not follow \(OptionalSwitch.path(in: environment))")
        }
    }

    private func restore(_ text: String?, _ file: URL, _ path: String) async throws {
        if let text { try Data(text.utf8).write(to: file, options: .atomic) } else { try FileManager.default.removeItem(at: file) }
        _ = try await git(["reset", "--quiet", "--", path], doing: "unstage '\(path)'")
    }

    private func hasIdentity() async throws -> Bool {
        try await tree.git(["config", "user.email"]).status == 0
    }

    private func identity(_ isKnown: Bool) -> [String] {
        isKnown ? [] : ["-c", "user.name=slipway", "-c", "user.email=slipway@localhost"]
    }

    private func git(_ arguments: [String], doing: String) async throws -> String {
        let answer = try await tree.git(arguments)
        guard answer.status == 0 else {
            throw PlatformError(.failedPrecondition, "git could not \(doing): \(answer.messages.trimmingCharacters(in: .whitespacesAndNewlines).prefix(400))")
        }
        return answer.text
    }
}
