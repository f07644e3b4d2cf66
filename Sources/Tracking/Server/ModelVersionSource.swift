import Foundation
import SlipwayCore
import SlipwayTracking

/// What a new version may be made of, and what it inherits.
///
/// A source names artifacts of a run, a logged model or another version, or lies outside; what it names must
/// be what the request says it is, so that no version can claim the artifacts of somebody else's run.
struct ModelVersionSource: Sendable {
    let store: any TrackingStore

    struct Resolved: Sendable {
        var source: String
        var runID: String
        var modelID: String?
    }

    func resolve(_ source: String, runID: String?, modelID: String?, isPrompt: Bool) async throws -> Resolved {
        // Prompts have no artifacts: their source is a placeholder.
        guard !isPrompt else { return Resolved(source: source, runID: runID ?? "", modelID: nil) }
        if source.hasPrefix("http:") || source.hasPrefix("https:") || source.hasPrefix("ftp:") || source.hasPrefix("sftp:") {
            throw PlatformError(
                .invalidArgument,
                "'source' cannot use the '\(source.prefix { $0 != ":" })' scheme: this server does not fetch from other hosts"
            )
        }
        if source.hasPrefix("mlflow-artifacts://"), !source.hasPrefix("mlflow-artifacts:///") {
            throw PlatformError(
                .invalidArgument,
                "'source' cannot use the 'mlflow-artifacts' scheme: the 'mlflow-artifacts' scheme addresses a host other than the "
                    + "tracking server's configured artifact storage"
            )
        }
        var resolved = Resolved(source: source, runID: runID ?? "", modelID: modelID.flatMap { $0.isEmpty ? nil : $0 })
        if source.hasPrefix("models:"), !source.hasPrefix("models:/m-") {
            resolved = try await version(source, runID: runID, modelID: modelID)
        }
        if let model = resolved.modelID {
            try await check(resolved.source, model: model)
            if resolved.runID.isEmpty { resolved.runID = try await store.loggedModel(id: model).sourceRunID ?? "" }
        } else {
            try await check(resolved.source, run: resolved.runID)
        }
        return resolved
    }

    /// `models:/<name>/<version>` or `models:/<name>@<alias>`: the new version comes from where that one came.
    private func version(_ source: String, runID: String?, modelID: String?) async throws -> Resolved {
        let text = source.dropFirst("models:".count).drop { $0 == "/" }
        let record: ModelVersionRecord
        if let at = text.lastIndex(of: "@") {
            record = try await store.modelVersion(name: String(text[..<at]), alias: String(text[text.index(after: at)...]))
        } else {
            let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty else { throw mismatch(source, "model_id") }
            let model = try await store.registeredModel(name: parts[0])
            if Int64(parts[1]) != nil {
                record = try await store.modelVersion(name: parts[0], version: parts[1])
            } else {
                let wanted = parts[1].lowercased()
                let versions = model.latestVersions.filter { wanted == "latest" || $0.stage.lowercased() == wanted }
                guard let newest = versions.max(by: { $0.version < $1.version }) else { throw mismatch(source, "model_id") }
                record = newest
            }
        }
        let agrees = (runID ?? record.runID) == record.runID && (modelID ?? record.modelID ?? "") == (record.modelID ?? "")
        guard agrees else {
            throw PlatformError(
                .invalidArgument,
                "Invalid model version source: '\(source)'. The run_id and model_id request parameters must match the referenced model version."
            )
        }
        return Resolved(source: "models:/\(record.name)/\(record.version)", runID: record.runID, modelID: record.modelID)
    }

    private func check(_ source: String, run runID: String) async throws {
        try checkPlace(source, "run_id")
        if source.hasPrefix("runs:") {
            let text = source.dropFirst("runs:".count).drop { $0 == "/" }
            guard !runID.isEmpty, text.prefix(while: { $0 != "/" }) == runID else { throw mismatch(source, "run_id") }
        } else if source.hasPrefix("models:/m-") {
            throw mismatch(source, "model_id")
        } else if source.hasPrefix("mlflow-artifacts:") {
            guard !runID.isEmpty, let run = try await found({ try await store.run(id: runID) }), isWithin(source, run.artifactURI) else {
                throw mismatch(source, "run_id")
            }
        }
    }

    private func check(_ source: String, model id: String) async throws {
        try checkPlace(source, "model_id")
        if source.hasPrefix("models:/m-") {
            guard source == "models:/\(id)" else { throw mismatch(source, "model_id") }
            _ = try await store.loggedModel(id: id)
        } else if source.hasPrefix("runs:") {
            throw mismatch(source, "model_id")
        } else if source.hasPrefix("mlflow-artifacts:") {
            guard let model = try await found({ try await store.loggedModel(id: id) }), isWithin(source, model.artifactURI) else {
                throw mismatch(source, "model_id")
            }
        }
    }

    private func found<Item: Sendable>(_ look: () async throws -> Item) async throws -> Item? {
        do {
            return try await look()
        } catch let error as PlatformError where error.code == .notFound {
            return nil
        }
    }

    /// No path of this machine, and none that climbs.
    private func checkPlace(_ source: String, _ parameter: String) throws {
        guard !source.contains("\\") else { throw climbs(source) }
        if source.hasPrefix("file://"), !source.hasPrefix("file:///") {
            throw PlatformError(.invalidArgument, "\(source) is not a valid remote uri: artifacts go through this server")
        }
        let scheme = source.prefix { $0 != ":" && $0 != "/" }
        let hasScheme = source.dropFirst(scheme.count).first == ":" && !scheme.isEmpty
        guard hasScheme, scheme.lowercased() != "file" else {
            throw PlatformError(
                .invalidArgument,
                "Invalid model version source: '\(source)'. To use a local path as a model version source, the \(parameter) request "
                    + "parameter has to be specified and the local path has to be contained within the artifact directory of the run "
                    + "specified by the \(parameter)."
            )
        }
        var text = source
        for _ in 0..<Self.decodingsMax {
            guard let decoded = text.removingPercentEncoding, decoded != text else { break }
            text = decoded
        }
        let parts = text.pathParts
        guard !text.unicodeScalars.contains("\0"), !parts.contains(".."), !parts.contains(".") else {
            throw climbs(source)
        }
    }

    private func climbs(_ source: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "Invalid model version source: '\(source)'. If supplying a source as an http, https, local file path, ftp, objectstore, "
                + "or mlflow-artifacts uri, an absolute path must be provided without relative path references present. "
                + "Please provide an absolute path."
        )
    }

    /// How often a text is decoded to see what it says in the end.
    private static let decodingsMax = 10

    private func isWithin(_ source: String, _ root: String) -> Bool {
        func parts(_ uri: String) -> [String] {
            (uri.removingPercentEncoding ?? uri).drop { $0 != ":" }.dropFirst().pathParts.filter { !$0.isEmpty }
        }
        let rootParts = parts(root)
        return root.hasPrefix("mlflow-artifacts:") && !rootParts.isEmpty && parts(source).starts(with: rootParts)
    }

    private func mismatch(_ source: String, _ parameter: String) -> PlatformError {
        PlatformError(
            .invalidArgument,
            "Invalid model version source: '\(source)'. The \(parameter) request parameter must identify the resource that contains the source."
        )
    }
}
