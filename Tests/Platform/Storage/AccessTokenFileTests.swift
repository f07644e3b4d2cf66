import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Testing

@testable import SlipwayStorage

@Suite("Access token file")
struct AccessTokenFileTests {
    private let now = Timestamp(milliseconds: 1_700_000_000_000)

    @Test("Tokens are kept for their owner alone, without their texts, and are there for the next process")
    func kept() async throws {
        try await withScratchFolder { folder in
            let home = folder.appending(path: "home").path
            let text = try issue("ci", .write, AccessTokenFile(folder: home))
            let path = "\(home)/tokens.json"
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let bytes = try String(contentsOfFile: path, encoding: .utf8)
            #expect(!bytes.contains(text) && !bytes.contains(text.dropFirst(AccessTokens.prefix.count)))
            let token = try AccessTokenFile(folder: home).current().token(of: text)
            #expect(token?.name == "ci" && token?.scope == .write && token?.created == now)
        }
    }

    @Test("A running server sees a new token, and a revoked one, at its next look")
    func live() async throws {
        try await withScratchFolder { folder in
            let server = AccessTokenFile(folder: folder.path)
            let command = AccessTokenFile(folder: folder.path)
            #expect(try server.current().tokens.isEmpty)
            let text = try issue("ci", .read, command)
            #expect(try server.current().token(of: text)?.name == "ci")
            try command.change { tokens throws(PlatformError) in try tokens.revoke("ci") }
            #expect(try server.current().token(of: text) == nil)
        }
    }

    @Test("A refused change changes nothing; changes of several processes at once are all kept")
    func changes() async throws {
        try await withScratchFolder { folder in
            let file = AccessTokenFile(folder: folder.path)
            let error = #expect(throws: PlatformError.self) {
                try file.change { tokens throws(PlatformError) in try tokens.revoke("nobody") }
            }
            #expect(error?.code == .notFound)
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "tokens.json").path))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<8 {
                    group.addTask { _ = try await onThread { try issue("t\(index)", .read, AccessTokenFile(folder: folder.path)) } }
                }
                try await group.waitForAll()
            }
            #expect(try Set(file.current().tokens.map(\.name)) == Set((0..<8).map { "t\($0)" }))
        }
    }

    @Test("A file that others can read, or that is broken, lets nobody in")
    func broken() async throws {
        try await withScratchFolder { folder in
            let file = AccessTokenFile(folder: folder.path)
            let path = folder.appending(path: "tokens.json").path
            _ = try issue("ci", .admin, file)
            #expect(try file.current().tokens.count == 1)
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            let open = #expect(throws: PlatformError.self) { try file.current() }
            #expect(open?.code == .failedPrecondition)
            for (text, code) in [("{", PlatformError.Code.corrupt), ("{\"format\":1}", .corrupt), ("{\"format\":2,\"tokens\":[]}", .failedPrecondition)] {
                try FileManager.default.removeItem(atPath: path)
                try AtomicFile(path, isPrivate: true).write(text)
                let error = #expect(throws: PlatformError.self) { try file.current() }
                #expect(error?.code == code, "\(text)")
            }
        }
    }

    private func issue(_ name: String, _ scope: AccessScope, _ file: AccessTokenFile) throws -> String {
        try file.change { tokens throws(PlatformError) in
            var generator = SystemRandomNumberGenerator()
            return try tokens.issue(name: name, scope: scope, now: now, using: &generator)
        }
    }
}
