import SlipwayCore
import SlipwayHTTP
import Testing

@testable import SlipwayGateway

@Suite("The gateway's metrics")
struct MetricsPageTests {
    @Test("Predictions are counted by class for each version, from the first on")
    func predictions() async throws {
        let fixture = try await GatewayFixture.tumor()
        #expect(!(await fixture.gateway.metricsPage().text.contains("slipway_gateway_predictions_total{")))
        // The simulated model answers its own version number as the label.
        _ = try await fixture.post("/predict", #"{"instances":[[1,2,3],[4,5,6]]}"#)
        try await fixture.serve("tumor", ["A": (1, 0), "B": (2, 100)])
        _ = try await fixture.post("/predict")
        let page = await fixture.gateway.metricsPage().text
        #expect(page.contains(#"slipway_gateway_predictions_total{model="tumor",variant="A",version="1",prediction="1"} 2"#))
        #expect(page.contains(#"slipway_gateway_predictions_total{model="tumor",variant="B",version="2",prediction="2"} 1"#))
    }
}
