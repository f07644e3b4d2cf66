import Foundation
import SlipwayCore

/// A tracking server as a process of its own: ours, or MLflow's to compare with.
final class TrackingUnderTest: @unchecked Sendable {
    let name: String
    let child: Child
    let url: String
    let readySeconds: Double

    private static let startSecondsMax = 90.0

    private init(name: String, child: Child, url: String, readySeconds: Double) {
        self.name = name
        self.child = child
        self.url = url
        self.readySeconds = readySeconds
    }

    static func slipway(home: URL, log: URL) throws -> TrackingUnderTest {
        let ports = home.appending(path: "ports.json")
        try? FileManager.default.removeItem(at: ports)
        let child = try Child(try PlatformUnderTest.program("slipway"), ["tracking", "--port", "0", "--home", home.path], log: log)
        let began = Date()
        try child.start()
        while true {
            let text = (try? String(contentsOf: ports, encoding: .utf8)) ?? ""
            if let port = try? JSONValue(parsing: text)["tracking"]?.intValue {
                return TrackingUnderTest(name: "slipway", child: child, url: "http://127.0.0.1:\(port)", readySeconds: Date().timeIntervalSince(began))
            }
            try require(child.process.isRunning, "'slipway tracking' ended: \(child.text.suffix(2000))")
            try require(Date().timeIntervalSince(began) < startSecondsMax, "'slipway tracking' was not ready: \(child.text.suffix(2000))")
            Thread.sleep(forTimeInterval: 0.005)
        }
    }

    /// One worker on SQLite: the fastest of its settings on such a machine.
    static func mlflow(home: URL, log: URL) throws -> TrackingUnderTest {
        let port = try HTTPSocket.freePort()
        let program = URL(filePath: PlatformUnderTest.python).deletingLastPathComponent().appending(path: "mlflow").path
        let child = try Child(
            program,
            [
                "server", "--host", "127.0.0.1", "--port", "\(port)", "--workers", "1",
                "--backend-store-uri", "sqlite:///\(home.path)/mlflow.db", "--serve-artifacts",
                "--artifacts-destination", home.appending(path: "artifacts").path,
            ],
            environment: PlatformUnderTest.childEnvironment.merging(["MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"]) { $1 },
            log: log
        )
        let began = Date()
        try child.start()
        let socket = try HTTPSocket(url: "http://127.0.0.1:\(port)")
        while true {
            if let answer = try? socket.send("GET", "/health"), answer.status == 200 {
                return TrackingUnderTest(name: "mlflow", child: child, url: "http://127.0.0.1:\(port)", readySeconds: Date().timeIntervalSince(began))
            }
            try require(child.process.isRunning, "'mlflow server' ended: \(child.text.suffix(2000))")
            try require(Date().timeIntervalSince(began) < startSecondsMax, "'mlflow server' was not ready: \(child.text.suffix(2000))")
            Thread.sleep(forTimeInterval: 0.05)
        }
    }

    /// Resident memory of the process and all below it, in MiB.
    var residentMiB: Double { Self.family(of: child.id).map(residentMemoryMiB).reduce(0, +) }

    /// Ends the process and all below it, at once: nothing is expected of it any more.
    func end() {
        for id in Self.family(of: child.id).reversed() { Foundation.kill(id, SIGKILL) }
        _ = try? child.wait(seconds: 10)
    }

    private static func family(of id: Int32) -> [Int32] {
        let children = (try? String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)) ?? ""
        return [id] + children.split(separator: " ").compactMap { Int32($0) }.flatMap { family(of: $0) }
    }
}

/// A connection that speaks MLflow REST, and fails on what is not 200.
struct TrackingClient {
    private let socket: HTTPSocket

    init(_ url: String) throws {
        socket = try HTTPSocket(url: url)
    }

    @discardableResult
    func post(_ path: String, _ body: JSONValue) throws -> JSONValue {
        try answer(try socket.post("/api/2.0/mlflow/\(path)", headers: [:], body: Array(body.canonicalText.utf8)), path)
    }

    @discardableResult
    func get(_ path: String) throws -> JSONValue {
        try answer(try socket.send("GET", "/api/2.0/mlflow/\(path)"), path)
    }

    /// Sends bytes that were made beforehand, and looks at nothing but the status: what is measured is the server.
    func send(_ method: String, _ path: String, _ body: [UInt8]) throws {
        let answer = try socket.send(method, "/api/2.0/mlflow/\(path)", body: body)
        guard answer.status == 200 else { throw Self.failure(answer, path) }
    }

    func put(artifact path: String, _ bytes: [UInt8]) throws {
        let answer = try socket.send("PUT", "/api/2.0/mlflow-artifacts/artifacts/\(path)", body: bytes)
        guard answer.status == 200 else { throw Self.failure(answer, path) }
    }

    /// The artifact's bytes; nil when there is none.
    func artifact(_ path: String) throws -> [UInt8]? {
        let answer = try socket.send("GET", "/api/2.0/mlflow-artifacts/artifacts/\(path)")
        if answer.status == 404 { return nil }
        guard answer.status == 200 else { throw Self.failure(answer, path) }
        return answer.body
    }

    private func answer(_ answer: HTTPSocket.Answer, _ path: String) throws -> JSONValue {
        guard answer.status == 200 else { throw Self.failure(answer, path) }
        return try JSONValue(parsing: answer.body)
    }

    private static func failure(_ answer: HTTPSocket.Answer, _ path: String) -> Difference {
        Difference("'\(path)' was answered \(answer.status): \(String(decoding: answer.body.prefix(300), as: UTF8.self))")
    }
}

/// Resident memory of one process, in MiB.
func residentMemoryMiB(_ id: Int32) -> Double {
    let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
    return (line?.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Double($0) } ?? 0) / 1024
}
