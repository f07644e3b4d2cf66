import Foundation
import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import SlipwayTrackingSQLite
import Synchronization
import Testing

/// A store of one endless file, which counts what passes and can stand still.
private final class CountingArtifactStore: ArtifactStore, MultipartStore, ArtifactReader, ArtifactWriter {
    let byteCount: Int64 = 1 << 30
    let digest = Digest(of: [])
    private let passed = Atomic<Int>(0)
    private let gate = DispatchSemaphore(value: 0)
    private let isGated: Bool

    init(isGated: Bool) {
        self.isGated = isGated
    }

    var bytes: Int { passed.load(ordering: .relaxed) }
    var uploads: any MultipartStore { self }

    func open() { gate.signal() }

    func write(_ path: ArtifactPath, expecting checks: ArtifactChecks) throws -> any ArtifactWriter { self }
    func read(_ path: ArtifactPath) throws -> any ArtifactReader { self }
    func list(_ path: ArtifactPath?) throws -> [ArtifactListing] { [] }
    func delete(_ path: ArtifactPath) throws {}

    func append(_ bytes: UnsafeRawBufferPointer) throws {
        if isGated {
            gate.wait()
            gate.signal()
        }
        passed.add(bytes.count, ordering: .relaxed)
    }

    func commit() throws -> Digest { digest }
    func abandon() {}
    func select(_ range: Range<Int64>) throws {}

    func next(_ count: Int) throws -> [UInt8] {
        passed.add(count, ordering: .relaxed)
        return bytes > byteCount ? [] : [UInt8](repeating: 0, count: count)
    }

    private static let none = PlatformError(.notFound, "there are no uploads here")
    func create(_ path: ArtifactPath, parts: Int) throws -> MultipartUpload { throw Self.none }
    func upload(_ id: UploadID) throws -> MultipartUpload { throw Self.none }
    func write(part: Int, of id: UploadID, expecting checks: ArtifactChecks) throws -> any ArtifactWriter { throw Self.none }
    func parts(of id: UploadID) throws -> [MultipartPart] { [] }
    func complete(_ id: UploadID, _ path: ArtifactPath, _ claims: [PartClaim]) throws -> Digest { throw Self.none }
    func abort(_ id: UploadID) throws {}
}

@Suite("Artifact backpressure")
struct ArtifactBackpressureTests {
    /// What the two sockets and the pieces under way may hold.
    private static let heldBytesMax = 48 << 20

    private func withCountingStore(isGated: Bool, _ body: (CountingArtifactStore, Int) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let store = try SQLiteTrackingStore(path: folder.appending(path: "tracking.db").path)
            let artifacts = CountingArtifactStore(isGated: isGated)
            try await serve(store, artifacts) { url in
                let port = try #require(URL(string: url)?.port)
                do {
                    try await body(artifacts, port)
                } catch {
                    artifacts.open()
                    throw error
                }
                artifacts.open()
            }
        }
    }

    @Test("While the store stands still the client cannot send on; nothing piles up between them")
    func up() async throws {
        try await withCountingStore(isGated: true) { store, port in
            let total = 96 << 20
            // Expectations hold for a test only in its own task.
            let (held, status) = try await onThread {
                // A write that makes no progress for so long has been stopped.
                let connection = try RawHTTP(port: port, seconds: 3)
                connection.send(RawHTTP.head("PUT", "/api/2.0/mlflow-artifacts/artifacts/a", ["Content-Length": "\(total)", "Connection": "close"]))
                let piece = [UInt8](repeating: 0, count: 1 << 20)
                var sent = 0
                while sent < total {
                    let count = connection.send(piece)
                    sent += count
                    guard count == piece.count else { break }
                }
                let held = sent
                store.open()
                if sent % piece.count != 0 { sent += connection.send(Array(piece[(sent % piece.count)...])) }
                while sent < total { sent += connection.send(piece) }
                return (held, connection.answer().status)
            }
            #expect(held < Self.heldBytesMax)
            #expect(status == 200 && store.bytes == total)
        }
    }

    @Test("While the client takes nothing the store is not read on")
    func down() async throws {
        try await withCountingStore(isGated: false) { store, port in
            let (held, received) = try await onThread {
                let connection = try RawHTTP(port: port, seconds: 30, receiveBytes: 64 << 10)
                connection.send(RawHTTP.head("GET", "/api/2.0/mlflow-artifacts/artifacts/a", ["Connection": "close"]))
                var received = connection.receive(1).count
                // Until it stands still: without an end it would come to the whole file.
                var before = -1
                while store.bytes != before, store.bytes < Self.heldBytesMax {
                    before = store.bytes
                    Thread.sleep(forTimeInterval: 1)
                }
                let held = store.bytes
                while received < 100 << 20 {
                    let more = connection.receive(1 << 20)
                    guard !more.isEmpty else { break }
                    received += more.count
                }
                return (held, received)
            }
            #expect(held < Self.heldBytesMax)
            #expect(received >= 100 << 20 && store.bytes >= 100 << 20)
        }
    }
}
