import Foundation
import Hummingbird
import Logging
import SlipwayClients
import SlipwayCore
import SlipwayHTTP
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingImport
import SlipwayTrackingSQLite
import SlipwayTrackingServer
import Synchronization

/// A tracking store with its artifacts, and a server in front of it.
struct TrackedHome: Sendable {
    let store: SQLiteTrackingStore
    let artifacts: FileArtifactStore
    let url: String

    func put(_ text: String, at uri: String, _ path: String) throws {
        let root = ArtifactLocation(uri).proxied ?? ""
        let writer = try artifacts.write(try ArtifactPath("\(root)/\(path)"))
        try Array(text.utf8).withUnsafeBytes { try writer.append($0) }
        _ = try writer.commit()
    }

    func text(at uri: String, _ path: String) throws -> String {
        let root = ArtifactLocation(uri).proxied ?? ""
        let reader = try artifacts.read(try ArtifactPath("\(root)/\(path)"))
        return String(decoding: try reader.next(1 << 20), as: UTF8.self)
    }
}

/// Runs `body` with a home of its own, below `folder`.
func withHome(_ folder: URL, _ name: String, _ body: (TrackedHome) async throws -> Void) async throws {
    let place = folder.appending(path: name)
    try FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    let store = try SQLiteTrackingStore(path: place.appending(path: "tracking.db").path)
    let artifacts = try FileArtifactStore(root: place.appending(path: "artifacts"))
    let router = Router(context: PlatformRequestContext.self)
    TrackingRoutes(store: store, artifacts: artifacts).add(to: router)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let server = HTTPServer(name: "tracking", host: "127.0.0.1", port: 0, router: router, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        defer { group.cancelAll() }
        try await body(TrackedHome(store: store, artifacts: artifacts, url: "http://127.0.0.1:\(try await server.boundPort())"))
    }
}

/// Runs `body` with connections that are closed afterwards.
func withConnections(_ body: (HTTPConnections) async throws -> Void) async throws {
    let connections = HTTPConnections()
    do {
        try await body(connections)
    } catch {
        try? await connections.close()
        throw error
    }
    try await connections.close()
}

/// Runs `body` with a filled home to import from, an empty one to import into, and connections.
func withTwoHomes(
    isFilled: Bool = true,
    _ body: (TrackedHome, TrackedHome, HTTPConnections) async throws -> Void
) async throws {
    try await withScratchFolder { folder in
        try await withConnections { connections in
            try await withHome(folder, "there") { there in
                if isFilled { try await fill(there) }
                try await withHome(folder, "here") { here in try await body(there, here, connections) }
            }
        }
    }
}

func importer(
    _ there: TrackedHome,
    _ store: any TrackingImport,
    _ intake: any ArtifactIntake,
    _ connections: HTTPConnections,
    _ options: ImportOptions = ImportOptions()
) -> TrackingImporter {
    TrackingImporter(source: MLflowSource(url: there.url, connections: connections), store: store, intake: intake, options: options)
}

/// Imports everything, and answers what it came to.
@discardableResult
func bring(
    _ there: TrackedHome,
    to here: TrackedHome,
    _ connections: HTTPConnections,
    _ options: ImportOptions = ImportOptions()
) async throws -> ImportReport {
    try await importer(there, here.store, StoreArtifactIntake(here.artifacts), connections, options).run()
}

