import HTTPTypes
import SlipwayCore
import SlipwayHTTP
import SlipwayRouting
import Testing

@testable import SlipwayGateway

@Suite("Limits of a client", .timeLimit(.minutes(2)))
struct ClientAdmissionTests {
    @Test("A client over its rate is told how long to wait; others, and itself later, are answered")
    func rate() async throws {
        var limits = ClientGate.Limits()
        // So slow that no test is slow enough for another request.
        limits.ratePerSecond = 0.001
        limits.burst = 2
        let fixture = try await GatewayFixture.tumor(admission: ClientAdmission(limits: limits, header: "X-Tenant"))
        for _ in 0..<2 { #expect(try await fixture.post("/predict", headers: try Self.tenant("a")).status == .ok) }
        let refused = try await fixture.post("/predict", headers: try Self.tenant("a"))
        #expect(refused.status == .tooManyRequests)
        #expect(refused.errorMessage == "this client sends more than 0.001 requests a second")
        let wait = try #require(refused.header("retry-after").flatMap { Int($0) })
        #expect((900...1000).contains(wait))
        #expect(try await fixture.post("/predict", headers: try Self.tenant("b")).status == .ok)
    }

    @Test("Without the header a client is its address, so that leaving it away wins nothing")
    func address() async throws {
        var limits = ClientGate.Limits()
        limits.ratePerSecond = 0.001
        let fixture = try await GatewayFixture.tumor(admission: ClientAdmission(limits: limits, header: "x-tenant"))
        #expect(try await fixture.post("/predict").status == .ok)
        #expect(try await fixture.post("/predict").status == .tooManyRequests)
    }

    @Test("A request that was answered is under way no more")
    func concurrency() async throws {
        var limits = ClientGate.Limits()
        limits.concurrencyMax = 1
        let fixture = try await GatewayFixture.tumor(admission: ClientAdmission(limits: limits))
        for _ in 0..<20 { #expect(try await fixture.post("/predict").status == .ok) }
        #expect(try await fixture.post("/predict", "{").status == .badRequest)
        #expect(try await fixture.post("/predict").status == .ok)
    }

    @Test("Limits that allow everything are no gate")
    func off() {
        #expect(ClientAdmission(limits: ClientGate.Limits()) == nil)
    }

    private static func tenant(_ name: String) throws -> HTTPFields {
        [try #require(HTTPField.Name("x-tenant")): name]
    }
}
