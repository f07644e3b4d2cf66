import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import SlipwayCore
import SlipwayHTTP

/// Triton's model repository extension in explicit mode: index, load, unload.
struct RepositoryRoutes: Sendable {
    let administration: ModelAdministration

    func add(to group: RouterGroup<PlatformRequestContext>) {
        group.post("index") { request, _ in
            try await answer(request, bytesMax: Limits.jsonBytesMax) { body in
                let onlyReady = try flag("ready", in: body)
                return .array(try await administration.index(onlyReady: onlyReady).map(ServerMetadata.json))
            }
        }
        group.post("models/:model/load") { request, context in
            try await answer(request, bytesMax: ServingLimits.loadBytesMax) { body in
                let model = try context.parameters.require("model")
                let (config, files) = try loadParameters(body["parameters"], model: model)
                try await administration.load(model: model, config: config, files: files)
                return nil
            }
        }
        group.post("models/:model/unload") { request, context in
            try await answer(request, bytesMax: Limits.jsonBytesMax) { body in
                let model = try context.parameters.require("model")
                let withDependents = try flag("unload_dependents", in: body["parameters"] ?? [:])
                try await administration.unload(model: model, withDependents: withDependents)
                return nil
            }
        }
    }

    private func flag(_ name: String, in body: JSONValue) throws(PlatformError) -> Bool {
        guard let value = body[name] else { return false }
        guard let flag = value.boolValue else { throw PlatformError(.invalidArgument, "Invalid value for '\(name)': expected a boolean") }
        return flag
    }

    private func loadParameters(_ parameters: JSONValue?, model: String) throws(PlatformError) -> (String?, [String: Data]) {
        var config: String?
        var files: [String: Data] = [:]
        for (key, value) in parameters?.objectValue ?? [:] {
            guard let text = value.stringValue else {
                throw PlatformError(.invalidArgument, "parameter '\(key.prefix(200))' must be a text").failedLoad(of: model)
            }
            if key == "config" {
                config = text
            } else if key.hasPrefix("file:") {
                guard let data = Data(base64Encoded: text) else {
                    throw PlatformError(.invalidArgument, "parameter '\(key.prefix(200))' is not base64").failedLoad(of: model)
                }
                files[key] = data
            } else {
                throw PlatformError(.invalidArgument, "parameter '\(key.prefix(200))' is not supported").failedLoad(of: model)
            }
        }
        return (config, files)
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
            guard let answer = try await handle(body) else { return Response(status: .ok, headers: [.contentType: "application/json"]) }
            return Response(json: answer)
        } catch let error as PlatformError {
            return error.inferenceResponse.routed
        } catch is NIOTooManyBytesError {
            var refusal = PlatformError(
                .exhausted, "request JSON size exceeds the maximum allowed input size of \(bytesMax) bytes"
            ).inferenceResponse
            refusal.status = .contentTooLarge
            return refusal.routed
        }
    }
}
