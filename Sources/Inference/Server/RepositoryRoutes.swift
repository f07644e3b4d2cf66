import Foundation
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP
import SlipwayInference

/// Triton's model repository extension in explicit mode: index, load, unload.
struct RepositoryRoutes: Sendable {
    let control: ModelControl

    func add(to group: RouterGroup<PlatformRequestContext>) {
        group.post("index") { request, _ in
            try await answer(request, bytesMax: Limits.jsonBytesMax) { body in
                .array(try await index(onlyReady: body["ready"]?.boolValue ?? false))
            }
        }
        group.post("models/:model/load") { request, context in
            try await answer(request, bytesMax: ServingLimits.loadBytesMax) { body in
                let model = try context.parameters.require("model")
                let load = try LoadRequest(body["parameters"], model: model)
                try await control.load(model: try ModelName(model).text, load)
                return nil
            }
        }
        group.post("models/:model/unload") { request, context in
            try await answer(request, bytesMax: Limits.jsonBytesMax) { _ in
                try await control.unload(model: try context.parameters.require("model"))
                return nil
            }
        }
    }

    /// - Parameter handle: Answers the body; `nil` is an empty one.
    private func answer(
        _ request: Request,
        bytesMax: Int,
        _ handle: (JSONValue) async throws -> JSONValue?
    ) async throws -> Response {
        do {
            let buffer = try await request.body.collect(upTo: bytesMax)
            let body = buffer.readableBytes == 0 ? [:] : try JSONValue(parsing: buffer.readableBytesView)
            guard let answer = try await handle(body) else { return Response(status: .ok) }
            return Response(json: answer)
        } catch let error as PlatformError {
            return error.inferenceResponse.routed
        }
    }

    private func index(onlyReady: Bool) async throws -> [JSONValue] {
        let known = await control.index()
        var entries: [JSONValue] = known.filter { !onlyReady || $0.state == .ready }.map { entry in
            [
                "name": .string(entry.model), "version": .string("\(entry.version)"),
                "state": .string(entry.state.rawValue), "reason": .string(entry.reason),
            ]
        }
        guard !onlyReady else { return entries }
        let names = Set(known.map(\.model))
        for model in try control.repository.scan().keys.sorted() where !names.contains(model) {
            entries.append(["name": .string(model)])
        }
        return entries
    }
}

/// The parameters of a load.
struct LoadRequest: Sendable {
    enum Policy: Sendable {
        case latest(Int)
        case all
        case specific([ModelVersion])
    }

    let policy: Policy
    /// Version → the graph's bytes, sent along.
    let files: [ModelVersion: Data]

    init(_ parameters: JSONValue?, model: String) throws(PlatformError) {
        let members = parameters?.objectValue ?? [:]
        var files: [ModelVersion: Data] = [:]
        for (key, value) in members where key != "config" {
            guard key.hasPrefix("file:"), let text = value.stringValue else {
                throw PlatformError(.invalidArgument, "failed to load '\(model)': parameter '\(key)' is not supported")
            }
            let parts = key.dropFirst(5).split(separator: "/")
            guard parts.count == 2, parts[1] == "model.onnx", let data = Data(base64Encoded: text) else {
                throw PlatformError(.invalidArgument, "failed to load '\(model)': '\(key)' must be 'file:<version>/model.onnx' in base64")
            }
            files[try ModelVersion(String(parts[0]))] = data
        }
        guard files.isEmpty || members["config"] != nil else {
            throw PlatformError(.invalidArgument, "failed to load '\(model)': files are taken only together with 'config'")
        }
        self.files = files
        if let config = members["config"] {
            self.policy = try Self.policy(config, model: model)
        } else {
            self.policy = .latest(1)
        }
    }

    private static func policy(_ value: JSONValue, model: String) throws(PlatformError) -> Policy {
        guard let text = value.stringValue, let config = try JSONValue(parsing: text).objectValue else {
            throw PlatformError(.invalidArgument, "failed to load '\(model)': 'config' must be a JSON text")
        }
        for (key, value) in config {
            switch (key, value.stringValue) {
            case ("backend", "onnxruntime"?), ("platform", "onnxruntime_onnx"?), ("name", model?): continue
            case ("version_policy", _), ("input", _), ("output", _): continue
            case ("max_batch_size", _) where value.intValue == 0: continue
            default: throw PlatformError(.invalidArgument, "failed to load '\(model)': '\(key)' of 'config' is not supported with this value")
            }
        }
        guard let policy = config["version_policy"] else { return .latest(1) }
        if policy["all"] != nil { return .all }
        if let count = policy["latest"]?["num_versions"]?.intValue, count > 0 { return .latest(Int(clamping: count)) }
        if let versions = policy["specific"]?["versions"]?.arrayValue {
            var chosen: [ModelVersion] = []
            for version in versions { chosen.append(try ModelVersion(Int(clamping: version.intValue ?? 0))) }
            return .specific(chosen)
        }
        throw PlatformError(.invalidArgument, "failed to load '\(model)': unknown 'version_policy'")
    }
}

extension ModelControl {
    /// Triton's load: makes the versions that the policy chooses ready, each beside the others.
    ///
    /// Versions that the policy leaves out go on serving when the platform loaded them by number; the
    /// reconciler alone decides about those.
    func load(model: String, _ request: LoadRequest) async throws {
        for (version, data) in request.files { try await replace(version, of: model, with: data) }
        let available = try repository.versions(of: model)
        let chosen: [ModelVersion]
        switch request.policy {
        case .all: chosen = available
        case .latest(let count): chosen = Array(available.suffix(count))
        case .specific(let versions): chosen = versions
        }
        guard !chosen.isEmpty else {
            throw PlatformError(.notFound, "failed to load '\(model)': there is no version of it in the repository")
        }
        for version in chosen {
            do {
                try await load(version, of: model)
            } catch let error as PlatformError {
                throw PlatformError(error.code, "failed to load '\(model)' version \(version): \(error.message)", remedy: error.remedy, cause: error)
            }
        }
    }

    /// Unloads every version of the model; unknown models are fine, as with Triton.
    func unload(model: String) async throws {
        for entry in index() where entry.model == model { try await unload(entry.version, of: model) }
    }

    private func replace(_ version: ModelVersion, of model: String, with data: Data) async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "slipway-load-\(UUID().uuidString)")
        try data.write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        try await unload(version, of: model)
        try repository.put(["model.onnx": file.path], version: version, model: model)
    }
}
