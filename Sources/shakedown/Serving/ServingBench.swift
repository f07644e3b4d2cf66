import Foundation
import SlipwayInference
import SlipwayONNXRuntime
import SlipwayPipeline

/// The model server and the gateway beside what users have today, in one run on the same models.
///
/// Each group of targets is measured in interleaved rounds, so that whatever else the machine does falls on all of them.
struct ServingBench {
    let home: URL
    let rounds: Int
    let seconds: Int
    /// Ours and the limit servers only: what a check needs.
    let isShort: Bool
    /// Over gRPC alone.
    var isGRPCOnly = false

    private static let gatewayTarget = "slipway gateway"
    private static let copies = 1000

    func measure() throws -> ServingFigures {
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        let platform = try PlatformUnderTest.start(home: home, log: home.appending(path: "up.log"))
        Thread.sleep(forTimeInterval: 2)
        say("resident memory of an idle platform (tracking, model server, gateway, reconciler, pipeline engine): \(Int(platform.residentMiB)) MiB")
        let record = try platform.run("examples/tumor", ["quality=better"], isShown: false)
        try require(record.state == .succeeded, "the model to measure is not in service: \(record.summary)")
        let models = home.appending(path: "bench-models")
        try placeModels(models, graph: home.appending(path: "dev/models/tumor/1/model.onnx").path)
        let servers = try Servers(platform: platform, home: home, models: models)
        let rivals = Rivals(home: home, models: models)
        var figures = ServingFigures()
        let limits = try loops(models)
        figures["onnxruntime@1"].requestsPerSecond = [limits.boosting]
        figures["onnxruntime, batch 64@1"].requestsPerSecond = [limits.boosting64]

        let hello = try rivals.hello()
        let triton = isShort ? nil : try rivals.triton()
        if !isGRPCOnly { try inference(servers, rivals, hello: hello, triton: triton, into: &figures, limits: limits) }
        try grpc(servers, rivals, triton: triton, into: &figures)
        guard !isGRPCOnly else { return figures }
        try batches(servers, triton: triton, into: &figures, limits: limits)
        try proxies(servers, rivals, into: &figures)
        if let triton {
            try perceptron(servers, rivals, triton: triton, into: &figures, limits: limits)
            try growth(servers, hello: hello, into: &figures)
            try many(models)
        }
        return figures
    }

    // MARK: Groups

    private func inference(
        _ servers: Servers,
        _ rivals: Rivals,
        hello: Rivals.Running,
        triton: Rivals.Running?,
        into figures: inout ServingFigures,
        limits: Limits
    ) throws {
        var targets = [
            ours("slipway json", servers.modelServer, "/v2/models/tumor/infer", .json(rows: 1), servers.serve.id),
            ours("slipway binary", servers.modelServer, "/v2/models/tumor/infer", .binary(rows: 1), servers.serve.id),
            ours("platform json", servers.platformModelServer, "/v2/models/tumor/infer", .json(rows: 1), servers.platform.up.id),
            ours("\(Self.gatewayTarget) json", servers.gateway, "/v2/models/tumor/infer", .json(rows: 1), servers.platform.up.id),
            ours("\(Self.gatewayTarget) /predict", servers.gateway, "/predict", .instances(rows: 1), servers.platform.up.id),
            rival("bare SwiftNIO hello", hello, "/", .json(rows: 1)),
        ]
        var started: [Rivals.Running] = []
        defer { started.forEach { $0.end() } }
        if let triton {
            let plain = try rivals.fastAPI(model: "tumor", workers: 1, isTuned: false)
            let (one, two) = (try rivals.fastAPI(model: "tumor", workers: 1), try rivals.fastAPI(model: "tumor", workers: 2))
            let (mlserver, bentoml) = (try rivals.mlserver(), try rivals.bentoml())
            started = [plain, one, two, mlserver, bentoml]
            targets += [
                rival("triton json", triton, "/v2/models/tumor/infer", .json(rows: 1)),
                rival("triton binary", triton, "/v2/models/tumor/infer", .binary(rows: 1)),
                rival("fastapi", plain, "/predict", .instances(rows: 1)),
                rival("fastapi, uvloop", one, "/predict", .instances(rows: 1)),
                rival("fastapi, uvloop, 2 workers", two, "/predict", .instances(rows: 1)),
                rival("mlserver", mlserver, "/v2/models/tumor/infer", .json(rows: 1)),
                rival("bentoml", bentoml, "/predict", .instances(rows: 1)),
            ]
        }
        try group("gradient boosting, batch 1", targets, connections: isShort ? [64] : [1, 16, 64], into: &figures, limit: limits.boosting)
    }

    private func batches(_ servers: Servers, triton: Rivals.Running?, into figures: inout ServingFigures, limits: Limits) throws {
        var targets = [
            ours("slipway json, batch 64", servers.modelServer, "/v2/models/tumor/infer", .json(rows: 64), servers.serve.id),
            ours("slipway binary, batch 64", servers.modelServer, "/v2/models/tumor/infer", .binary(rows: 64), servers.serve.id),
        ]
        if let triton {
            targets += [
                rival("triton json, batch 64", triton, "/v2/models/tumor/infer", .json(rows: 64)),
                rival("triton binary, batch 64", triton, "/v2/models/tumor/infer", .binary(rows: 64)),
            ]
        }
        try group("gradient boosting, batch 64", targets, connections: [16], into: &figures, limit: limits.boosting64)
    }

