import NIOCore

extension Channel {
    /// A hash of the address at the other end, without its port: all connections of one machine have the
    /// same. 0 when there is none.
    var peerHash: UInt64 {
        guard let address = remoteAddress?.ipAddress else { return 0 }
        var hasher = Hasher()
        hasher.combine(address)
        return UInt64(bitPattern: Int64(hasher.finalize()))
    }
}
