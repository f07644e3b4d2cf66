import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Testing

@testable import SlipwayCommands

@Suite("What people read of an alias's history")
struct AliasHistoryViewTests {
    private static let start: Int64 = 1_769_860_800_000

    private func moves() throws -> [AliasMove] {
        let commit = try CommitID(String(repeating: "3f0c", count: 10))
        func move(_ sequence: Int64, _ alias: String, _ from: Int64?, _ to: Int64?, _ origin: ChangeOrigin) -> AliasMove {
            AliasMove(
                sequence: sequence, model: "tumor", alias: alias, from: from, to: to,
                time: Timestamp(milliseconds: Self.start + sequence * 60_001), origin: origin
            )
        }
        return [
            move(5, "B", 4, nil, ChangeOrigin(actor: .init(name: "ci", kind: .token), reason: "version 4 deleted: leaked data")),
            move(4, "champion", 3, 4, ChangeOrigin(
                actor: .reconciler, reason: "follows envs/dev/models/tumor.yaml", commit: commit, proof: Digest(of: "p".utf8)
            )),
            move(3, "B", nil, 4, ChangeOrigin(actor: .init(name: "alice", kind: .claimed), reason: "to compare")),
            move(2, "mine", nil, 12, ChangeOrigin()),
            move(1, "champion", nil, 3, ChangeOrigin(actor: .server, reason: "found at upgrade")),
        ]
    }

    private func history(_ moves: [AliasMove], next: String? = nil) -> AliasHistory {
        AliasHistory(model: "tumor", recordedSince: Timestamp(milliseconds: Self.start), moves: moves, nextPageToken: next)
    }

    private func snapshot(_ moves: [AliasMove], at time: Int64, next: String? = nil) -> AliasSnapshot {
        AliasSnapshot(
            model: "tumor", asOf: Timestamp(milliseconds: time), recordedSince: Timestamp(milliseconds: Self.start), aliases: moves, nextPageToken: next
        )
    }

    @Test("A history is a line a move; who only says so has a question mark")
    func historyTable() throws {
        try expectSnapshot(AliasHistoryView().text(history(try moves())) + "\n", named: "alias-history.txt")
    }

    @Test("A moment is a line an alias, with since when and why")
    func snapshotTable() throws {
        let moves = try moves()
        try expectSnapshot(AliasHistoryView().text(snapshot([moves[2], moves[1], moves[3]], at: Self.start + 300_000)) + "\n", named: "alias-moment.txt")
    }

    @Test("What the table does not tell is said beside it: nothing there, more there, not written down")
    func notes() throws {
        let view = AliasHistoryView()
        let moves = try moves()
        #expect(view.note(history(moves), alias: nil) == nil)
        #expect(view.note(history(moves, next: "1"), alias: nil) == "there are more: --limit shows them")
        #expect(view.note(history([]), alias: "A") == "no alias 'A' of 'tumor' has moved since 2026-01-31T12:00:00.000Z")
        #expect(view.note(snapshot(moves, at: Self.start), alias: nil) == nil)
        #expect(view.note(snapshot([], at: Self.start - 1), alias: nil) == "what was before 2026-01-31T12:00:00.000Z was not written down")
        #expect(view.note(snapshot([], at: Self.start), alias: nil) == "no alias of 'tumor' pointed at a version then")
        #expect(view.note(snapshot(moves, at: Self.start, next: "B"), alias: nil) == "there are more: --limit shows them")
    }

    @Test("The help teaches by examples, and names the exit codes that matter")
    func help() {
        let text = SlipwayCommand.helpMessage(for: RegistryHistory.self, columns: 100)
        for example in ["slipway registry history tumor --alias champion", "--as-of 2026-01-31T12:00:00Z", "--tracking http://", "Exit code 3"] {
            #expect(text.contains(example), "\(example)")
        }
    }

    @Test("A time or a limit that cannot be meant is refused before anything is asked", arguments: [
        ["m", "--as-of", "yesterday"], ["m", "--limit", "0"], ["m", "--limit", "10001"],
    ])
    func refused(arguments: [String]) async throws {
        let command = try RegistryHistory.parse(arguments + ["--tracking", "http://127.0.0.1:1"])
        let error = await #expect(throws: PlatformError.self) { try await command.run() }
        #expect(error?.code == .invalidArgument)
    }

    @Test("An environment that is not up says how to start it; a server that does not answer is named")
    func unavailable() async throws {
        try await withScratchFolder { folder in
            let down = try RegistryHistory.parse(["m", "--home", folder.path])
            let notUp = await #expect(throws: PlatformError.self) { try await down.run() }
            #expect(notUp?.code == .unavailable && notUp?.remedy == "slipway up --env dev")
        }
        let command = try RegistryHistory.parse(["m", "--tracking", "http://127.0.0.1:1"])
        let silent = await #expect(throws: PlatformError.self) { try await command.run() }
        #expect(silent?.code == .unavailable && silent?.message.contains("the tracking server") == true)
    }
}
