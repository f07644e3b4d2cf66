import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayInference
import SlipwayRelease
import Synchronization
import Testing

@testable import SlipwayGateway

@Suite("Predict")
struct PredictTests {
    @Test("Rows are answered nested, with who answered in the body and in the headers")
    func instances() async throws {
        let fixture = try await GatewayFixture.tumor()
        let response = try await fixture.post("/predict", #"{"instances": [[1, 2, 3], [4.5, 5e1, -6]]}"#)
        #expect(response.status == .ok)
        #expect(
            try response.json == [
                "model": "tumor", "version": "1", "variant": "A",
                "outputs": ["label": [1, 1], "probabilities": [[0.25, 0.75], [0.25, 0.75]]],
            ]
        )
        #expect(response.header("x-slipway-model") == "tumor")
        #expect(response.header("x-slipway-variant") == "A")
        #expect(response.header("x-slipway-version") == "1")
        #expect(response.header("x-slipway-generation") == "1")
        #expect(response.header("content-type") == "application/json")
    }

    @Test("A body of the Open Inference Protocol is answered in that protocol", arguments: ["/predict", "/v2/models/tumor/infer"])
    func tensors(path: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        let body = #"{"id":"7","inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"outputs":[{"name":"label"}]}"#
        let response = try await fixture.post(path, body)
        #expect(response.status == .ok)
        let json = try response.json
        #expect(json["id"] == "7")
        #expect(json["model_name"] == "tumor")
        #expect(json["model_version"] == "1")
        #expect(json["outputs"]?.arrayValue?.count == 1)
        #expect(json["outputs"]?.arrayValue?.first?["data"] == [1])
        #expect(response.header("x-slipway-variant") == "A")
    }

    @Test("Binary tensors go in and out", arguments: ["/predict", "/v2/models/tumor/infer", "/v2/models/tumor/versions/1/infer"])
    func binary(path: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        let json = #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}],"parameters":{"binary_data_output":true}}"#
        var body = ByteBuffer(string: json)
        for number in [1, 2, 3] as [Float] { body.writeInteger(number.bitPattern, endianness: .little) }
        let length = try #require(HTTPField.Name("inference-header-content-length"))
        let response = try await fixture.post(path, bytes: body, headers: [length: "\(json.utf8.count)"])
        #expect(response.status == .ok)
        let jsonBytes = try #require(response.headers[length].flatMap { Int($0) })
        // label: one INT64; probabilities: two FP32.
        #expect(response.body.readableBytes - jsonBytes == 8 + 8)
        let parsed = try response.body.withUnsafeReadableBytes { try InferenceBody.parseResponse($0, jsonBytes: jsonBytes) }
        #expect(parsed.outputs.map(\.name) == ["label", "probabilities"])
    }

