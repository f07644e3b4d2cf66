import Foundation
import NIOHTTP1
public import SlipwayCore

/// Airflow's REST API, version 2, as far as a run of ours needs it.
public actor AirflowClient {
    /// Who calls.
    public enum Login: Sendable {
        case token(String)
        case user(String, password: String)
    }

    private enum Bound {
        /// A token is asked for again this often before the login counts as refused.
        static let loginsMax = 2
    }

    private let url: String
    private let login: Login
    private let connections: HTTPConnections
    private var token: String?

    public init(url: String, login: Login, connections: HTTPConnections) {
        self.url = url
        self.login = login
        self.connections = connections
        if case .token(let text) = login { token = text }
    }

    /// How a DAG run stands.
    public struct Run: Sendable, Hashable {
        public let state: String

        public var isOver: Bool { state == "success" || state == "failed" }
    }

    public struct Task: Sendable, Hashable {
        public let name: String
        /// `nil`: not scheduled yet.
        public let state: String?
        public let attempt: Int
        public let seconds: Double?

        public var isOver: Bool {
            ["success", "failed", "skipped", "upstream_failed", "removed"].contains(state)
        }
    }

    /// Starts a DAG run; one that has this id already is left as it is.
    ///
    /// - Throws: `not_found` when there is no such DAG, `unauthenticated`, `permission_denied`.
    public func trigger(_ dag: String, run: String, configuration: JSONValue) async throws {
        let body: JSONValue = ["dag_run_id": .string(run), "logical_date": .null, "conf": configuration]
        do {
            _ = try await call(.POST, "/api/v2/dags/\(dag.urlEncoded)/dagRuns", body)
        } catch let error as PlatformError where error.code == .alreadyExists {
            // An attempt whose answer was lost.
        } catch let error as PlatformError where error.code == .notFound {
            throw PlatformError(
                .notFound,
                "Airflow has no DAG '\(dag)'",
                remedy: "check that lifecycle.py is in its DAG folder and finds the project's pipeline.yaml, and that the DAG has no import error",
                cause: error
            )
        }
    }

    public func run(_ dag: String, _ run: String) async throws -> Run {
        let answer = try await call(.GET, "/api/v2/dags/\(dag.urlEncoded)/dagRuns/\(run.urlEncoded)")
        guard let state = answer["state"]?.stringValue else { throw Self.strange("a DAG run has no state") }
        return Run(state: state)
    }

    /// The tasks of a DAG run, in the order in which they began.
    public func tasks(_ dag: String, _ run: String) async throws -> [Task] {
        let answer = try await call(.GET, "/api/v2/dags/\(dag.urlEncoded)/dagRuns/\(run.urlEncoded)/taskInstances?limit=\(Self.tasksMax)")
        guard let items = answer["task_instances"]?.arrayValue else { throw Self.strange("a DAG run has no tasks") }
        let dated = try items.map { item -> (String, Task) in
            guard let name = item["task_id"]?.stringValue else { throw Self.strange("a task has no id") }
            let task = Task(
                name: name,
                state: item["state"]?.stringValue,
                attempt: Int(clamping: item["try_number"]?.intValue ?? 0),
                seconds: item["duration"]?.doubleValue
            )
            return (item["start_date"]?.stringValue ?? "~", task)
        }
        return dated.enumerated().sorted { ($0.element.0, $0.offset) < ($1.element.0, $1.offset) }.map(\.element.1)
    }

    /// What a task has returned; `nil` when it has returned nothing.
    public func result(_ dag: String, _ run: String, task: String) async throws -> JSONValue? {
        let path = "/api/v2/dags/\(dag.urlEncoded)/dagRuns/\(run.urlEncoded)/taskInstances/\(task.urlEncoded)/xcomEntries/return_value?deserialize=false"
        do {
            let value = try await call(.GET, path)["value"]
            // Kept as text by some back ends.
            if let text = value?.stringValue { return try? JSONValue(parsing: text) }
            return value
        } catch let error as PlatformError where error.code == .notFound {
            return nil
        }
    }

    private static let tasksMax = 500

    private func call(_ method: HTTPMethod, _ target: String, _ body: JSONValue? = nil) async throws -> JSONValue {
        for _ in 0..<Bound.loginsMax {
            let peer = Peer(url, name: "Airflow", headers: [(name: "authorization", value: "Bearer \(try await bearer())")], connections: connections)
            let answer = try await peer.call(body.map { PeerRequest(method, target, json: $0) } ?? PeerRequest(method, target))
            if answer.status == 401, case .user = login {
                // Tokens end after a day.
                token = nil
                continue
            }
            return try Self.json(answer)
        }
        throw PlatformError(.unauthenticated, "Airflow takes no token that it has just given")
    }

    private func bearer() async throws -> String {
        if let token { return token }
        guard case .user(let name, let password) = login else { throw PlatformError(.unauthenticated, "there is no token for Airflow") }
        let peer = Peer(url, name: "Airflow", connections: connections)
        let answer = try await peer.call(
            PeerRequest(.POST, "/auth/token", json: ["username": .string(name), "password": .string(password)])
        )
        guard answer.isSuccess else {
            throw PlatformError(
                answer.status < 500 ? .unauthenticated : .unavailable,
                "Airflow gave user '\(name)' no token: it answered \(answer.status)",
                remedy: "check SLIPWAY_AIRFLOW_USER and SLIPWAY_AIRFLOW_PASSWORD"
            )
        }
        guard let text = try Self.json(answer)["access_token"]?.stringValue else { throw Self.strange("the login has no token") }
        token = text
        return text
    }

    private static func json(_ answer: PeerAnswer) throws -> JSONValue {
        guard answer.isSuccess else {
            let detail = (try? JSONValue(parsing: answer.body))?["detail"]
            let said = detail?.stringValue ?? detail?["reason"]?.stringValue ?? detail?.canonicalText ?? answer.said
            let code: PlatformError.Code = answer.status == 409 ? .alreadyExists : PlatformError.code(status: answer.status)
            throw PlatformError(code, "Airflow answered \(answer.status): \(said.prefix(500))")
        }
        do {
            return try JSONValue(parsing: answer.body)
        } catch {
            throw PlatformError(.unavailable, "what answers is not Airflow: \(answer.said)", cause: error)
        }
    }

    private static func strange(_ what: String) -> PlatformError {
        PlatformError(.unexpected, "Airflow's answer cannot be used: \(what)")
    }
}
