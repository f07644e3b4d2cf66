import Foundation
import SlipwayCore
import Testing

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

@Suite("Bad tracking requests")
struct BadRequestTests {
    private struct Case: Sendable {
        let path: String
        let body: String
        var status = 400
        var code = "INVALID_PARAMETER_VALUE"
        let message: String
    }

    private static let hint = ". See the API docs for more information about request parameters."

    private static func typed(_ type: String) -> String { ":  Hint: Value was of type '\(type)'\(hint)" }

    private static let cases = [
        // Broken JSON
        Case(path: "runs/create", body: "{", message: ""),
        Case(path: "runs/create", body: "{\"a\":1,}", message: ""),
        Case(path: "runs/create", body: "{} {}", message: ""),
        Case(path: "runs/create", body: "\u{FF}", message: ""),
        Case(path: "runs/create", body: String(repeating: "[", count: 100_000), message: ""),
        Case(path: "runs/create", body: "[]", message: "the request body must be a JSON object"),
        Case(path: "runs/create", body: "null", message: "the request body must be a JSON object"),
        // Wrong types
        Case(path: "experiments/create", body: "{\"name\":7}", message: "Invalid value 7 for parameter 'name' supplied\(typed("int"))"),
        Case(path: "runs/create", body: "{\"tags\":{}}", message: "Invalid value {} for parameter 'tags' supplied\(typed("dict"))"),
        Case(path: "runs/create", body: "{\"tags\":[1]}", message: "Invalid value 1 for parameter 'tags' supplied\(typed("int"))"),
        Case(path: "runs/create", body: "{\"start_time\":\"soon\"}", message: "Invalid value \"soon\" for parameter 'start_time' supplied\(typed("str"))"),
        Case(path: "runs/create", body: "{\"start_time\":1.5}", message: "Invalid value 1.5 for parameter 'start_time' supplied\(typed("float"))"),
        Case(path: "runs/log-metric", body: "{\"run_id\":\"x\",\"key\":\"k\",\"timestamp\":1,\"value\":\"much\"}", message: "Invalid value \"much\" for parameter 'value' supplied\(typed("str"))"),
        Case(path: "runs/update", body: "{\"run_id\":\"x\",\"status\":\"DONE\"}", message: "Invalid value \"DONE\" for parameter 'status' supplied."),
        // Missing parameters
        Case(path: "experiments/create", body: "{}", message: "Missing value for required parameter 'name'\(hint)"),
        Case(path: "experiments/create", body: "", message: "Missing value for required parameter 'name'\(hint)"),
        Case(path: "experiments/create", body: "{\"name\":null}", message: "Missing value for required parameter 'name'\(hint)"),
        Case(path: "runs/log-parameter", body: "{\"run_id\":\"x\"}", message: "Missing value for required parameter 'key'\(hint)"),
        Case(path: "runs/log-parameter", body: "{\"key\":\"x\"}", message: "Missing value for required parameter 'run_id'\(hint)"),
        Case(path: "runs/log-metric", body: "{\"run_id\":\"x\",\"key\":\"k\",\"timestamp\":1}", message: "Missing value for required parameter 'value'\(hint)"),
        Case(path: "runs/log-metric", body: "{\"run_id\":\"x\",\"key\":\"k\",\"value\":1}", message: "Missing value for required parameter 'timestamp'\(hint)"),
        Case(path: "model-versions/create", body: "{\"source\":\"s3://x\"}", message: "Missing value for required parameter 'name'\(hint)"),
        // Out of bounds
        Case(path: "runs/search", body: "{\"max_results\":50001}", message: "Invalid value 50001 for parameter 'max_results' supplied\(typed("int"))"),
        Case(path: "runs/search", body: "{\"max_results\":0}", message: "Invalid value 0 for parameter 'max_results' supplied. It must be a positive integer"),
        Case(path: "runs/search", body: "{\"page_token\":\"x\"}", message: "Invalid page token, could not parse 'x'"),
        Case(path: "runs/search", body: "{\"page_token\":\"-5\"}", message: "Invalid page token, could not parse '-5'"),
        Case(path: "runs/search", body: "{\"run_view_type\":\"SOME\"}", message: "Invalid view type 'SOME'"),
        Case(path: "runs/search", body: "{\"experiment_ids\":[\"0\"],\"filter\":\"metrics.auc >\"}", message: "Invalid clause(s) in filter string: 'metrics.auc', '>'"),
        // Not there, or there already
        Case(path: "runs/delete", body: "{\"run_id\":\"nope\"}", status: 404, code: "RESOURCE_DOES_NOT_EXIST", message: "Run with id=nope not found"),
        Case(path: "experiments/create", body: "{\"name\":\"Default\"}", code: "RESOURCE_ALREADY_EXISTS", message: "Experiment(name=Default) already exists."),
    ]

    @Test("Broken JSON, wrong types and missing parameters are answered with MLflow's code, status and words")
    func badRequests() async throws {
        try await withTrackingServer { url in
            for item in Self.cases {
                let (status, body) = try await post("\(url)/api/2.0/mlflow/\(item.path)", item.body)
                let what = "\(item.path) \(item.body.prefix(60)): \(status) \(body)"
                #expect(status == item.status, "\(what)")
                let answer = try JSONValue(parsing: body)
                #expect(answer["error_code"]?.stringValue == item.code, "\(what)")
                let message = try #require(answer["message"]?.stringValue)
                #expect(!message.isEmpty && message.hasPrefix(item.message), "\(what)")
            }
        }
    }

    @Test("A call that this server does not have is not found, and a GET without its parameter is refused")
    func others() async throws {
        try await withTrackingServer { url in
            #expect(try await post("\(url)/api/2.0/mlflow/traces/begin", "{}").status == 404)
            let (status, body) = try await send(URLRequest(url: try #require(URL(string: "\(url)/api/2.0/mlflow/runs/get"))))
            #expect(status == 400)
            #expect(try JSONValue(parsing: body)["message"]?.stringValue == "Missing value for required parameter 'run_id'\(Self.hint)")
        }
    }

    private func post(_ url: String, _ body: String) async throws -> (status: Int, body: String) {
        var request = URLRequest(url: try #require(URL(string: url)))
        request.httpMethod = "POST"
        request.httpBody = body == "\u{FF}" ? Data([0xFF]) : Data(body.utf8)
        return try await send(request)
    }

    private func send(_ request: URLRequest) async throws -> (status: Int, body: String) {
        var request = request
        request.timeoutInterval = 60
        let (data, response) = try await URLSession.shared.data(for: request)
        return ((response as? HTTPURLResponse)?.statusCode ?? 0, String(decoding: data, as: UTF8.self))
    }
}
