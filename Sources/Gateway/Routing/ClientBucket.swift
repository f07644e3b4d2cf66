/// Where a client stands on the line from 0 to 9,999 that the variants of a model share out.
///
/// A client's bucket depends on nothing but the model's name and its id, so it is the same on every
/// replica, after every restart and in every release of Slipway: a changed bucket would move clients
/// between variants with no commit that says so. ``BucketSeed`` is how it is computed.
public struct ClientBucket: Sendable, Hashable {
    /// How many buckets there are: one a hundredth of a percent.
    public static let count: UInt64 = 10_000

    public let number: Int

    init(hash: UInt64) {
        number = Int(truncatingIfNeeded: hash % Self.count)
    }

    /// The bucket of a request without a client id.
    ///
    /// - Parameter random: 64 evenly distributed bits.
    public init(random: UInt64) {
        self.init(hash: random)
    }
}

/// The part of a client's hash that only depends on the model, computed once a routing table.
///
/// The hash is 64-bit FNV-1a over the model's name, one zero byte (which no name contains), then the
/// id's UTF-8; then MurmurHash3's 64-bit finaliser, because FNV alone leaves similar ids in similar
/// buckets; then the remainder by ``ClientBucket/count``. With the model in it, a client that is among
/// the first to see a candidate of one model is not among the first for every model.
///
/// - SeeAlso: <http://www.isthe.com/chongo/tech/comp/fnv/> and
///   <https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp>
public struct BucketSeed: Sendable, Hashable {
    private let state: UInt64

    public init(model: some StringProtocol) {
        var hash = FNV1a()
        for byte in model.utf8 { hash.add(byte) }
        hash.add(0)
        state = hash.state
    }

    public func bucket(ofClient id: some Sequence<UInt8>) -> ClientBucket {
        var hash = FNV1a(state: state)
        for byte in id { hash.add(byte) }
        return ClientBucket(hash: hash.finished)
    }
}

private struct FNV1a {
    var state: UInt64 = 0xCBF2_9CE4_8422_2325

    mutating func add(_ byte: UInt8) {
        state = (state ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }

    var finished: UInt64 {
        var mixed = state
        mixed = (mixed ^ (mixed >> 33)) &* 0xFF51_AFD7_ED55_8CCD
        mixed = (mixed ^ (mixed >> 33)) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ (mixed >> 33)
    }
}
