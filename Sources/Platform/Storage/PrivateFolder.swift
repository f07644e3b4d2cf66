import Foundation
public import SlipwayCore

/// Folders that only their owner can enter.
public enum PrivateFolder {
    static let mode: mode_t = 0o700

    /// As ``make(_:)``, but leaves a folder that is there as it is.
    static func makeIfMissing(_ path: String) throws(PlatformError) {
        guard !FileManager.default.fileExists(atPath: path) else { return }
        try make(path)
    }

    /// Makes the folder and those above it that are missing. One that is there keeps its content, and
    /// loses any right that others have to it.
    public static func make(_ path: String) throws(PlatformError) {
        do {
            try FileManager.default.createDirectory(
                atPath: path,
                withIntermediateDirectories: true,
                attributes: [.posixPermissions: Int(mode)]
            )
        } catch {
            throw PlatformError(
                .unavailable,
                "could not make the folder '\((path as NSString).lastPathComponent)'",
                remedy: "check the disk's space and who owns the folder above it",
                cause: error
            )
        }
        // createDirectory leaves a folder alone that was there.
        guard chmod(path, mode) == 0 else {
            throw PlatformError(
                .unavailable,
                "the folder '\((path as NSString).lastPathComponent)' belongs to somebody else",
                cause: DiskError(call: "chmod", code: errno)
            )
        }
    }
}
