import Foundation
public import SlipwayCore
public import SlipwayInference

/// One replica of a Triton server, or of anything that speaks its protocol, in explicit mode.
///
/// Each version is a model of its own there, `<model>-v<version>` with its one version 1: Triton's loads
/// replace a model in place, so only a name of its own makes sure that a load disturbs no neighbour.
public struct TritonModelServer: ModelServer {
    private let wire: InferenceWire
    private let clock: any Clock<Duration>
    private let configuration: @Sendable (_ name: String) -> JSONValue

    /// - Parameters:
    ///   - url: `http://127.0.0.1:8000`, of this replica and not of a service in front of several.
    ///   - configuration: The model configuration that is sent with the files; by default ONNX Runtime,
    ///     which reads shapes and types from the graph.
    public init(
        url: String,
        connections: HTTPConnections,
        clock: any Clock<Duration> = ContinuousClock(),
        configuration: @escaping @Sendable (_ name: String) -> JSONValue = {
            ["name": .string($0), "backend": "onnxruntime", "max_batch_size": 0]
        }
    ) {
        self.wire = InferenceWire(peer: Peer(url, name: "model server \(url.withoutCredentials)", connections: connections, clock: clock))
        self.clock = clock
        self.configuration = configuration
    }

    public var address: String { wire.peer.address }

    public func load(_ version: ModelVersion, of model: ModelName, files: [String: String]) async throws {
        guard files["model.onnx"] != nil else {
            throw PlatformError(.invalidArgument, "version \(version) of '\(model)' has no 'model.onnx' to load")
        }
        let name = Self.name(version, model)
        // A version never changes: one that is ready needs no second load, which would interrupt it.
        if try await state(of: name)?.state == .ready { return }
        let body = try FileChunks(try parts(name, files), fileBytesMax: TritonLimits.fileBytesMax)
        try await wire.load(name, body: body, limit: TritonLimits.load)
        try await until("version \(version) of '\(model)' is not ready on \(wire.peer.name)", within: TritonLimits.ready) {
            try await wire.isReady(name)
        }
    }

    public func unload(_ version: ModelVersion, of model: ModelName) async throws {
        let name = Self.name(version, model)
        guard try await serves(name) else { return }
        do {
            try await wire.unload(name)
        } catch let error as PlatformError where error.code != .unavailable {
            // Somebody else may have been first.
            guard try await serves(name) else { return }
            throw error
        }
        // The answer comes at once, the end of what is in flight later.
        try await until("version \(version) of '\(model)' is still unloading on \(wire.peer.name)", within: TritonLimits.unload) {
            try await !serves(name)
        }
    }

    public func index() async throws -> [ServedVersion] {
        try await wire.index().compactMap { entry in
            guard let (model, version) = Self.parse(entry.name) else { return nil }
            return ServedVersion(model: model, version: version, state: entry.state, reason: entry.reason)
        }
    }

    public func infer(
        _ request: InferenceRequest,
        version: ModelVersion,
        of model: ModelName
    ) async throws -> InferenceResponse {
        let name = Self.name(version, model)
        var response = try await wire.infer(request, name: name, limit: TritonLimits.infer)
        guard response.model == name else {
            throw PlatformError(.corrupt, "\(wire.peer.name) was asked for '\(name)' and answered for '\(response.model.prefix(80))'")
        }
        response.model = model.text
        response.version = version
        return response
    }

    static func name(_ version: ModelVersion, _ model: ModelName) -> String { "\(model)-v\(version)" }

    /// The version that a name there stands for; `nil` for models that others have loaded.
    static func parse(_ name: String) -> (ModelName, ModelVersion)? {
        let parts = name.split(separator: "-v", omittingEmptySubsequences: false)
        guard parts.count > 1, let last = parts.last, let version = try? ModelVersion(String(last)),
            let model = try? ModelName(String(name.dropLast(last.count + 2)))
        else { return nil }
        return (model, version)
    }

    private func state(of name: String) async throws -> InferenceWire.IndexEntry? {
        try await wire.index().first { $0.name == name }
    }

    private func serves(_ name: String) async throws -> Bool {
        switch try await state(of: name)?.state {
        case .ready, .loading, .unloading: true
        case .unavailable, nil: false
        }
    }

    private func parts(_ name: String, _ files: [String: String]) throws -> [FileChunks.Part] {
        let config = JSONValue.string(configuration(name).canonicalText).canonicalText
        var parts: [FileChunks.Part] = [.text(#"{"parameters":{"config":\#(config)"#)]
        for (path, file) in files.sorted(by: { $0.key < $1.key }) {
            try MLflowRegistry.checkPath(path)
            parts.append(.text(#",\#(JSONValue.string("file:1/\(path)").canonicalText):""#))
            parts.append(.base64(file: file))
            parts.append(.text(#"""#))
        }
        parts.append(.text("}}"))
        return parts
    }

    private func until(_ complaint: String, within limit: Duration, _ holds: () async throws -> Bool) async throws {
        let attempts = max(1, Int(limit / TritonLimits.pause))
        for _ in 0..<attempts {
            if try await holds() { return }
            try await clock.sleep(for: TritonLimits.pause)
        }
        throw PlatformError(.unavailable, "\(complaint) after \(limit.milliseconds) ms")
    }
}

enum TritonLimits {
    /// The largest file that goes into a load: it is base64 inside JSON there.
    static let fileBytesMax: Int64 = 2 << 30
    static let load = Duration.seconds(300)
    static let ready = Duration.seconds(60)
    static let unload = Duration.seconds(60)
    static let infer = Duration.seconds(30)
    static let pause = Duration.milliseconds(50)
}

extension String {
    /// For names in messages.
    fileprivate var withoutCredentials: String {
        guard var parts = URLComponents(string: self) else { return "" }
        parts.user = nil
        parts.password = nil
        return parts.string ?? ""
    }
}
