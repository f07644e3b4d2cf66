import Foundation
import FoundationNetworking
import SlipwayCore
import SlipwayHTTP
import SlipwayRelease
import Testing

@testable import SlipwayGateway

@Suite("Gateway over HTTP", .timeLimit(.minutes(2)))
struct GatewayServerTests {
    @Test("Health, readiness and draining are three signals")
    func signals() async throws {
        let empty = GatewayFixture()
        try await withServer(empty) { base in
            for (path, status) in [("health", 200), ("ready", 503), ("v2/health/live", 200), ("v2/health/ready", 503)] {
                let answer = try await get(base, path)
                #expect(answer.status == status, "\(path)")
            }
        }
        let fixture = try await GatewayFixture.tumor()
        try await withServer(fixture) { base in
            let ready = try await get(base, "ready")
            #expect(ready.status == 200)
            #expect(ready.json == ["ready": true, "draining": false])
            await fixture.gateway.beginDraining()
            let draining = try await get(base, "ready")
            #expect(draining.status == 503)
            #expect(draining.json?["draining"] == true)
            #expect(try await get(base, "health").status == 200)
        }
    }

    @Test("Predictions and everything else share one port")
    func predictions() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await withServer(fixture) { base in
            let answer = try await post(base, "predict", #"{"instances":[[1,2,3]]}"#)
            #expect(answer.status == 200)
            #expect(answer.json?["outputs"]?["label"] == [1])
            #expect(answer.headers["x-slipway-version"] == "1")
            let models = try await get(base, "models")
            let model = try #require(models.json?["models"]?.arrayValue?.first)
            #expect(model["variants"] == [["alias": "A", "version": 1, "weight": 100]])
            #expect(model["inFlight"] == ["1": 0])
            let counters = try await get(base, "models/tumor/counters")
            let first = try #require(counters.json?["versions"]?["1"])
            #expect(try first.decoded(as: VariantCounters.self).predictions == ["1": 1])
            let metadata = try await get(base, "v2/models/tumor")
            #expect(metadata.json?["inputs"] == [["name": "X", "datatype": "FP32", "shape": [-1, 3]]])
            #expect(try await get(base, "v2/models/nope").status == 404)
            #expect(try await get(base, "v2/models/tumor/ready").status == 200)
            let metrics = String(decoding: try await get(base, "metrics").body, as: UTF8.self)
            #expect(metrics.contains(#"slipway_gateway_request_duration_seconds_count{model="tumor",variant="A",version="1"} 1"#))
            #expect(metrics.contains("slipway_gateway_routing_generation 1"))
        }
    }

    @Test("A reload needs the right token, and answers what serves from now on")
    func reload() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await withServer(fixture) { base in
            try fixture.releases.commit("tumor", ["A": (1, 50), "B": (2, 50)])
            for token in [nil, "", "wrong", "secretx"] as [String?] {
                #expect(try await post(base, "variant/B/reload", "", token: token).status == 401)
            }
            #expect(await fixture.gateway.routes().map(\.generation) == [1], "a refused reload changes nothing")
            let answer = try await post(base, "variant/B/reload", "", token: "secret")
            #expect(answer.status == 200)
            #expect(answer.json == ["model": "tumor", "alias": "B", "version": 2, "generation": 2])
            let again = try await post(base, "variant/B/reload", #"{"model":"tumor","version":2}"#, token: "secret")
            #expect(again.json == answer.json)
        }
    }

    @Test(
        "A reload for something else than Git and the model server say is refused",
        arguments: [
            ("B", #"{"model":"tumor","version":3}"#, 409, "Git says version 9"), ("Z", "", 404, "'Z'"),
            ("B", #"{"model":"nope"}"#, 404, "'nope'"), ("B", "", 409, "version 9 of model 'tumor' is not ready"),
            ("B", "{", 400, "JSON"), ("B", "[]", 400, "object"), ("B", #"{"version":"x"}"#, 400, "'x'"),
            ("B", #"{"model":7}"#, 400, "'model'"),
        ]
    )
    func reloadRefusals(alias: String, body: String, status: Int, says: String) async throws {
        let fixture = try await GatewayFixture.tumor()
        try await withServer(fixture) { base in
            try fixture.releases.commit("tumor", ["A": (1, 50), "B": (9, 50)])
            let answer = try await post(base, "variant/\(alias)/reload", body, token: "secret")
            #expect(answer.status == status)
            let message = answer.json?["error"]?["message"]?.stringValue ?? ""
            #expect(message.contains(says), "\(message)")
            #expect(await fixture.gateway.routes().map(\.generation) == [1])
        }
    }
}

struct HTTPAnswer {
    let status: Int
    let headers: [String: String]
    let body: Data

    var json: JSONValue? { try? JSONValue(parsing: [UInt8](body)) }
}

func get(_ base: URL, _ path: String) async throws -> HTTPAnswer {
    try await send(URLRequest(url: base.appending(path: path), timeoutInterval: 60))
}

func post(_ base: URL, _ path: String, _ body: String, token: String? = nil, client: String? = nil) async throws -> HTTPAnswer {
    var request = URLRequest(url: base.appending(path: path), timeoutInterval: 60)
    request.httpMethod = "POST"
    request.httpBody = Data(body.utf8)
    if let token { request.setValue(token, forHTTPHeaderField: "x-token") }
    if let client { request.setValue(client, forHTTPHeaderField: "x-client-id") }
    return try await send(request)
}

private func send(_ request: URLRequest) async throws -> HTTPAnswer {
    let (data, response) = try await URLSession.shared.data(for: request)
    let http = try #require(response as? HTTPURLResponse)
    var headers: [String: String] = [:]
    for (name, value) in http.allHeaderFields { headers["\(name)".lowercased()] = "\(value)" }
    return HTTPAnswer(status: http.statusCode, headers: headers, body: data)
}

/// Runs the gateway's listener on a free port for as long as `body` runs.
func withServer(_ fixture: GatewayFixture, _ body: (URL) async throws -> Void) async throws {
    let server = fixture.gateway.server(host: "127.0.0.1", port: 0)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        let base = try #require(URL(string: "http://127.0.0.1:\(try await server.boundPort())"))
        try await body(base)
        group.cancelAll()
    }
}
