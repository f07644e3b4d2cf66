import HummingbirdCore
import HummingbirdTLS
public import SlipwayCore

/// The certificate and the key with which a listener speaks TLS.
public struct ServerTLS: Sendable {
    private let configuration: TLSConfiguration

    /// Reads both once: a renewed certificate needs a restart.
    ///
    /// - Parameters:
    ///   - certificateFile: PEM; the server's certificate first, then those above it.
    ///   - keyFile: PEM, without a password.
    /// - Throws: `invalid_argument` that names the file which cannot be read.
    public init(certificateFile: String, keyFile: String) throws(PlatformError) {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(certificateFile)
        } catch {
            throw Self.unreadable(certificateFile, "certificate in PEM", error)
        }
        guard !chain.isEmpty else { throw Self.unreadable(certificateFile, "certificate in PEM", nil) }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: keyFile, format: .pem)
        } catch {
            throw Self.unreadable(keyFile, "private key in PEM without a password", error)
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) },
            privateKey: .privateKey(key)
        )
        configuration.minimumTLSVersion = .tlsv12
        self.configuration = configuration
    }

    func around(_ plain: HTTPServerBuilder) throws -> HTTPServerBuilder {
        try .tls(plain, tlsConfiguration: configuration)
    }

    private static func unreadable(_ file: String, _ what: String, _ cause: (any Error)?) -> PlatformError {
        PlatformError(.invalidArgument, "'\(file)' could not be read as a \(what)", remedy: "check the path and who may read it", cause: cause)
    }
}
