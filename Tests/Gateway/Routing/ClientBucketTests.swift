import SlipwayRouting
import SlipwayTesting
import Testing

@Suite("Client bucket")
struct ClientBucketTests {
    /// Computed once by an implementation in another language. They must never change: a new value means
    /// that clients all over the world change their variant when the gateway is updated.
    @Test(
        "A client's bucket is the same for ever",
        arguments: [
            ("tumor", "", 7860),
            ("tumor", "client-1", 8081),
            ("tumor", "client-2", 9794),
            ("price", "client-1", 4520),
            ("tumor", "사용자-7", 5917),
            ("m", String(repeating: "a", count: 200), 2306),
        ]
    )
    func vectors(model: String, client: String, bucket: Int) {
        #expect(BucketSeed(model: model).bucket(ofClient: client.utf8).number == bucket)
    }

    @Test("Ids that count up spread evenly over the buckets")
    func spread() {
        let seed = BucketSeed(model: "tumor")
        var counts = Array(repeating: 0, count: 100)
        let clients = 200_000
        for client in 0..<clients {
            counts[seed.bucket(ofClient: "user-\(client)".utf8).number / 100] += 1
        }
        let expected = Double(clients) / 100
        let chiSquare = counts.reduce(0.0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
        // 99 degrees of freedom: an even spread stays under 161 in 9,999 cases of 10,000.
        #expect(chiSquare < 161)
    }

    @Test("The first clients of one model are not the first of another")
    func independence() {
        let tumor = BucketSeed(model: "tumor")
        let price = BucketSeed(model: "price")
        let clients = (0..<50_000).map { "user-\($0)" }
        let first = clients.filter { tumor.bucket(ofClient: $0.utf8).number < 1000 }
        let both = first.filter { price.bucket(ofClient: $0.utf8).number < 1000 }
        let share = Double(both.count) / Double(first.count)
        #expect(abs(share - 0.1) < 0.02, "\(share) of the first clients of one model are also first in the other")
    }
}
