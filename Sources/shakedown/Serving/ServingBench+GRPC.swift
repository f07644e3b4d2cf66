import Foundation
import SlipwayStorage

extension ServingBench {
    private struct Entry {
        let target: LoadTarget
        let port: Int
        let load: GRPCLoad
    }

    /// One unary call over gRPC: ours, the gateway's, Triton's and, where it is built, grpc-swift-2's.
    func grpc(_ servers: Servers, _ rivals: Rivals, triton: Rivals.Running?, into figures: inout ServingFigures) throws {
        var entries: [Entry] = []
        func add(_ name: String, port: Int?, isOurs: Bool, _ processes: [Int32], rows: Int = 1, streams: Int = 1) {
            guard let port else { return }
            let target = LoadTarget(name: name, url: "127.0.0.1:\(port)", request: LoadRequest(name: name, body: []), isOurs: isOurs, processes: processes)
            entries.append(Entry(target: target, port: port, load: .infer(model: "tumor", rows: rows, streams: streams)))
        }
        let gateway = servers.platform.endpoints.gatewayGRPC?.split(separator: ":").last.flatMap { Int($0) }
        let rival = isShort ? nil : try rivals.grpcSwift()
        defer { rival?.end() }
        add("slipway grpc", port: servers.grpcPort, isOurs: true, [servers.serve.id])
        add("slipway gateway grpc", port: gateway, isOurs: true, [servers.platform.up.id])
        if let triton { add("triton grpc", port: triton.grpcPort, isOurs: false, triton.processes) }
        if let rival { add("grpc-swift-2", port: rival.grpcPort, isOurs: false, rival.processes) }
        try measure("gRPC, gradient boosting, batch 1", entries, connections: isShort ? [64] : [1, 16, 64], into: &figures)
        guard !isShort else { return }
        entries.removeAll()
        add("slipway grpc, 16 calls each", port: servers.grpcPort, isOurs: true, [servers.serve.id], streams: 16)
        if let triton { add("triton grpc, 16 calls each", port: triton.grpcPort, isOurs: false, triton.processes, streams: 16) }
        if let rival { add("grpc-swift-2, 16 calls each", port: rival.grpcPort, isOurs: false, rival.processes, streams: 16) }
        try measure("gRPC, gradient boosting, batch 1, 16 calls at a time on each", entries, connections: [4], into: &figures)
        entries.removeAll()
        add("slipway grpc, batch 64", port: servers.grpcPort, isOurs: true, [servers.serve.id], rows: 64)
        if let triton { add("triton grpc, batch 64", port: triton.grpcPort, isOurs: false, triton.processes, rows: 64) }
        if let rival { add("grpc-swift-2, batch 64", port: rival.grpcPort, isOurs: false, rival.processes, rows: 64) }
        try measure("gRPC, gradient boosting, batch 64", entries, connections: [16], into: &figures)
    }

    private func measure(_ title: String, _ entries: [Entry], connections: [Int], into figures: inout ServingFigures) throws {
        guard !entries.isEmpty else { return }
        for entry in entries {
            var warm = LoadFigures()
            try entry.load.measure(entry.target, port: entry.port, connections: 4, seconds: 1, into: &warm)
            try require(warm.failures == 0, "'\(entry.target.name)' answers with errors")
        }
        for count in connections {
            for _ in 0..<rounds {
                for entry in entries {
                    let key = "\(entry.target.name)@\(count)"
                    try entry.load.measure(entry.target, port: entry.port, connections: count, seconds: seconds, into: &figures[key])
                }
            }
            show("\(title), \(count) connection\(count == 1 ? "" : "s")", entries.map(\.target), count, figures, limit: nil)
        }
    }
}

extension Rivals {
    /// A server on grpc-swift-2 as it comes; `nil` where `Benchmarks/grpc-rival` is not built.
    func grpcSwift() throws -> Running? {
        let program = PlatformUnderTest.packageRoot.appending(path: "Benchmarks/grpc-rival/.build/release/grpc-rival").path
        guard FileManager.default.isExecutableFile(atPath: program) else { return nil }
        let port = try HTTPSocket.freePort()
        let child = try Child(
            program,
            ["\(port)", models.appending(path: "onnx/tumor/1/model.onnx").path],
            log: home.appending(path: "grpc-rival.log")
        )
        try child.start()
        let began = Date()
        let load = GRPCLoad.infer(model: "tumor", rows: 1)
        while true {
            if let outcome = try? load.run(port: port, connections: 1, seconds: 1), !outcome.times.isEmpty, outcome.failures == 0 {
                return Running(url: "127.0.0.1:\(port)", child: child, grpcPort: port)
            }
            try require(child.process.isRunning && Date().timeIntervalSince(began) < 60, "grpc-swift-2 did not start: \(child.text.suffix(1000))")
            Thread.sleep(forTimeInterval: 0.2)
        }
    }
}