    /// A gateway in front of a model server in another process.
    private func proxies(_ servers: Servers, _ rivals: Rivals, into figures: inout ServingFigures) throws {
        let upstream = servers.modelServer
        let gateway = try servers.upstreamGateway()
        let nginx = try rivals.nginx(upstream: upstream)
        var started = [nginx]
        defer { started.forEach { $0.end() } }
        var targets = [
            ours("slipway proxy", gateway.url, "/v2/models/tumor/infer", .json(rows: 1), gateway.child.id),
            rival("nginx proxy", nginx, "/v2/models/tumor/infer", .json(rows: 1)),
        ]
        if !isShort {
            let (aiohttp, httpx) = (try rivals.proxy("aiohttp", upstream: upstream), try rivals.proxy("httpx", upstream: upstream))
            started += [aiohttp, httpx]
            targets += [
                rival("fastapi aiohttp proxy", aiohttp, "/predict", .instances(rows: 1)),
                rival("fastapi httpx proxy", httpx, "/predict", .instances(rows: 1)),
            ]
        }
        try group("in front of another server (CPU and memory: the proxy's own)", targets, connections: isShort ? [64] : [1, 16, 64], into: &figures, limit: nil)
        try require(try gateway.child.stop() == 0, "the gateway did not stop cleanly")
    }

    private func perceptron(
        _ servers: Servers,
        _ rivals: Rivals,
        triton: Rivals.Running,
        into figures: inout ServingFigures,
        limits: Limits
    ) throws {
        let fastAPI = try rivals.fastAPI(model: "mlp", workers: 1)
        defer { fastAPI.end() }
        let targets = [
            ours("slipway json, mlp", servers.modelServer, "/v2/models/mlp/infer", .json(rows: 1), servers.serve.id),
            rival("triton json, mlp", triton, "/v2/models/mlp/infer", .json(rows: 1)),
            rival("fastapi, mlp", fastAPI, "/predict", .instances(rows: 1)),
        ]
        try group("perceptron 1024 x 1024, batch 1", targets, connections: [1, 16, 64], into: &figures, limit: limits.perceptron)
    }

    private func growth(_ servers: Servers, hello: Rivals.Running, into figures: inout ServingFigures) throws {
        let targets = [
            ours("slipway json", servers.modelServer, "/v2/models/tumor/infer", .json(rows: 1), servers.serve.id),
            rival("bare SwiftNIO hello", hello, "/", .json(rows: 1)),
        ]
        try group("growth", targets, connections: [256, 1024, 4096], into: &figures, limit: nil)
    }

    /// A thousand versions in one server: how long until all are ready, and what they take.
    private func many(_ models: URL) throws {
        let began = Date()
        let serve = try Servers.startServe(home: home.appending(path: "many-home"), repository: models.appending(path: "many"))
        let seconds = Date().timeIntervalSince(began)
        let socket = try HTTPSocket(url: serve.url)
        for number in stride(from: 0, to: Self.copies, by: 37) {
            let body = "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,4],\"datatype\":\"FP32\",\"data\":[\(number),1,2,3]}]}"
            let answer = try socket.post("/v2/models/tiny-\(number)/infer", headers: [:], body: Array(body.utf8))
            try require(answer.status == 200, "model tiny-\(number) answered \(answer.status)")
        }
        say("\n\(Self.copies) loaded models: ready in \(String(format: "%.1f", seconds)) s, resident \(Int(residentMemoryMiB(serve.child.id))) MiB")
        try require(try serve.child.stop() == 0, "the server of \(Self.copies) models did not stop cleanly")
    }

    // MARK: One group

    private func ours(_ name: String, _ url: String, _ path: String, _ request: LoadRequest, _ process: Int32) -> LoadTarget {
        LoadTarget(name: name, url: url + path, request: request, isOurs: true, processes: [process])
    }

    private func rival(_ name: String, _ running: Rivals.Running, _ path: String, _ request: LoadRequest) -> LoadTarget {
        LoadTarget(name: name, url: running.url + path, request: request, isOurs: false, processes: running.processes)
    }

    private func group(_ title: String, _ targets: [LoadTarget], connections: [Int], into figures: inout ServingFigures, limit: Double?) throws {
        let wrk = Wrk(folder: home)
        for target in targets {
            var warm = LoadFigures()
            try wrk.measure(target, connections: 4, seconds: 1, into: &warm)
            try require(warm.failures == 0, "'\(target.name)' answers with errors")
        }
        for count in connections {
            for _ in 0..<rounds {
                for target in targets { try wrk.measure(target, connections: count, seconds: seconds, into: &figures["\(target.name)@\(count)"]) }
            }
            show("\(title), \(count) connection\(count == 1 ? "" : "s")", targets, count, figures, limit: limit)
        }
    }

