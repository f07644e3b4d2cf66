import Foundation
import SlipwayInference
import SlipwayONNXRuntime
import SlipwayPipeline
import SlipwayStorage

/// Requests a second of the gateway and the model server, beside the arrangements that users have today.
struct ServingSpeed {
    let home: URL
    let rounds: Int
    let seconds: Int

    private struct Target {
        let name: String
        let url: String
        let script: URL
        let isOurs: Bool
        /// Processes whose CPU time a request costs.
        let processes: [Int32]
    }

    private struct Figures {
        var requestsPerSecond: [Double] = []
        var p50: [Double] = []
        var p99: [Double] = []
        var microsecondsCPU: [Double] = []
    }

    func measure() throws {
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        let platform = try PlatformUnderTest.start(home: home, log: home.appending(path: "up.log"))
        let record = try platform.run("examples/tumor", ["quality=better"], isShown: false)
        try require(record.state == .succeeded, "the model to measure is not in service: \(record.summary)")
        let model = home.appending(path: "dev/models/tumor/1/model.onnx")
        let (directPort, proxyPort) = (try HTTPSocket.freePort(), try HTTPSocket.freePort())
        let direct = try rival("direct", ["MODEL": model.path], port: directPort)
        let proxy = try rival("proxy", ["UPSTREAM": platform.endpoints.modelServer ?? ""], port: proxyPort)

        let row = "[" + (0..<30).map { "\(Double($0) + 0.5)" }.joined(separator: ",") + "]"
        let instances = try script("instances", body: "{\"instances\":[\(row)]}")
        let tensor = try script("v2", body: "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,30],\"datatype\":\"FP32\",\"data\":\(row)}]}")
        let gateway = platform.endpoints.gateway ?? ""
        let server = platform.endpoints.modelServer ?? ""
        let targets = [
            Target(name: "slipway gateway /predict", url: "\(gateway)/predict", script: instances, isOurs: true, processes: [platform.up.id]),
            Target(name: "slipway gateway /v2 infer", url: "\(gateway)/v2/models/tumor/infer", script: tensor, isOurs: true, processes: [platform.up.id]),
            Target(name: "slipway model server /v2 infer", url: "\(server)/v2/models/tumor/infer", script: tensor, isOurs: true, processes: [platform.up.id]),
            Target(name: "FastAPI + onnxruntime", url: "http://127.0.0.1:\(directPort)/predict", script: instances, isOurs: false, processes: [direct.id]),
            Target(name: "FastAPI + httpx -> v2 server", url: "http://127.0.0.1:\(proxyPort)/predict", script: instances, isOurs: false, processes: [proxy.id, platform.up.id]),
        ]
        for target in targets { try warm(target) }
        let limit = try loop(model)
        for connections in [1, 16, 64] {
            var figures = [Figures](repeating: Figures(), count: targets.count)
            for _ in 0..<rounds {
                for (index, target) in targets.enumerated() { try measure(target, connections: connections, into: &figures[index]) }
            }
            show(connections, targets, figures, limit: limit)
        }
        say("resident memory: slipway up (tracking, model server, gateway, reconciler, pipeline engine) \(Int(platform.residentMiB)) MiB")
    }

    private func rival(_ name: String, _ environment: [String: String], port: Int) throws -> Child {
        let child = try Child(
            PlatformUnderTest.python,
            ["-m", "uvicorn", "\(name):app", "--port", "\(port)", "--workers", "1", "--no-access-log", "--log-level", "warning"],
            environment: environment,
            folder: PlatformUnderTest.packageRoot.appending(path: "Benchmarks/rivals"),
            log: home.appending(path: "\(name).log")
        )
        try child.start()
        let began = Date()
        while true {
            if let socket = try? HTTPSocket(url: "http://127.0.0.1:\(port)"), (try? socket.post("/", headers: [:], body: [])) != nil { return child }
            try require(child.process.isRunning && Date().timeIntervalSince(began) < 30, "rival '\(name)' did not start: \(child.text.suffix(1000))")
            Thread.sleep(forTimeInterval: 0.1)
        }
    }

    private func script(_ name: String, body: String) throws -> URL {
        let file = home.appending(path: "\(name).lua")
        let text = "wrk.method = \"POST\"\nwrk.headers[\"Content-Type\"] = \"application/json\"\nwrk.body = [==[\(body)]==]\n"
        try text.write(to: file, atomically: true, encoding: .utf8)
        return file
    }

    private func warm(_ target: Target) throws {
        let output = try wrk(target, connections: 4, seconds: 1)
        try require(!output.contains("Non-2xx"), "'\(target.name)' answers with errors:\n\(output)")
    }

