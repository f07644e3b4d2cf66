import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayStorage
import SlipwayTesting
import SlipwayTracking
import Testing

@testable import SlipwayCommands

@Suite("slipway tracking")
struct TrackingCommandTests {
    @Test("Without a subcommand it serves, with every option of serve")
    func serves() throws {
        for arguments in [["tracking", "--port", "0", "--home", "x"], ["tracking", "serve", "--port", "0", "--home", "x"]] {
            let command = try #require(try SlipwayCommand.parseAsRoot(arguments) as? TrackingServe)
            #expect(command.port == 0 && command.home.home == "x" && command.host == "127.0.0.1")
        }
        #expect(try SlipwayCommand.parseAsRoot(["tracking"]) is TrackingServe)
        #expect(try SlipwayCommand.parseAsRoot(["tracking", "token", "create", "ci", "--scope", "write", "--expires", "30d"]) is TrackingTokenCreate)
        #expect(try SlipwayCommand.parseAsRoot(["tracking", "backup", "b", "--copy"]) is TrackingBackupCommand)
        #expect(throws: (any Error).self) { try SlipwayCommand.parseAsRoot(["tracking", "token", "create", "ci", "--scope", "root"]) }
    }

    @Test("Another address than loopback is served only with tokens required, and only when there is one")
    func others() async throws {
        try await withScratchFolder { folder in
            func code(_ host: String, _ arguments: [String]) throws -> PlatformError? {
                let options = try TrackingAccessOptions.parse(arguments)
                do {
                    _ = try options.policy(host: host, home: folder)
                    return nil
                } catch {
                    return error
                }
            }
            #expect(try code("127.0.0.1", []) == nil)
            #expect(try code("::1", ["--allowed-hosts", "ml.example, *.svc.local"]) == nil)
            #expect(try code("127.0.0.1", ["--allowed-hosts", "http://x"])?.code == .invalidArgument)
            for host in ["0.0.0.0", "10.0.0.1", "::", "ml.example"] {
                let open = try code(host, ["--allowed-hosts", "*"])
                #expect(open?.code == .invalidArgument && open?.remedy?.contains("--require-token") == true)
                let empty = try code(host, ["--require-token"])
                #expect(empty?.code == .failedPrecondition && empty?.remedy?.contains("token create") == true)
            }
            #expect(try code("127.0.0.1", ["--require-token"])?.code == .failedPrecondition)
            _ = try AccessTokenFile(folder: folder.path).change { tokens throws(PlatformError) in
                var generator = SystemRandomNumberGenerator()
                return try tokens.issue(name: "ci", scope: .write, now: WallClock.system.now, using: &generator)
            }
            #expect(try code("0.0.0.0", ["--require-token"]) == nil)
            let half = try TrackingAccessOptions.parse(["--tls-key", "x"])
            #expect(throws: PlatformError.self) { try half.tls() }
        }
    }

    private static let lifetimes: [(text: String, seconds: Int64?)] = [
        ("45m", 2_700), ("12h", 43_200), ("30d", 2_592_000), ("8w", 4_838_400), ("3650d", 315_360_000),
        ("3651d", nil), ("0d", nil), ("-1d", nil), ("d", nil), ("", nil), ("30", nil), ("1.5d", nil), ("9223372036854775807w", nil), ("1y", nil),
    ]

    @Test("A lifetime is a number and a unit, up to ten years", arguments: lifetimes.indices)
    func lifetime(index: Int) {
        let (text, seconds) = Self.lifetimes[index]
        let duration = try? Lifetime(text).duration
        #expect(duration == seconds.map { .seconds($0) }, "\(text)")
    }
}
