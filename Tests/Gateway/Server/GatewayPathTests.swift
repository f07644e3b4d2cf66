import Testing

@testable import SlipwayGateway

@Suite("Gateway path")
struct GatewayPathTests {
    @Test("A path names a model, a version or an alias in one segment each")
    func named() {
        #expect(GatewayPath("/predict") == .predict)
        #expect(GatewayPath("/models/a/predict") == .predictModel("a"))
        #expect(GatewayPath("/variant/B/predict") == .predictVariant("B"))
        #expect(GatewayPath("/v2/models/a/infer") == .infer(model: "a", version: nil))
        #expect(GatewayPath("/v2/models/a/versions/3/infer") == .infer(model: "a", version: "3"))
    }

    @Test("A path with a name that is empty, or that is more than a segment, is none", arguments: [
        "/models//predict", "/variant//predict", "/v2/models//infer", "/v2/models//versions/a/infer", "/v2/models/a/versions//infer",
        "/v2/models/a/b/infer", "/v2/models/a/versions/3/4/infer", "/models/a/b/predict", "", "/",
    ])
    func refused(path: String) {
        #expect(GatewayPath(path) == nil)
    }
}