/// Experiments (one deleted), runs (one deleted, one nested), logged models, models with a gap, aliases, files.
func fill(_ home: TrackedHome) async throws {
    let store = home.store
    let main = try await store.createExperiment(name: "tumor", artifactLocation: nil, tags: ["team": "ä 'x'"])
    let gone = try await store.createExperiment(name: "gone", artifactLocation: nil, tags: [:])
    let parent = try await store.createRun(
        experiment: "\(main.id)", name: "parent", user: "ann", started: Timestamp(milliseconds: 1_000), tags: ["a": "1", "empty": ""]
    )
    func metric(_ key: String, _ value: Double, _ time: Int64, _ step: Int64, model: String? = nil) -> Metric {
        Metric(key: key, value: value, timestamp: Timestamp(milliseconds: time), step: step, modelID: model)
    }
    try await store.log(
        runID: parent.id,
        metrics: [
            metric("auc", 0.5, 10, 0), metric("auc", 0.75, 20, 1), metric("auc", .nan, 30, 2), metric("loss", .infinity, 10, -1),
            metric("odd/key ü", -0.0, 10, 0),
        ],
        parameters: ["depth": "3", "long": String(repeating: "x", count: 5_000)],
        tags: ["b": "2"]
    )
    try await store.logInputs(
        runID: parent.id,
        datasets: [
            [
                "dataset": ["name": "cells", "digest": "d1", "source_type": "local", "source": "{}", "schema": "{}"],
                "tags": [["key": "mlflow.data.context", "value": "training"]],
            ]
        ],
        models: []
    )
    _ = try await store.updateRun(id: parent.id, status: .finished, ended: Timestamp(milliseconds: 9_000), name: nil)
    let child = try await store.createRun(
        experiment: "\(main.id)", name: "child", user: "", started: Timestamp(milliseconds: 2_000), tags: ["mlflow.parentRunId": parent.id]
    )
    try await store.setStage(.deleted, run: child.id)
    let lost = try await store.createRun(experiment: "\(gone.id)", name: "lost", user: "", started: Timestamp(milliseconds: 3_000), tags: [:])
    try home.put("in a deleted experiment", at: lost.artifactURI, "a.txt")
    try await store.setStage(.deleted, experiment: "\(gone.id)")
    try home.put("hello", at: parent.artifactURI, "notes/ü +%.txt")
    try home.put("", at: parent.artifactURI, "empty.bin")
    try home.put("plain", at: parent.artifactURI, "plain/model.onnx")

    let logged = try await store.createLoggedModel(
        experiment: "\(main.id)", name: "net", sourceRunID: parent.id, modelType: "onnx", tags: ["t": "1"], parameters: ["p": "2"]
    )
    try await store.log(runID: parent.id, metrics: [metric("auc", 0.9, 40, 3, model: logged.id)], parameters: [:], tags: [:])
    try await store.logOutputs(runID: parent.id, models: [ModelOutput(modelID: logged.id, step: 3)])
    _ = try await store.finalizeLoggedModel(id: logged.id, status: "LOGGED_MODEL_READY")
    try home.put("flavor", at: logged.artifactURI, "MLmodel")
    try home.put("weights", at: logged.artifactURI, "data/model.onnx")

    _ = try await store.createRegisteredModel(name: "tumor", description: "finds tumours", tags: ["owner": "ann"])
    _ = try await store.createRegisteredModel(name: "it's", description: "", tags: [:])
    for (name, source, tags) in [
        ("tumor", "models:/\(logged.id)", ["slipway.run": "r1"]), ("tumor", "models:/\(logged.id)", [:]),
        ("tumor", "runs:/\(parent.id)/plain", [:]), ("it's", "\(parent.artifactURI)/plain", [:]), ("it's", "s3://bucket/x", [:]),
    ] {
        _ = try await store.createModelVersion(
            ModelVersionDraft(name: name, source: source, runID: parent.id, runLink: "", description: "d", tags: tags, modelID: nil)
        )
    }
    try await store.deleteModelVersion(name: "tumor", version: "2")
    _ = try await store.transitionModelVersion(name: "tumor", version: "3", stage: "Production", archivesExisting: false)
    try await store.setAlias(name: "tumor", alias: "champion", version: "3")
    try await store.setAlias(name: "tumor", alias: "B", version: "1")
}

/// One of each kind, so that an import is a few writes.
func fillLittle(_ home: TrackedHome) async throws {
    let store = home.store
    let run = try await store.createRun(experiment: "0", name: "r", user: "", started: Timestamp(milliseconds: 1), tags: [:])
    let model = try await store.createLoggedModel(
        experiment: "0", name: "net", sourceRunID: run.id, modelType: nil, tags: ["t": "1"], parameters: [:]
    )
    let values = [nil, model.id].map { Metric(key: "auc", value: 1, timestamp: Timestamp(milliseconds: 1), step: 0, modelID: $0) }
    try await store.log(runID: run.id, metrics: values, parameters: ["p": "1"], tags: [:])
    try home.put("hello", at: run.artifactURI, "a.txt")
    try home.put("flavor", at: model.artifactURI, "MLmodel")
    _ = try await store.createRegisteredModel(name: "net", description: "", tags: [:])
    for source in ["models:/\(model.id)", "runs:/\(run.id)/a"] {
        let draft = ModelVersionDraft(name: "net", source: source, runID: run.id, runLink: "", description: "", tags: [:], modelID: nil)
        _ = try await store.createModelVersion(draft)
    }
    try await store.setAlias(name: "net", alias: "A", version: "2")
}

