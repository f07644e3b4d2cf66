import SlipwayCore
import SlipwayRouting
import SlipwayTesting
import Testing

@Suite("Cookies, choice and shadow")
struct RoutePolicyTests {
    private let cookie = StickyCookie(name: "client", isIssued: true, maxAgeSeconds: 60, isSecure: false)

    private static let headers: [(header: String, value: String?)] = [
        ("client=ann", "ann"), ("a=b; client=ann", "ann"), ("a=b;client=ann;c=d", "ann"), ("client=ann; client=bob", "ann"),
        ("xclient=ann", nil), ("clientx=ann", nil), ("client", nil), ("client=", nil), ("", nil), (";;;", nil),
        ("  client=ann", "ann"), ("\tclient=a=b", "a=b"), ("Client=ann", nil), ("client=\"ann\"", "\"ann\""),
    ]

    @Test("The first cookie of exactly that name is the client's id", arguments: headers)
    func value(header: String, value: String?) {
        #expect(cookie.value(in: header).map { String(Substring($0)) } == value)
    }

    @Test("No Cookie header makes the reader fail, however broken")
    func fuzz() {
        var random = SeededGenerator(seed: 4)
        let signs = Array("client=;; \t\"é,\u{1}x")
        for _ in 0..<5_000 {
            let text = String((0..<Int.random(in: 0...30, using: &random)).map { _ in signs.randomElement(using: &random) ?? "x" })
            if let value = cookie.value(in: text) { #expect(!value.isEmpty && !value.contains(UInt8(ascii: ";"))) }
        }
    }

    @Test("An issued cookie is kept from scripts and from other sites, and over TLS only when asked")
    func issue() {
        #expect(cookie.issue("abc") == "client=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")
        let secure = StickyCookie(name: "client", isIssued: true, maxAgeSeconds: 60, isSecure: true)
        #expect(secure.issue("abc").hasSuffix("; Secure"))
    }

    @Test("A shadow gets its percentage of requests, none at 0 and all at 100", arguments: [0, 1, 1_234, 5_000, 10_000])
    func share(hundredths: Int) throws {
        let shadow = try RoutedShadow(version: ModelVersion(9), hundredths: hundredths, comparison: .exact, queueMax: 1)
        var random = SeededGenerator(seed: 8)
        let count = 100_000
        let picked = (0..<count).count { _ in shadow.mirrors(random: random.next()) }
        let expected = Double(hundredths) / 10_000
        let tolerance = 5 * (expected * (1 - expected) * Double(count)).squareRoot()
        #expect(abs(Double(picked) - expected * Double(count)) <= tolerance)
    }

    @Test("While one variant grows and no other does, no client leaves it", arguments: 0..<20 as Range<UInt64>)
    func monotone(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let model = try ModelName("tumor")
        let names = ["A", "B", "C", "D", "E"].prefix(Int.random(in: 2...5, using: &random))
        func table(_ weights: [Int]) throws -> ModelRoutes {
            try ModelRoutes(
                model: model,
                generation: 1,
                variants: zip(names, weights).enumerated().map { index, item in
                    RoutedVariant(alias: try Alias(item.0), version: try ModelVersion(index + 1), weightHundredths: item.1)
                }
            )
        }
        var cuts = (1..<names.count).map { _ in Int.random(in: 0...10_000, using: &random) }.sorted()
        cuts = [0] + cuts + [10_000]
        var weights = zip(cuts, cuts.dropFirst()).map { $1 - $0 }
        for _ in 0..<10 {
            let before = try table(weights)
            let grown = Int.random(in: 0..<names.count, using: &random)
            for other in weights.indices where other != grown {
                let taken = Int.random(in: 0...weights[other], using: &random)
                weights[other] -= taken
                weights[grown] += taken
            }
            let after = try table(weights)
            for client in 0..<2_000 {
                let bucket = before.bucket(ofClient: "client-\(client)".utf8)
                guard before.index(of: bucket) == grown else { continue }
                #expect(after.index(of: bucket) == grown, "client \(client) left variant \(grown) while it grew")
            }
        }
    }

    @Test("A version cannot be a variant and its own shadow; another policy is another table")
    func shadowOfItself() throws {
        let model = try ModelName("tumor")
        let variants = [RoutedVariant(alias: try Alias("A"), version: try ModelVersion(1), weightHundredths: 10_000)]
        func policy(_ version: Int) throws -> RoutePolicy {
            RoutePolicy(shadow: RoutedShadow(version: try ModelVersion(version), hundredths: 1, comparison: .exact, queueMax: 1))
        }
        #expect(throws: PlatformError.self) { try ModelRoutes(model: model, generation: 1, variants: variants, policy: policy(1)) }
        let plain = try RoutingTable.empty.routing(model, to: variants)
        let shadowed = try plain.routing(model, to: variants, policy: policy(2))
        #expect(shadowed.generation == 2)
        #expect(try shadowed.routing(model, to: variants, policy: policy(2)) == shadowed)
        #expect(try shadowed.versions == [model: [ModelVersion(1)]], "a shadow answers nobody")
    }
}
