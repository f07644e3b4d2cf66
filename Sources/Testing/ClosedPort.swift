import Foundation

/// A port of 127.0.0.1 on which nobody listens: it is bound for as long as the process lives, so that nobody else
/// gets it, and refuses every connection.
public let closedPort: Int = {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let status = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) + getsockname(descriptor, $0, &length) }
    }
    guard status == 0, address.sin_port != 0 else { fatalError("no port can be bound: \(String(cString: strerror(errno)))") }
    return Int(UInt16(bigEndian: address.sin_port))
}()
