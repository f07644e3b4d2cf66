public import Foundation

/// Writes a shell script that may be started at once.
///
/// A process that another test forks while the file is open for writing holds it open until it becomes its own program,
/// and Linux starts no file that somebody may write to ("Text file busy"). A read lease is granted only when nobody may,
/// so this waits for one.
public func writeShellScript(_ body: String, at place: URL) throws {
    try Data("#!/bin/sh\n\(body)\n".utf8).write(to: place)
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: place.path)
    let file = open(place.path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    defer { close(file) }
    let setLease: Int32 = 1024  // F_SETLEASE of <linux/fcntl.h>
    for _ in 0..<6000 {
        if fcntl(file, setLease, CInt(F_RDLCK)) == 0 { return }
        guard errno == EAGAIN else { return }  // a file system without leases: start it as it is
        usleep(10_000)
    }
    throw POSIXError(.ETXTBSY)
}