    @Test("One client id always gets the same variant; no id gets both")
    func sticky() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await fixture.serve("tumor", ["A": (1, 50), "B": (2, 50)])
        for client in 0..<20 {
            var seen: Set<String?> = []
            for _ in 0..<5 { seen.insert(try await fixture.post("/predict", client: "client-\(client)").header("x-slipway-variant")) }
            #expect(seen.count == 1)
        }
        var chance: Set<String?> = []
        for _ in 0..<60 { chance.insert(try await fixture.post("/predict").header("x-slipway-variant")) }
        #expect(chance == ["A", "B"])
    }

    @Test("An alias is reached at weight 0")
    func byAlias() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await fixture.serve("tumor", ["A": (1, 100), "B": (2, 0)])
        let response = try await fixture.post("/variant/B/predict")
        #expect(response.header("x-slipway-version") == "2")
        #expect(try response.json["outputs"]?["label"] == [2])
    }

    @Test(
        "Of several models, the path, the header or the body says which",
        arguments: [
            ("/models/price/predict", nil, #"{"instances":[[1,2,3]]}"#),
            ("/predict", "price", #"{"instances":[[1,2,3]]}"#),
            ("/predict", nil, #"{"model":"price","instances":[[1,2,3]]}"#),
            ("/predict", nil, #"{"instances":[[1,2,3]],"model":"price"}"#),
            ("/predict", nil, #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"model":"price"}"#),
            ("/variant/A/predict", "price", #"{"instances":[[1,2,3]]}"#),
            ("/v2/models/price/infer", nil, #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#),
        ] as [(String, String?, String)]
    )
    func severalModels(path: String, header: String?, body: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        try fixture.models.load("price", 7)
        try await fixture.serve("price", ["A": (7, 100)])
        let name = try #require(HTTPField.Name("x-model"))
        let response = try await fixture.post(path, body, headers: header.map { [name: $0] } ?? [:])
        #expect(response.status == .ok)
        #expect(response.header("x-slipway-model") == "price")
    }

    @Test("A model named in the body must be the one that the path or the only route means")
    func contradiction() async throws {
        let fixture = try await GatewayFixture.tumor()
        let late = #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"model":"price"}"#
        #expect(try await fixture.post("/models/tumor/predict", late).status == .badRequest)
        #expect(try await fixture.post("/predict", late).status == .notFound)
    }

    @Test("NaN is an error on /predict, passes on /v2, and is counted for the variant both times")
    func nonFinite() async throws {
        let fixture = try await GatewayFixture.tumor()
        fixture.models.state.withLock { $0.nonFinite = $0.ready.values.first ?? [] }
        let refused = try await fixture.post("/predict")
        #expect(refused.status == .internalServerError)
        #expect(refused.errorMessage?.contains("NaN") == true)
        #expect(refused.header("x-slipway-version") == "1")
        let body = #"{"inputs":[{"name":"X","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#
        let passed = try await fixture.post("/v2/models/tumor/infer", body)
        #expect(passed.status == .ok)
        #expect(String(buffer: passed.body).contains("NaN"))
        let counters = try #require(try await fixture.gateway.counters(of: ModelName("tumor"))[ModelVersion(1)])
        #expect(counters.requests == 2)
        #expect(counters.nonFinite == 2)
        #expect(counters.errors == 2)
    }

    @Test("What the model does wrong counts against the variant; what the client does wrong does not")
    func blame() async throws {
        let fixture = try await GatewayFixture.tumor()
        let one = try ModelVersion(1)
        for _ in 0..<3 { _ = try await fixture.post("/predict") }
        #expect(try await fixture.post("/predict", #"{"instances":[[1,2]]}"#).status == .badRequest)
        #expect(try await fixture.post("/predict", #"{"instances":[[1,2,"x"]]}"#).status == .badRequest)
        fixture.models.state.withLock { $0.failing[one] = PlatformError(.unexpected, "the graph failed") }
        #expect(try await fixture.post("/predict").status == .internalServerError)
        let counters = try #require(try await fixture.gateway.counters(of: ModelName("tumor"))[one])
        #expect(counters.requests == 4)
        #expect(counters.errors == 1)
        #expect(counters.latencyCounts.reduce(0, +) == 4)
        #expect(counters.predictions == ["1": 3])
        let page = await fixture.gateway.metricsPage().text
        #expect(page.contains(#"slipway_gateway_requests_total{model="tumor",variant="A",version="1",outcome="rejected"} 2"#))
        #expect(page.contains(#"slipway_gateway_requests_total{model="tumor",variant="A",version="1",outcome="error"} 1"#))
        #expect(page.contains(#"slipway_gateway_requests_in_flight{model="tumor",variant="A",version="1"} 0"#))
    }

    @Test("A version that has gone from the model server is our failure, not the client's")
    func gone() async throws {
        let fixture = try await GatewayFixture.tumor()
        try fixture.models.unload("tumor", 1)
        let response = try await fixture.post("/predict")
        #expect(response.status == .serviceUnavailable)
        #expect(response.header("retry-after") == "1")
    }

    @Test("Before anything is released, a prediction is refused as not available yet")
    func nothing() async throws {
        let fixture = GatewayFixture()
        let response = try await fixture.post("/predict")
        #expect(response.status == .serviceUnavailable)
        #expect(response.errorMessage?.contains("no model is released") == true)
    }

    @Test("A request on an event loop of another group is answered too")
    func foreignLoop() async throws {
        let fixture = try await GatewayFixture.tumor()
        let routes = fixture.gateway.fastRoutes
        let loop = ForeignLoop.loop
        let head = HTTPRequest(method: .post, scheme: "http", authority: "test", path: "/predict")
        let request = FastRequest(head: head, path: "/predict", body: ByteBuffer(string: #"{"instances":[[1,2,3]]}"#))
        let response = try await loop.flatSubmit {
            switch routes.answer(request, on: loop) {
            case .now(let response): loop.makeSucceededFuture(response)
            case .later(let future): future.hop(to: loop)
            }
        }.get()
        #expect(response.status == .ok)
    }
}
