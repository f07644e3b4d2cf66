import CONNXRuntime
public import Foundation
import SlipwayCore
public import SlipwayInference
import Synchronization

/// ONNX Runtime on the CPU, out of a library that is opened when the first model is.
///
/// Everything else of the platform works without the library.
public final class ONNXRuntime: ModelRuntime {
    /// Opened once; safe to share, as ONNX Runtime's environment is.
    struct Library: @unchecked Sendable {
        let handle: OpaquePointer
    }

    private let libraryPath: String?
    private let threads: Int
    private let opened = Mutex<Library?>(nil)

    /// - Parameters:
    ///   - libraryPath: `libonnxruntime.so…`; `nil` when ``locateLibrary(below:environment:)`` found none.
    ///   - threads: How many threads one run of a graph may use, 1 or more.
    public init(libraryPath: String?, threads: Int = 1) {
        precondition(threads >= 1)
        self.libraryPath = libraryPath
        self.threads = threads
    }

    public func open(file: String, options: SessionOptions) throws -> any ModelSession {
        guard FileManager.default.isReadableFile(atPath: file) else {
            throw PlatformError(.notFound, "there is no model file to open")
        }
        let library = try library()
        var session: OpaquePointer?
        try check(Self.withOptions(options, threads: threads) { slipway_ort_session_open(library.handle, file, $0, &session) }) { reason in
            PlatformError(.invalidArgument, "failed to load the model: \(reason)", remedy: "check that the file is a complete ONNX graph")
        }
        guard let session else { throw PlatformError(.unexpected, "ONNX Runtime opened no session") }
        return try ONNXSession(session: session, library: library)
    }

    private static func withOptions<Result>(
        _ options: SessionOptions,
        threads: Int,
        _ body: (UnsafePointer<slipway_ort_options>) -> Result
    ) -> Result {
        let entries = options.entries.sorted { $0.key < $1.key }
        let keys = entries.map { strdup($0.key) }
        let values = entries.map { strdup($0.value) }
        defer { for text in keys + values { free(text) } }
        let (keyPointers, valuePointers) = (keys.map { UnsafePointer($0) }, values.map { UnsafePointer($0) })
        return keyPointers.withUnsafeBufferPointer { keys in
            valuePointers.withUnsafeBufferPointer { values in
                var wanted = slipway_ort_options()
                wanted.intra_op_threads = Int32(options.intraOpThreads ?? threads)
                wanted.inter_op_threads = Int32(options.interOpThreads ?? 1)
                wanted.graph_optimization =
                    switch options.graphOptimization {
                    case .none: 0
                    case .basic: 1
                    case .extended: 2
                    case .all: 99
                    }
                wanted.keeps_arena = options.keepsArena ? 1 : 0
                wanted.uses_memory_pattern = options.usesMemoryPattern ? 1 : 0
                wanted.runs_in_parallel = options.runsOperatorsInParallel ? 1 : 0
                wanted.entry_keys = keys.baseAddress
                wanted.entry_values = values.baseAddress
                wanted.entry_count = entries.count
                return body(&wanted)
            }
        }
    }

    private func library() throws -> Library {
        try opened.withLock { opened in
            if let opened { return opened }
            guard let libraryPath else {
                throw PlatformError(
                    .unavailable,
                    "ONNX Runtime's library was not found",
                    remedy: "run 'make setup', or set SLIPWAY_ONNXRUNTIME to the path of libonnxruntime.so"
                )
            }
            var handle: OpaquePointer?
            try check(slipway_ort_open(libraryPath, &handle)) { reason in
                PlatformError(
                    .unavailable,
                    "ONNX Runtime's library could not be opened",
                    remedy: "run 'make setup', or set SLIPWAY_ONNXRUNTIME to the path of libonnxruntime.so",
                    cause: ONNXFailure(reason: reason)
                )
            }
            guard let handle else { throw PlatformError(.unexpected, "ONNX Runtime opened no library") }
            let library = Library(handle: handle)
            opened = library
            return library
        }
    }

    /// Where the library is: `SLIPWAY_ONNXRUNTIME`, else in the virtual environment `.venv` of one of
    /// `folders`, else where the system keeps libraries.
    public static func locateLibrary(
        folders: [URL],
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> String? {
        if let path = environment["SLIPWAY_ONNXRUNTIME"], !path.isEmpty { return path }
        let manager = FileManager.default
        for folder in folders {
            let lib = folder.appending(path: ".venv/lib")
            for python in (try? manager.contentsOfDirectory(atPath: lib.path)) ?? [] {
                let capi = lib.appending(path: "\(python)/site-packages/onnxruntime/capi")
                let names = ((try? manager.contentsOfDirectory(atPath: capi.path)) ?? []).sorted()
                if let name = names.last(where: { $0.hasPrefix("libonnxruntime.so") }) {
                    return capi.appending(path: name).path
                }
            }
        }
        let system = ["/usr/local/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib", "/opt/onnxruntime/lib"]
        return system.map { "\($0)/libonnxruntime.so" }.first { manager.fileExists(atPath: $0) }
    }
}

/// What ONNX Runtime said.
struct ONNXFailure: Error, CustomStringConvertible {
    let reason: String
    var description: String { reason }
}

/// Throws what `error` makes of the shim's message, and frees it; `nil` is success.
func check(_ message: UnsafeMutablePointer<CChar>?, _ error: (String) -> PlatformError) throws(PlatformError) {
    guard let message else { return }
    defer { free(message) }
    throw error(String(cString: message))
}
