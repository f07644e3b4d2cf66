import Foundation
import SlipwayCore
import SlipwayInferenceMessages

/// One model's folder in Triton's layout: `config.pbtxt` beside `<version>/<model file>`.
///
/// It stands in the repository, or for the time of one load in a folder of its own.
struct ModelFolder: Sendable {
    let url: URL
    let model: String

    /// Numbers of the versions, lowest first, that hold a model: the file that `filename` names, or the usual
    /// one of a backend.
    func versions(filename: String?, backends: [ModelBackend]) throws(PlatformError) -> [ModelVersion] {
        do {
            return try FileManager.default.contentsOfDirectory(atPath: url.path)
                .compactMap { try? ModelVersion($0) }
                .filter { version in
                    guard let filename else { return backends.contains { file($0.modelFilename, of: version) != nil } }
                    return file(filename, of: version) != nil
                }
                .sorted()
        } catch {
            throw PlatformError(.notFound, "'\(model)' is not in the model repository", cause: error)
        }
    }

    /// What the backend opens; `nil` when it is not there. A graph kept in parts is a folder with its graph inside.
    func file(_ name: String, of version: ModelVersion) -> URL? {
        let place = folder(of: version).appending(path: name)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: place.path, isDirectory: &isFolder) else { return nil }
        let inner = place.appending(path: "model.onnx")
        return isFolder.boolValue && FileManager.default.fileExists(atPath: inner.path) ? inner : place
    }

    func folder(of version: ModelVersion) -> URL { url.appending(path: "\(version)") }

    /// What `config.pbtxt` says; empty when there is none.
    func config() throws(PlatformError) -> Inference_ModelConfig {
        let place = url.appending(path: "config.pbtxt")
        guard FileManager.default.fileExists(atPath: place.path) else { return Inference_ModelConfig() }
        let text: String
        do {
            text = try String(contentsOf: place, encoding: .utf8)
        } catch {
            throw PlatformError(.invalidArgument, "config.pbtxt of '\(model)' cannot be read as UTF-8", cause: error)
        }
        return try ModelConfigText.parse(text: text, model: model)
    }

    /// Content of `warmup/<name>`, as a configuration's `model_warmup` names it.
    func warmUpFile(_ name: String) throws(PlatformError) -> Data {
        let place = url.appending(path: "warmup").appending(path: try inner(name, "warm-up file"))
        do {
            return try Data(contentsOf: place, options: .mappedIfSafe)
        } catch {
            throw PlatformError(.invalidArgument, "warm-up file '\(name.prefix(200))' is not in the model's folder 'warmup'", cause: error)
        }
    }

    /// The labels of an output's elements, one a line, as a configuration's `label_filename` names them.
    func labels(_ name: String) throws(PlatformError) -> [String] {
        let place = url.appending(path: try inner(name, "label file"))
        let data: Data
        do {
            data = try Data(contentsOf: place, options: .mappedIfSafe)
        } catch {
            throw PlatformError(.invalidArgument, "unable to open label file '\(name.prefix(200))' of the model's folder", cause: error)
        }
        guard data.count <= ServingLimits.labelBytesMax else {
            throw PlatformError(.exhausted, "label file '\(name.prefix(200))' has more than \(ServingLimits.labelBytesMax) bytes")
        }
        var lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    /// A path that a configuration names, if it stays inside.
    private func inner(_ name: String, _ what: String) throws(PlatformError) -> String {
        guard !name.isEmpty, !name.pathParts.contains(where: { $0 == ".." || $0.isEmpty }) else {
            throw PlatformError(.invalidArgument, "\(what) '\(name.prefix(200))' leads out of the model's folder")
        }
        return name
    }

    /// Bytes of everything in a version's folder: roughly what its weights need in memory.
    func bytes(of version: ModelVersion) -> Int {
        let keys: [URLResourceKey] = [.fileSizeKey]
        guard let files = FileManager.default.enumerator(at: folder(of: version), includingPropertiesForKeys: keys) else { return 0 }
        return files.reduce(0) { total, file in
            total + (((file as? URL).flatMap { try? $0.resourceValues(forKeys: Set(keys)).fileSize }) ?? 0)
        }
    }

    /// Changes when a version's file does.
    func stamp(_ file: URL) -> String {
        let attributes = (try? FileManager.default.attributesOfItem(atPath: file.path)) ?? [:]
        let modified = (attributes[.modificationDate] as? Date)?.timeIntervalSince1970 ?? 0
        let number = (attributes[.systemFileNumber] as? NSNumber)?.stringValue ?? ""
        return "\(number)-\((attributes[.size] as? NSNumber)?.stringValue ?? "")-\(modified)"
    }
}
