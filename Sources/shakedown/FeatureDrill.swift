import Foundation
import SlipwayCore
import SlipwayStorage

/// Real features in the real feature store of a platform under test.
struct FeatureDrill {
    private static let applySeconds = 180.0
    static let patients = [1, 2, 3]

    let platform: PlatformUnderTest
    let tree: URL

    private func status() throws -> JSONValue {
        let answer = try platform.command(["optional", "status", "--local", "--output", "json"])
        let line = answer.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? ""
        return try JSONValue(parsing: String(line))
    }

    private func awaiting(_ phase: String, seconds: Double) throws {
        let deadline = Date().addingTimeInterval(seconds)
        while true {
            let running = try status()["running"]
            if running?["phase"]?.stringValue == phase { return }
            try require(Date() < deadline, "the feature store is not \(phase) within \(Int(seconds)) s: \(running?.canonicalText ?? "")")
            Thread.sleep(forTimeInterval: 0.3)
        }
    }

    func awaitServing(seconds: Double) throws { try awaiting("serving", seconds: seconds) }
    func awaitDetached(seconds: Double) throws { try awaiting("detached", seconds: seconds) }

    /// Registers the example's feature views, and computes their values into Redis.
    func fill() throws {
        let state = try status()
        guard let store = state["store"]?.stringValue else { throw Difference("'slipway optional status' names no store") }
        let feast = ProcessInfo.processInfo.environment["SLIPWAY_FEAST"] ?? PlatformUnderTest.packageRoot.appending(path: ".venv-feast/bin/feast").path
        let python = URL(filePath: feast).deletingLastPathComponent().appending(path: "python").path
        let definitions = tree.appending(path: "examples/features")
        try run(python, ["make_data.py"], in: definitions)
        try run(feast, ["-f", store, "apply"], in: definitions)
        try run(feast, ["-f", store, "materialize", "2020-01-01T00:00:00", "2030-01-01T00:00:00"], in: definitions)
    }

    private func run(_ program: String, _ arguments: [String], in folder: URL) throws {
        let log = platform.home.appending(path: "features-\(UUID().uuidString).log")
        let child = try Child(program, arguments, environment: ["FEAST_USAGE": "False"], folder: folder, log: log)
        try child.start()
        try require(try child.wait(seconds: Self.applySeconds) == 0, "'\(URL(filePath: program).lastPathComponent) \(arguments.joined(separator: " "))' failed: \(child.text.suffix(1500))")
    }

    /// The values of the example's feature service, as Feast answers them.
    func values() throws -> [JSONValue] {
        guard let url = try status()["running"]?["url"]?.stringValue else { throw Difference("the feature store has no address") }
        let body: JSONValue = ["feature_service": "tumor", "entities": ["patient_id": .array(Self.patients.map { .int(Int64($0)) })]]
        // Feast reads its registry again within seconds of 'apply'.
        let deadline = Date().addingTimeInterval(60)
        while true {
            let socket = try HTTPSocket(url: url)
            let answer = try socket.post("/get-online-features", headers: [:], body: body.canonicalBytes)
            let json = try? JSONValue(parsing: answer.body)
            if answer.status == 200, let results = json?["results"]?.arrayValue, let names = json?["metadata"]?["feature_names"]?.arrayValue {
                let table = zip(names.compactMap(\.stringValue), results).sorted { $0.0 < $1.0 }
                return table.filter { $0.0 != "patient_id" }.flatMap { $0.1["values"]?.arrayValue ?? [] }
            }
            try require(Date() < deadline, "Feast answers \(answer.status): \(String(decoding: answer.body.prefix(500), as: UTF8.self))")
            Thread.sleep(forTimeInterval: 0.5)
        }
    }
}
