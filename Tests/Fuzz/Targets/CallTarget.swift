import Foundation
import GRDB
import HTTPTypes
import NIOCore
import SlipwayCore
import SlipwayTracking
import Synchronization

@testable import SlipwayTrackingSQLite
@testable import SlipwayTrackingServer

extension FuzzTarget {
    /// A call's number in the table as the first byte, then its body or query, for a server on a real store.
    ///
    /// Any body is answered with JSON that can be read, or with a refusal that says what is wrong with it: never with
    /// a failure of ours. `$RUN` stands for a run that is there.
    static let call = FuzzTarget(
        name: "call",
        seeds: [
            #"{"experiment_id":"0","start_time":1,"tags":[{"key":"a","value":"b"}]}"#,
            #"{"run_id":"$RUN","key":"m","value":"NaN","timestamp":1,"step":"2"}"#,
            #"{"run_id":"$RUN","metrics":[{"key":"a","value":1.5,"timestamp":1}],"params":[{"key":"p","value":"1"}],"tags":[{"key":"t","value":"x"}]}"#,
            #"{"experiment_ids":["0"],"filter":"metrics.a > 1","order_by":["metrics.a DESC"],"max_results":5,"run_view_type":"ALL"}"#,
            #"{"name":"m","source":"mlflow-artifacts:/0/x","run_id":"$RUN","alias":"A","version":"1","stage":"Production","model_id":"m-1"}"#,
            #"{"run_id":"$RUN","datasets":[{"dataset":{"name":"d","digest":"1","source_type":"s","source":"x"},"tags":[{"key":"mlflow.data.context","value":"train"}]}]}"#,
            "run_id=$RUN&metric_key=m&max_results=10&path=a/../b", "?name=m&alias=A&version=1",
        ].flatMap { text in stride(from: 0, to: TrackingUnderFuzz.callCount, by: 4).map { String(UnicodeScalar(UInt8($0))) + text } },
        words: [
            "$RUN", "\"run_id\":", "\"experiment_id\":\"0\"", "\"key\":", "\"value\":", "\"tags\":[{", "\"metrics\":[{", "\"params\":[{", "\"filter\":\"",
            "\"max_results\":", "\"page_token\":\"", "\"name\":\"m\"", "\"version\":\"1\"", "\"alias\":\"A\"", "\"source\":\"", "mlflow-artifacts:/", "runs:/", "models:/",
            "../", "NaN", "-1", "9223372036854775807", "\"order_by\":[\"", "\\u0000",
        ]
    ) { input in
        guard let first = input.first else { return .refused }
        let codes: Set<PlatformError.Code> = [.invalidArgument, .notFound, .alreadyExists, .failedPrecondition, .permissionDenied, .exhausted]
        return try verdict(codes) {
            let answer = try TrackingUnderFuzz.answer(call: Int(first), input.dropFirst())
            let bytes = answer.canonicalBytes
            let again = try mustHold("an answer is JSON") { try JSONValue(parsing: bytes) }
            try expect(again.canonicalBytes == bytes, "an answer that is read as another")
        }
    }
}

/// A tracking server's calls over a database that is thrown away.
private enum TrackingUnderFuzz {
    /// After so many inputs the store begins anew: what they have left behind must not slow later ones down.
    private static let inputsMax = 2000

    private struct Server: Sendable {
        let folder: URL
        let calls: [TrackingCall]
        let run: String
        var answered = 0
    }

    private static let server = Mutex<Server?>(nil)

    static var callCount: Int { 64 }

    static func answer(call number: Int, _ input: ArraySlice<UInt8>) throws -> JSONValue {
        let current = try server.withLock { server in
            if let old = server, old.answered >= inputsMax {
                try? FileManager.default.removeItem(at: old.folder)
                server = nil
            }
            var current = try server ?? start()
            current.answered += 1
            server = current
            return current
        }
        let call = current.calls[number % current.calls.count]
        // A body that names no run goes in byte for byte: it may be no text at all.
        let text = String(decoding: input, as: UTF8.self)
        let body = text.contains("$RUN") ? Array(text.replacing("$RUN", with: current.run).utf8) : Array(input)
        let parameters = call.method == .get ? Parameters(query: String(decoding: body, as: UTF8.self)) : try Parameters(body: ByteBuffer(bytes: body))
        return try awaiting { try await call.handle(parameters) }
    }

    private static func start() throws -> Server {
        let folder = FileManager.default.temporaryDirectory.appending(path: "slipway-fuzz-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
        // Nobody needs these writes after a power cut.
        try store.database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = OFF") }
        let artifacts = try FileArtifactStore(root: folder.appending(path: "artifacts"))
        let run = try awaiting { try await store.createRun(experiment: "0", name: "r", user: "u", started: nil, tags: [:]).id }
        return Server(folder: folder, calls: TrackingRoutes(store: store, artifacts: artifacts).calls, run: run)
    }

    /// Waits on this thread, which is nobody else's: libFuzzer's own, or a test's `onThread`.
    private static func awaiting<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) throws -> Result {
        let done = DispatchSemaphore(value: 0)
        let box = Box<Swift.Result<Result, any Error>>()
        Task {
            do { box.set(.success(try await body())) } catch { box.set(.failure(error)) }
            done.signal()
        }
        done.wait()
        guard let value = box.take() else { throw BrokenRule("the call ended without a result") }
        return try value.get()
    }
}

private final class Box<Value: Sendable>: Sendable {
    private let value = Mutex<Value?>(nil)

    func set(_ new: Value) { value.withLock { $0 = new } }
    func take() -> Value? { value.withLock { $0 } }
}
