import HTTPTypes
import SlipwayCore
import SlipwayHTTP
import SlipwayRelease
import Testing

@testable import SlipwayGateway

@Suite("Cookie and testers' header", .timeLimit(.minutes(2)))
struct StickinessTests {
    @Test("A cookie makes a client as sticky as the header does, and the header comes first")
    func cookie() async throws {
        let fixture = try await Self.fixture(cookie: "client", issue: false)
        for client in 0..<50 {
            let byHeader = try await fixture.post("/predict", client: "client-\(client)").header("x-slipway-variant")
            let byCookie = try await fixture.post("/predict", headers: [.cookie: "a=b; client=client-\(client)"])
            #expect(byCookie.header("x-slipway-variant") == byHeader)
            #expect(byCookie.header("set-cookie") == nil)
            let both = try await fixture.post("/predict", client: "client-\(client)", headers: [.cookie: "client=somebody-else"])
            #expect(both.header("x-slipway-variant") == byHeader)
        }
    }

    @Test("Where the release asks for it, a new client gets a cookie, and stays with its variant from then on")
    func issue() async throws {
        let fixture = try await Self.fixture(cookie: "client", issue: true)
        var variants: Set<String> = []
        for _ in 0..<30 {
            let first = try await fixture.post("/predict")
            let setting = try #require(first.header("set-cookie"))
            let pair = try #require(setting.split(separator: ";").first.map(String.init))
            #expect(pair.hasPrefix("client="))
            let again = try await fixture.post("/predict", headers: [.cookie: pair])
            #expect(again.header("set-cookie") == nil)
            #expect(again.header("x-slipway-variant") == first.header("x-slipway-variant"))
            variants.insert(first.header("x-slipway-variant") ?? "")
            #expect(try await fixture.post("/predict", client: "ann").header("set-cookie") == nil)
        }
        #expect(variants == ["A", "B"], "new clients are shared out")
    }

    @Test("Without a word in the release no cookie is read and none is set")
    func off() async throws {
        let fixture = try await GatewayFixture.tumor()
        let response = try await fixture.post("/predict", headers: [.cookie: "client=ann"])
        #expect(response.status == .ok && response.header("set-cookie") == nil)
    }

    @Test("Where the release allows it, a tester's header chooses the variant, weight 0 included")
    func choice() async throws {
        let fixture = try await Self.fixture(weights: (100, 0), allowsVariantHeader: true)
        for alias in ["A", "B"] {
            for path in ["/predict", "/models/tumor/predict", "/variant/\(alias)/predict"] {
                let response = try await fixture.post(path, headers: [Self.variant: alias])
                #expect(response.header("x-slipway-variant") == alias)
            }
        }
        let unknown = try await fixture.post("/predict", headers: [Self.variant: "C"])
        #expect(unknown.status == .notFound)
        let torn = try await fixture.post("/variant/A/predict", headers: [Self.variant: "B"])
        #expect(torn.status == .badRequest)
    }

    @Test("Where the release does not allow it, a tester's header is refused and not ignored")
    func refused() async throws {
        let fixture = try await GatewayFixture.tumor()
        for path in ["/predict", "/models/tumor/predict", "/variant/A/predict"] {
            let response = try await fixture.post(path, headers: [Self.variant: "A"])
            #expect(response.status == .forbidden)
            #expect(response.errorMessage?.contains("does not let a request choose") == true)
        }
    }

    private static let variant = HTTPField.Name("x-variant") ?? .accept

    private static func fixture(
        weights: (Int, Int) = (50, 50),
        cookie: String? = nil,
        issue: Bool = false,
        allowsVariantHeader: Bool = false
    ) async throws -> GatewayFixture {
        let fixture = GatewayFixture()
        try fixture.models.load("tumor", 1, 2)
        try await fixture.serve(
            try makeRelease(
                "tumor",
                ["A": (1, weights.0), "B": (2, weights.1)],
                stickiness: try cookie.map { try Release.Stickiness(cookie: $0, issue: issue) },
                allowsVariantHeader: allowsVariantHeader
            )
        )
        return fixture
    }
}
