import Foundation
public import SlipwayCore
public import SlipwayProof

/// The folder that holds everything local of one environment, `<root>/<environment>/`.
///
/// Only its owner can enter it. All paths are absolute.
public struct EnvironmentHome: Sendable {
    public let environment: EnvironmentName
    /// What `--home` says: the folder of all environments.
    public let root: String

    /// Touches nothing.
    ///
    /// - Parameter root: Relative to the working folder, or absolute.
    public init(root: String, environment: EnvironmentName) {
        self.environment = environment
        self.root = URL(filePath: root, directoryHint: .isDirectory).standardizedFileURL.path(percentEncoded: false)
            .trimmedSlashes
    }

    public var folder: String { "\(root)/\(environment)" }
    /// The SQLite file and the artifacts of the embedded tracking server.
    public var trackingFolder: String { "\(folder)/tracking" }
    /// The model repository: `<model>/<version>/model.onnx`.
    public var modelsFolder: String { "\(folder)/models" }
    public var runsFolder: String { "\(folder)/runs" }
    public var runsDatabase: String { "\(runsFolder)/runs.db" }
    public var proofsFolder: String { "\(folder)/proofs" }
    public var outboxFolder: String { "\(folder)/outbox" }
    public var keysFolder: String { "\(folder)/keys" }
    /// The bare Git repository that all environments of a root share, where none is configured.
    public var releaseRepository: String { "\(root)/release.git" }
    public var publicKeyFile: String { "\(keysFolder)/proof.pub" }

    var lockFile: String { "\(folder)/platform.lock" }
    var endpointsFile: String { "\(folder)/endpoints.json" }
    var tokenFile: String { "\(folder)/token" }
    var reconcilerSecretFile: String { "\(keysFolder)/reconciler.secret" }
    var signingKeyFile: String { "\(keysFolder)/proof.key" }

    public func runFolder(_ run: RunID) -> String { "\(runsFolder)/\(run)" }

    /// Makes the folders that are missing, each for its owner only. May be repeated.
    ///
    /// - Throws: `unavailable` when one cannot be made.
    public func create() throws(PlatformError) {
        for path in [root, folder, trackingFolder, modelsFolder, runsFolder, proofsFolder, outboxFolder, keysFolder] {
            try PrivateFolder.make(path)
        }
        do {
            for path in [folder, keysFolder] { try AtomicFile.clearTemporaries(in: path, disk: POSIXDisk()) }
        } catch {
            throw PlatformError(.unavailable, "could not clear up the home of '\(environment)'", cause: error)
        }
    }

    /// Becomes the one platform of this home, for as long as the lock is kept.
    ///
    /// - Throws: `failed_precondition` naming the process that is it already.
    public func lock() throws(PlatformError) -> HomeLock {
        try HomeLock(path: lockFile, environment: environment)
    }

    /// The secret that changes to this environment need; made at the first call.
    ///
    /// - Throws: `failed_precondition` when others can read the file.
    public func token() throws(PlatformError) -> String {
        try secret(in: tokenFile)
    }

    /// The secret, if there is one: what the command line reads.
    public func existingToken() throws(PlatformError) -> String? {
        try existingSecret(in: tokenFile)
    }

    /// The secret by which the tracking server knows this environment's reconciler; made at the first call.
    ///
    /// - Throws: `failed_precondition` when others can read the file.
    public func reconcilerSecret() throws(PlatformError) -> String {
        try secret(in: reconcilerSecretFile)
    }

    private func secret(in file: String) throws(PlatformError) -> String {
        if let known = try existingSecret(in: file) { return known }
        var generator = SystemRandomNumberGenerator()
        let secret = (0..<Self.tokenBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }.hexText
        do {
            try AtomicFile(file, isPrivate: true).create(Array(secret.utf8))
        } catch where error.code == .alreadyExists {
            // Another process was first; what it made counts.
        }
        return try existingSecret(in: file) ?? secret
    }

    private func existingSecret(in file: String) throws(PlatformError) -> String? {
        guard let text = try SecretFile(file).text()?.trimmingCharacters(in: .whitespacesAndNewlines) else { return nil }
        let name = (file as NSString).lastPathComponent
        guard text.utf8.count >= Self.tokenCharactersMin else {
            throw PlatformError(
                .corrupt,
                "'\(name)' of environment '\(environment)' is too short to be a secret",
                remedy: "remove the file '\(name)': a new one is made at the next start"
            )
        }
        return text
    }

    /// The key that signs this environment's proofs; made at the first call, with its public half beside it.
    ///
    /// - Throws: `failed_precondition` when others can read it, or when it is gone while its public half
    ///   is there; `corrupt` when it is no key, or the public half is another key's.
    public func signingKey() throws(PlatformError) -> SigningKey {
        let publicFile = AtomicFile(publicKeyFile)
        let publicText = try publicFile.contents(bytesMax: SecretFile.bytesMax)
        guard let text = try SecretFile(signingKeyFile).text() else {
            guard publicText == nil else {
                throw PlatformError(
                    .failedPrecondition,
                    "'keys/proof.key' of environment '\(environment)' is gone; its public half is there",
                    remedy: "restore it; or, to begin a new chain of proofs, move the folders 'keys' and 'proofs' away"
                )
            }
            let key = SigningKey()
            try AtomicFile(signingKeyFile, isPrivate: true).create(Array(key.pem.utf8))
            try publicFile.write(key.verifyingKey.pem)
            return key
        }
        let key = try SigningKey(pem: text)
        guard let publicText else {
            try publicFile.write(key.verifyingKey.pem)
            return key
        }
        guard publicText == Array(key.verifyingKey.pem.utf8) else {
            throw PlatformError(.corrupt, "'keys/proof.pub' of environment '\(environment)' is not the public half of 'keys/proof.key'")
        }
        return key
    }

    /// - Throws: `not_found` before the first start.
    public func verifyingKey() throws(PlatformError) -> VerifyingKey {
        try VerifyingKey(pem: String(decoding: try AtomicFile(publicKeyFile).read(bytesMax: SecretFile.bytesMax), as: UTF8.self))
    }

    static let tokenBytes = 32
    static let tokenCharactersMin = 16
}

extension String {
    fileprivate var trimmedSlashes: String {
        var text = self
        while text.count > 1, text.hasSuffix("/") { text.removeLast() }
        return text
    }
}