    private func wrk(_ target: Target, connections: Int, seconds: Int) throws -> String {
        let log = home.appending(path: "wrk.log")
        let child = try Child(
            "/usr/bin/wrk",
            ["-t1", "--timeout", "10s", "-c\(connections)", "-d\(seconds)s", "--latency", "-s", target.script.path, target.url],
            log: log
        )
        try child.start()
        try require(try child.wait(seconds: Double(seconds) + 20) == 0, "wrk failed: \(child.text)")
        return child.text
    }

    private func measure(_ target: Target, connections: Int, into figures: inout Figures) throws {
        let before = target.processes.map(processCPUSeconds).reduce(0, +)
        let output = try wrk(target, connections: connections, seconds: seconds)
        let used = target.processes.map(processCPUSeconds).reduce(0, +) - before
        // A rival may time out under load, and its figures then say so; ours may not.
        try require(!target.isOurs || !(output.contains("Non-2xx") || output.contains("Socket errors")), "'\(target.name)' failed requests:\n\(output)")
        guard let rate = number(after: "Requests/sec:", in: output), let p50 = time(after: "50%", in: output), let p99 = time(after: "99%", in: output),
            let count = output.split(separator: "\n").first(where: { $0.contains("requests in") })?.split(separator: " ").first.flatMap({ Double($0) })
        else { throw Difference("wrk's output is not understood:\n\(output)") }
        figures.requestsPerSecond.append(rate)
        figures.p50.append(p50)
        figures.p99.append(p99)
        figures.microsecondsCPU.append(used / max(count, 1) * 1e6)
    }

    private func number(after label: String, in text: String) -> Double? {
        text.range(of: label).flatMap { Double(text[$0.upperBound...].split(whereSeparator: \.isWhitespace).first ?? "") }
    }

    /// In microseconds.
    private func time(after label: String, in text: String) -> Double? {
        // At the beginning of a line: a share of requests may end in the same signs.
        let lines = text.split(separator: "\n").map { $0.split(whereSeparator: \.isWhitespace) }
        guard let line = lines.first(where: { $0.first.map(String.init) == label }), line.count > 1 else { return nil }
        let word = line[1]
        for (unit, factor) in [("us", 1.0), ("ms", 1e3), ("s", 1e6)] where word.hasSuffix(unit) {
            return Double(word.dropLast(unit.count)).map { $0 * factor }
        }
        return nil
    }

    /// The model alone, in a loop on one thread: what no server can beat on one core.
    private func loop(_ model: URL) throws -> Double {
        let library = ONNXRuntime.locateLibrary(folders: [PlatformUnderTest.packageRoot])
        let session = try ONNXRuntime(libraryPath: library).open(file: model.path)
        let bytes = TensorBytes(count: 120)
        bytes.pointer.initializeMemory(as: Float.self, repeating: 1.5, count: 30)
        let input = Tensor(name: "input", type: .fp32, shape: [1, 30], storage: .fixed(bytes))
        var rates: [Double] = []
        for _ in 0..<rounds {
            let began = DispatchTime.now().uptimeNanoseconds
            var count = 0
            while DispatchTime.now().uptimeNanoseconds - began < 1_000_000_000 {
                for _ in 0..<100 { _ = try session.run(inputs: [input], outputs: ["label", "probabilities"]) }
                count += 100
            }
            rates.append(Double(count) / (Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9))
        }
        return median(rates)
    }

    private func show(_ connections: Int, _ targets: [Target], _ figures: [Figures], limit: Double) {
        say("\n\(connections) connection\(connections == 1 ? "" : "s"), batch 1, medians of \(rounds) interleaved rounds of \(seconds) s")
        say("  " + "".padding(32) + "req/s".padding(10) + "p50 us".padding(10) + "p99 us".padding(10) + "CPU us".padding(10) + "gateway /predict is")
        let own = median(figures[0].requestsPerSecond)
        for (target, figure) in zip(targets, figures) {
            let rate = median(figure.requestsPerSecond)
            let cells = [rate, median(figure.p50), median(figure.p99), median(figure.microsecondsCPU)].map { "\(Int($0))".padding(10) }
            say("  " + target.name.padding(32) + cells.joined() + String(format: "%.2f x", own / rate))
        }
        say("  " + "ONNX Runtime in a loop (limit)".padding(32) + "\(Int(limit))".padding(10) + "\(Int(1e6 / limit))".padding(30) + String(format: "%.2f x", own / limit))
    }
}
