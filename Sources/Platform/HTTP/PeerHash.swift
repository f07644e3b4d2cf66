public import NIOCore

extension Channel {
    var peerHash: UInt64 { remoteAddress?.peerHash ?? 0 }
}

extension SocketAddress {
    /// A hash of an address at the other end, without its port: all connections of one machine have the
    /// same. 0 when there is none.
    public var peerHash: UInt64 {
        guard let address = ipAddress else { return 0 }
        var hasher = Hasher()
        hasher.combine(address)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
