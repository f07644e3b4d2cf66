import Foundation
import SlipwayCore
import SlipwayProof
import SlipwayTesting
import Testing

@testable import SlipwayStorage

@Suite("Environment home")
struct EnvironmentHomeTests {
    @Test("Its folders belong to their owner alone, also those that were open before; making them twice is fine")
    func folders() async throws {
        try await withHome { home in
            try FileManager.default.createDirectory(
                atPath: home.proofsFolder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755]
            )
            try home.create()
            try home.create()
            for path in [home.root, home.folder, home.trackingFolder, home.modelsFolder, home.runsFolder, home.proofsFolder, home.outboxFolder, home.keysFolder] {
                #expect(try mode(path) == 0o700, "\(path)")
            }
        }
    }

    @Test("Paths are absolute and where design.md says")
    func paths() throws {
        let home = EnvironmentHome(root: ".slipway/", environment: try EnvironmentName("dev"))
        #expect(home.root.hasPrefix("/") && home.root.hasSuffix("/.slipway"))
        #expect(home.folder == "\(home.root)/dev")
        #expect(home.releaseRepository == "\(home.root)/release.git")
        #expect(home.runFolder(try RunID("r-1")) == "\(home.root)/dev/runs/r-1")
        #expect(EnvironmentHome(root: "/tmp/a b", environment: try EnvironmentName("dev")).folder == "/tmp/a b/dev")
    }

    @Test("A home that cannot be made is a clear error")
    func cannotMake() async throws {
        try await withScratchFolder { folder in
            let file = folder.appending(path: "file").path
            try Data().write(to: URL(filePath: file))
            let home = EnvironmentHome(root: file, environment: try EnvironmentName("dev"))
            let error = #expect(throws: PlatformError.self) { try home.create() }
            #expect(error?.code == .unavailable)
            #expect(error?.remedy != nil)
        }
    }

    @Test("The token is made once, is a secret of 32 random bytes, and is kept for its owner alone")
    func token() async throws {
        try await withHome { home in
            try home.create()
            #expect(try home.existingToken() == nil)
            let token = try home.token()
            #expect(token.utf8.count == 64)
            #expect(try home.token() == token)
            #expect(try home.existingToken() == token)
            #expect(try mode(home.tokenFile) == 0o600)
            let other = EnvironmentHome(root: home.root, environment: try EnvironmentName("prod"))
            try other.create()
            #expect(try other.token() != token)
        }
    }

    @Test("The reconciler's secret is another one, made once and kept for its owner alone; one that others can read is refused")
    func reconcilerSecret() async throws {
        try await withHome { home in
            try home.create()
            let secret = try home.reconcilerSecret()
            #expect(secret.utf8.count == 64)
            #expect(try home.reconcilerSecret() == secret)
            #expect(try home.token() != secret)
            #expect(try mode(home.reconcilerSecretFile) == 0o600)
            #expect(chmod(home.reconcilerSecretFile, 0o644) == 0)
            let open = #expect(throws: PlatformError.self) { try home.reconcilerSecret() }
            #expect(open?.code == .failedPrecondition)
            try AtomicFile(home.reconcilerSecretFile, isPrivate: true).write("")
            let empty = #expect(throws: PlatformError.self) { try home.reconcilerSecret() }
            #expect(empty?.code == .corrupt)
        }
    }

    @Test("A token that others can read, or that is too short to be one, is refused and not replaced")
    func badToken() async throws {
        try await withHome { home in
            try home.create()
            _ = try home.token()
            #expect(chmod(home.tokenFile, 0o640) == 0)
            let open = #expect(throws: PlatformError.self) { try home.token() }
            #expect(open?.code == .failedPrecondition)
            try AtomicFile(home.tokenFile, isPrivate: true).write("short\n")
            let short = #expect(throws: PlatformError.self) { try home.token() }
            #expect(short?.code == .corrupt)
        }
    }

    @Test("The signing key is made once, 0600, with its public half beside it")
    func signingKey() async throws {
        try await withHome { home in
            try home.create()
            let none = #expect(throws: PlatformError.self) { try home.verifyingKey() }
            #expect(none?.code == .notFound)
            let key = try home.signingKey()
            #expect(try home.signingKey().pem == key.pem)
            #expect(try home.verifyingKey() == key.verifyingKey)
            #expect(try mode(home.signingKeyFile) == 0o600)
        }
    }

    @Test("A signing key that others can read is refused", arguments: [0o640, 0o604, 0o660, 0o777])
    func openKey(permissions: Int) async throws {
        try await withHome { home in
            try home.create()
            _ = try home.signingKey()
            #expect(chmod(home.signingKeyFile, mode_t(permissions)) == 0)
            let error = #expect(throws: PlatformError.self) { try home.signingKey() }
            #expect(error?.code == .failedPrecondition)
            #expect(error?.message.contains("can be read by others") == true)
        }
    }

    @Test("A lost private key is not replaced in silence; a lost public half is written again; a wrong one is corrupt")
    func lostKeys() async throws {
        try await withHome { home in
            try home.create()
            let key = try home.signingKey()
            try FileManager.default.removeItem(atPath: home.publicKeyFile)
            #expect(try home.signingKey().pem == key.pem)
            #expect(try home.verifyingKey() == key.verifyingKey)

            try AtomicFile(home.publicKeyFile).write(SigningKey().verifyingKey.pem)
            let wrong = #expect(throws: PlatformError.self) { try home.signingKey() }
            #expect(wrong?.code == .corrupt)

            try FileManager.default.removeItem(atPath: home.signingKeyFile)
            let lost = #expect(throws: PlatformError.self) { try home.signingKey() }
            #expect(lost?.code == .failedPrecondition)
            #expect(!FileManager.default.fileExists(atPath: home.signingKeyFile))
        }
    }

    @Test("A key file that is no key is corrupt, and its content is in no message")
    func notAKey() async throws {
        try await withHome { home in
            try home.create()
            try AtomicFile(home.signingKeyFile, isPrivate: true).write("hunter2-secret")
            let error = #expect(throws: PlatformError.self) { try home.signingKey() }
            #expect(error?.code == .corrupt)
            #expect("\(String(describing: error))".contains("hunter2") == false)
        }
    }

    @Test("A link in the place of a secret is refused")
    func link() async throws {
        try await withHome { home in
            try home.create()
            let other = "\(home.folder)/other"
            try AtomicFile(other, isPrivate: true).write(String(repeating: "x", count: 64))
            try FileManager.default.createSymbolicLink(atPath: home.tokenFile, withDestinationPath: other)
            let error = #expect(throws: PlatformError.self) { try home.token() }
            #expect(error?.code == .failedPrecondition)
        }
    }
}

func withHome(_ body: (EnvironmentHome) async throws -> Void) async throws {
    try await withScratchFolder { folder in
        try await body(EnvironmentHome(root: folder.appending(path: "home").path, environment: try EnvironmentName("dev")))
    }
}