/// What a tracking server says about itself, line by line, with the digest of every file.
func describe(_ url: String, _ connections: HTTPConnections, experiments: Set<String>? = nil, models: Set<String>? = nil) async throws -> [String] {
    let source = MLflowSource(url: url, connections: connections)
    var lines: [String] = []
    for experiment in try await all({ try await source.experiments(after: $0) }) where experiments?.contains(experiment.name) ?? true {
        let created = experiment.name == "Default" ? 0 : experiment.created.milliseconds
        lines.append("experiment \(experiment.id) \(experiment.name) \(experiment.stage) \(created) \(pairs(experiment.tags))")
        for listed in try await all({ try await source.runs(experiment: experiment.id, after: $0) }) {
            let run = try await source.run(id: listed.run.id).run
            lines.append(
                "run \(run.id) in \(experiment.id) \(run.name) \(run.user) \(run.status) \(run.started) \(run.ended?.description ?? "-") "
                    + "\(run.stage) \(pairs(run.parameters)) \(pairs(run.tags)) \(run.datasetInputs.map(\.canonicalText).sorted()) "
                    + "\(run.modelInputs.sorted()) \(run.modelOutputs.map { "\($0.modelID) \($0.step)" }.sorted())"
            )
            for latest in run.metrics {
                lines.append("latest \(run.id) \(text(latest))")
                let history = try await all { try await source.metricHistory(runID: run.id, key: latest.key, after: $0) }
                // MLflow does not say here which model a value is of.
                lines += history.map { "metric \(run.id) \(text($0))" }
            }
            lines += try await files(source, SourceFolder(uri: run.artifactURI, owner: .run(run.id)), "run \(run.id)")
        }
        for listed in try await all({ try await source.loggedModels(experiment: experiment.id, after: $0) }) {
            let model = listed.model
            lines.append(
                "logged model \(model.id) in \(experiment.id) \(model.name) \(model.status) \(model.sourceRunID ?? "-") "
                    + "\(model.modelType ?? "-") \(model.created) \(model.updated) \(pairs(model.tags)) \(pairs(model.parameters)) "
                    + "\(model.metrics.map { "\($0.runID) \(text($0.metric, isModels: true))" }.sorted())"
            )
            lines += try await files(source, SourceFolder(uri: model.artifactURI, owner: .loggedModel(model.id)), "logged model \(model.id)")
        }
    }
    for model in try await all({ try await source.registeredModels(after: $0) }) where models?.contains(model.name) ?? true {
        lines.append(
            "model \(model.name) \(model.description) \(model.created) \(model.updated) \(pairs(model.tags)) "
                + "\(pairs(model.aliases.mapValues { "\($0)" }))"
        )
        for version in try await all({ try await source.modelVersions(of: model.name, after: $0) }) {
            lines.append(
                "version \(version.name) \(version.version) \(version.created) \(version.updated) \(version.description) \(version.stage) "
                    + "\(version.source) \(version.runID) \(version.status) \(version.modelID ?? "-") \(pairs(version.tags))"
            )
            let place = try await source.location(ofVersion: version.version, of: version.name)
            let isLogged = place.hasPrefix("models:/m-")
            let uri = isLogged ? try await source.loggedModel(id: String(place.dropFirst("models:/".count))).model.artifactURI : place
            guard uri.hasPrefix("mlflow-artifacts:") else { continue }
            lines += try await files(source, SourceFolder(uri: uri, owner: .none), "version \(version.name) \(version.version)")
        }
    }
    return lines.sorted()
}

private func files(_ source: MLflowSource, _ folder: SourceFolder, _ whose: String) async throws -> [String] {
    var lines: [String] = []
    for entry in try await source.files(in: folder) {
        let received = try await source.download(entry.path, in: folder) { DiscardedFile() }
        lines.append("file \(entry.path) of \(whose): \(entry.bytes) \(received.digest)")
    }
    return lines
}

/// - Parameter isModels: MLflow forgets that a logged model's value is NaN, and says 0.
private func text(_ metric: Metric, isModels: Bool = false) -> String {
    let value = isModels && metric.value.isNaN ? 0 : metric.value
    return "\(metric.key) \(value) \(metric.timestamp.milliseconds) \(metric.step)"
}

private func pairs(_ values: [String: String]) -> String {
    values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
}

private func all<Item: Sendable>(_ page: (String?) async throws -> Page<Item>) async throws -> [Item] {
    var items: [Item] = []
    var token: String?
    for _ in 0..<1_000 {
        let next = try await page(token)
        items += next.items
        token = next.nextToken
        guard token != nil else { break }
    }
    return items
}

private final class DiscardedFile: IncomingArtifact {
    func append(_ bytes: UnsafeRawBufferPointer) {}
    func finish() {}
    func abandon() {}
}
