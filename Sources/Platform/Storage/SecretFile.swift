import Foundation
public import SlipwayCore

/// A small file that only its owner can read.
public struct SecretFile {
    static let bytesMax = 16 << 10

    let file: AtomicFile
    private let bytesMax: Int

    public init(_ path: String) {
        self.init(path, bytesMax: Self.bytesMax)
    }

    init(_ path: String, bytesMax: Int) {
        file = AtomicFile(path, isPrivate: true)
        self.bytesMax = bytesMax
    }

    /// The text; `nil` when the file is not there.
    ///
    /// - Throws: `failed_precondition` when others may read it: it is no secret any more.
    public func text() throws(PlatformError) -> String? {
        let name = (file.path as NSString).lastPathComponent
        var status = stat()
        guard lstat(file.path, &status) == 0 else {
            guard errno == ENOENT else { throw PlatformError(.unavailable, "could not look at '\(name)'") }
            return nil
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw PlatformError(.failedPrecondition, "'\(name)' is not a plain file")
        }
        guard status.st_mode & 0o077 == 0 else {
            throw PlatformError(
                .failedPrecondition,
                "'\(name)' can be read by others",
                remedy: "replace it if somebody else may have seen it, else: chmod 600 '\(name)'"
            )
        }
        guard status.st_uid == geteuid() else {
            throw PlatformError(.failedPrecondition, "'\(name)' belongs to somebody else")
        }
        let bytes = try file.read(bytesMax: bytesMax)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw PlatformError(.corrupt, "'\(name)' is not text")
        }
        return text
    }
}
