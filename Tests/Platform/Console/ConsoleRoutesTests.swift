import Foundation
import FoundationNetworking
import Hummingbird
import Logging
import SlipwayConsole
import SlipwayCore
import SlipwayHTTP
import SlipwayPipeline
import Testing

@Suite("Console API")
struct ConsoleRoutesTests {
    @Test("Reading needs no token; every write refuses without the right one")
    func token() async throws {
        try await withConsole { base in
            try await expect(200, base, "GET", "api/v1/status")
            for path in ["runs", "runs/r1/cancel", "promotions", "reconcile"] {
                try await expect(401, base, "POST", "api/v1/\(path)", body: "{}")
                try await expect(401, base, "POST", "api/v1/\(path)", body: "{}", token: "wrong")
            }
            try await expect(202, base, "POST", "api/v1/reconcile", body: "{}", token: "secret")
        }
    }

    @Test("A run needs an absolute project, and parameters that are texts")
    func badRun() async throws {
        try await withConsole { base in
            for body in [#"{"project":"examples"}"#, #"{"project":"/p","parameters":{"a":1}}"#, "{", #"{"project":7}"#] {
                try await expect(400, base, "POST", "api/v1/runs", body: body, token: "secret")
            }
            try await expect(202, base, "POST", "api/v1/runs", body: #"{"project":"/p"}"#, token: "secret")
        }
    }

    @Test("Events are one JSON value a line, and the stream ends with the run")
    func events() async throws {
        try await withConsole { base in
            let (data, _) = try await URLSession.shared.data(from: base.appending(path: "api/v1/runs/r1/events"))
            let lines = String(decoding: data, as: UTF8.self).split(separator: "\n")
            let events = try lines.map { try JSONValue(parsing: String($0)).decoded(as: RunEvent.self) }
            #expect(events == [.output(step: .train, line: "epoch 1"), .progress(step: .observe, text: "half way")])
        }
    }

    @Test("What the platform says about itself is at /metrics, without a token")
    func metrics() async throws {
        try await withConsole { base in
            let (data, response) = try await URLSession.shared.data(from: base.appending(path: "metrics"))
            #expect((response as? HTTPURLResponse)?.value(forHTTPHeaderField: "content-type") == "text/plain; version=0.0.4; charset=utf-8")
            #expect(String(decoding: data, as: UTF8.self) == "# HELP slipway_test A test\n# TYPE slipway_test gauge\nslipway_test 1\n")
        }
    }

    @Test("An unknown run is 404 with a code that a script can read")
    func unknownRun() async throws {
        try await withConsole { base in
            let (data, response) = try await URLSession.shared.data(from: base.appending(path: "api/v1/runs/none"))
            #expect((response as? HTTPURLResponse)?.statusCode == 404)
            let answer = try JSONValue(parsing: [UInt8](data))
            #expect(answer["error"]?["code"] == "not_found")
        }
    }

    private func expect(
        _ expected: Int,
        _ base: URL,
        _ method: String,
        _ path: String,
        body: String? = nil,
        token: String? = nil
    ) async throws {
        var request = URLRequest(url: base.appending(path: path), timeoutInterval: 60)
        request.httpMethod = method
        request.httpBody = body.map { Data($0.utf8) }
        if let token { request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization") }
        let (_, response) = try await URLSession.shared.data(for: request)
        #expect((response as? HTTPURLResponse)?.statusCode == expected, "\(method) \(path)")
    }

    private func withConsole(_ body: (URL) async throws -> Void) async throws {
        let router = Router(context: PlatformRequestContext.self)
        let metrics: @Sendable () async -> MetricsPage = {
            var page = MetricsPage()
            page.family("slipway_test", .gauge, help: "A test")
            page.sample("slipway_test", [:], 1)
            return page
        }
        ConsoleRoutes(backend: ScriptedBackend(), token: "secret", metrics: metrics).add(to: router)
        let server = HTTPServer(name: "console", host: "127.0.0.1", port: 0, router: router, logger: Logger(label: "test"))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            let base = try #require(URL(string: "http://127.0.0.1:\(try await server.boundPort())"))
            try await body(base)
            group.cancelAll()
        }
    }
}

private struct ScriptedBackend: ConsoleBackend {
    func status() async throws -> JSONValue { ["environment": "dev"] }
    func submit(project: String, parameters: [String: String]) async throws -> RunID { try RunID("r1") }
    func promote(model: ModelName, from environment: EnvironmentName) async throws -> RunID { try RunID("r2") }
    func runs(limit: Int) async throws -> [RunRecord] { [] }
    func run(_ id: RunID) async throws -> RunRecord {
        throw PlatformError(.notFound, "there is no run '\(id)'")
    }
    func events(of id: RunID) async throws -> AsyncStream<RunEvent> {
        AsyncStream { continuation in
            continuation.yield(.output(step: .train, line: "epoch 1"))
            continuation.yield(.progress(step: .observe, text: "half way"))
            continuation.finish()
        }
    }
    func cancel(_ id: RunID) async throws {}
    func reconcile() async throws {}
}