    func show(_ title: String, _ targets: [LoadTarget], _ connections: Int, _ figures: ServingFigures, limit: Double?) {
        say("\n\(title); medians of \(rounds) interleaved rounds of \(seconds) s")
        let columns = ["req/s", "p50 us", "p99 us", "CPU us", "MiB", "\(targets[0].name) is"]
        say("  " + "".padding(28) + columns.map { $0.padding(10) }.joined())
        let own = median(figures["\(targets[0].name)@\(connections)"].requestsPerSecond)
        for target in targets {
            let figure = figures["\(target.name)@\(connections)"]
            let rate = median(figure.requestsPerSecond)
            let cells = [rate, median(figure.p50), median(figure.p99), median(figure.microsecondsCPU), figure.residentMiB.max() ?? 0].map { "\(Int($0))".padding(10) }
            let failed = figure.failures > 0 ? "  \(figure.failures) failed" : ""
            say("  " + target.name.padding(28) + cells.joined() + String(format: "%.2f x", own / max(rate, 0.001)) + failed)
        }
        if let limit { say("  " + "ONNX Runtime in a loop".padding(28) + "\(Int(limit))".padding(10) + String(format: "%.1f", 1e6 / limit).padding(40) + String(format: "%.2f x", own / limit)) }
    }

    // MARK: Models and limits

    private func placeModels(_ folder: URL, graph: String) throws {
        let copies = isShort ? 0 : Self.copies
        let child = try Child(
            PlatformUnderTest.python,
            [PlatformUnderTest.packageRoot.appending(path: "Benchmarks/models.py").path, folder.path, graph, "\(copies)"],
            log: home.appending(path: "models.log")
        )
        try child.start()
        try require(try child.wait(seconds: 120) == 0, "the models could not be made: \(child.text.suffix(1000))")
    }

    /// Runs a second of each graph in a loop on one thread: what no server can beat on one core.
    struct Limits {
        var boosting = 0.0
        var boosting64 = 0.0
        var perceptron = 0.0
    }

    private func loops(_ models: URL) throws -> Limits {
        let library = ONNXRuntime.locateLibrary(folders: [PlatformUnderTest.packageRoot])
        let runtime = ONNXRuntime(libraryPath: library)
        func rate(_ model: String, rows: Int) throws -> Double {
            let session = try runtime.open(file: models.appending(path: "onnx/\(model)/1/model.onnx").path)
            let bytes = TensorBytes(count: 120 * rows)
            bytes.pointer.initializeMemory(as: Float.self, repeating: 1.5, count: 30 * rows)
            let input = Tensor(name: "input", type: .fp32, shape: [rows, 30], storage: .fixed(bytes))
            let outputs = session.signature.outputs.map(\.name)
            var rates: [Double] = []
            for _ in 0..<3 {
                let began = DispatchTime.now().uptimeNanoseconds
                var count = 0
                while DispatchTime.now().uptimeNanoseconds - began < 500_000_000 {
                    for _ in 0..<50 { _ = try session.run(inputs: [input], outputs: outputs) }
                    count += 50
                }
                rates.append(Double(count) / (Double(DispatchTime.now().uptimeNanoseconds - began) / 1e9))
            }
            return median(rates)
        }
        return Limits(boosting: try rate("tumor", rows: 1), boosting64: try rate("tumor", rows: 64), perceptron: try rate("mlp", rows: 1))
    }
}

/// The requests of the benchmark: rows of 30 numbers.
extension LoadRequest {
    private static func row(_ shift: Int) -> [Float] { (0..<30).map { Float($0) + 0.5 + Float(shift % 7) } }
    private static func numbers(_ rows: Int) -> String {
        (0..<rows).flatMap(row).map { "\($0)" }.joined(separator: ",")
    }

    static func json(rows: Int) -> LoadRequest {
        let body = "{\"inputs\":[{\"name\":\"input\",\"shape\":[\(rows),30],\"datatype\":\"FP32\",\"data\":[\(numbers(rows))]}]}"
        return LoadRequest(name: "json-\(rows)", headers: ["Content-Type": "application/json"], body: Array(body.utf8))
    }

    static func instances(rows: Int) -> LoadRequest {
        let body = "{\"instances\":[" + (0..<rows).map { "[\(row($0).map { "\($0)" }.joined(separator: ","))]" }.joined(separator: ",") + "]}"
        return LoadRequest(name: "instances-\(rows)", headers: ["Content-Type": "application/json"], body: Array(body.utf8))
    }

    /// Tensors as they lie in memory, both ways.
    static func binary(rows: Int) -> LoadRequest {
        let head = "{\"inputs\":[{\"name\":\"input\",\"shape\":[\(rows),30],\"datatype\":\"FP32\",\"parameters\":{\"binary_data_size\":\(rows * 120)}}],\"parameters\":{\"binary_data_output\":true}}"
        let data = (0..<rows).flatMap(row).flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
        return LoadRequest(
            name: "binary-\(rows)",
            headers: ["Content-Type": "application/octet-stream", "Inference-Header-Content-Length": "\(head.utf8.count)"],
            body: Array(head.utf8) + data
        )
    }
}
