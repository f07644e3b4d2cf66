import Foundation

/// The servers that users have today, started on free ports.
struct Rivals {
    private static let readySecondsMax = 120.0

    let home: URL
    /// Repositories made by `Benchmarks/models.py`.
    let models: URL

    private var folder: URL { PlatformUnderTest.packageRoot.appending(path: "Benchmarks/rivals") }
    private var environments: URL { PlatformUnderTest.packageRoot.appending(path: ".tools/rivals") }

    struct Running {
        let url: String
        let child: Child
        /// The port of its gRPC listener, if it has one.
        var grpcPort: Int?

        /// It and all processes below it.
        var processes: [Int32] { processTree(child.id) }

        /// Ends it, and the workers that a server may leave behind.
        func end() {
            let all = processes
            if (try? child.stop()) == nil { child.kill() }
            for id in all where id != child.id { kill(id, SIGKILL) }
        }
    }

    /// FastAPI, orjson and onnxruntime in one process, or several.
    ///
    /// - Parameter isTuned: With uvloop and httptools; without, as `pip install fastapi uvicorn` leaves it.
    func fastAPI(model: String, workers: Int, isTuned: Bool = true) throws -> Running {
        try uvicorn("direct", ["MODEL": graph(model)], workers: workers, isTuned: isTuned, name: "fastapi-\(model)-\(workers)-\(isTuned)")
    }

    func proxy(_ client: String, upstream: String) throws -> Running {
        try uvicorn("proxy_\(client)", ["UPSTREAM": upstream, "MODEL": "tumor"], workers: 1, isTuned: true, name: client)
    }

    func triton() throws -> Running {
        let ports = try (0..<3).map { _ in try HTTPSocket.freePort() }
        let arguments = [folder.appending(path: "triton/start.sh").path, environment("triton"), home.appending(path: "triton").path, models.appending(path: "triton").path]
        var running = try start("triton", "/bin/bash", arguments + ports.map(String.init), port: ports[0], ready: "/v2/models/mlp/ready")
        running.grpcPort = ports[1]
        return running
    }

    func mlserver() throws -> Running {
        let ports = try (0..<3).map { _ in try HTTPSocket.freePort() }
        let arguments = [folder.appending(path: "mlserver/start.sh").path, environment("mlserver"), home.appending(path: "mlserver").path, graph("tumor")]
        return try start("mlserver", "/bin/bash", arguments + ports.map(String.init), port: ports[0], ready: "/v2/models/tumor/ready")
    }

    func bentoml() throws -> Running {
        let port = try HTTPSocket.freePort()
        return try start(
            "bentoml",
            "\(environment("bentoml"))/bin/bentoml",
            ["serve", "bentoml_service:Classifier", "--host", "127.0.0.1", "--port", "\(port)"],
            environment: ["MODEL": graph("tumor"), "BENTOML_DO_NOT_TRACK": "True"],
            port: port,
            ready: "/readyz"
        )
    }

    func nginx(upstream: String) throws -> Running {
        let port = try HTTPSocket.freePort()
        let work = home.appending(path: "nginx")
        try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
        let text = try String(contentsOf: folder.appending(path: "nginx.conf"), encoding: .utf8)
            .replacing("PORT", with: "\(port)").replacing("UPSTREAM", with: upstream.replacing("http://", with: ""))
        let file = work.appending(path: "nginx.conf")
        try text.write(to: file, atomically: true, encoding: .utf8)
        return try start("nginx", "/usr/sbin/nginx", ["-p", work.path, "-c", file.path], port: port, ready: "/v2/health/live")
    }

    func hello() throws -> Running {
        let port = try HTTPSocket.freePort()
        return try start("hello", PlatformUnderTest.program("shakedown"), ["hello", "--port", "\(port)"], port: port, ready: "/")
    }

    private func graph(_ model: String) -> String { models.appending(path: "onnx/\(model)/1/model.onnx").path }
    private func environment(_ name: String) -> String { environments.appending(path: name).path }

    private func uvicorn(_ app: String, _ environment: [String: String], workers: Int, isTuned: Bool, name: String) throws -> Running {
        let port = try HTTPSocket.freePort()
        let stack = isTuned ? ["--loop", "uvloop", "--http", "httptools"] : ["--loop", "asyncio", "--http", "h11"]
        let options = ["--port", "\(port)", "--workers", "\(workers)", "--no-access-log", "--log-level", "warning"] + stack
        return try start(name, PlatformUnderTest.python, ["-m", "uvicorn", "\(app):app"] + options, environment: environment, port: port, ready: "/")
    }

    private func start(
        _ name: String,
        _ program: String,
        _ arguments: [String],
        environment: [String: String] = [:],
        port: Int,
        ready: String
    ) throws -> Running {
        let child = try Child(program, arguments, environment: environment, folder: folder, log: home.appending(path: "\(name).log"))
        try child.start()
        let url = "http://127.0.0.1:\(port)"
        let began = Date()
        while true {
            // Any answer will do where there is no question to ask; a model server must say that it is ready.
            if let socket = try? HTTPSocket(url: url), let answer = try? socket.send("GET", ready), ready == "/" || answer.status == 200 {
                return Running(url: url, child: child)
            }
            let seconds = Date().timeIntervalSince(began)
            try require(child.process.isRunning && seconds < Self.readySecondsMax, "rival '\(name)' did not start: \(child.text.suffix(1000))")
            Thread.sleep(forTimeInterval: 0.1)
        }
    }
}

/// A process and all its descendants.
func processTree(_ root: Int32) -> [Int32] {
    var children: [Int32: [Int32]] = [:]
    for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
        guard let id = Int32(name), let text = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { continue }
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        guard fields.count > 2, let parent = Int32(fields[2]) else { continue }
        children[parent, default: []].append(id)
    }
    var tree: [Int32] = []
    var pending = [root]
    while let id = pending.popLast() {
        tree.append(id)
        pending += children[id] ?? []
    }
    return tree
}
