import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
import SlipwayCore
import SlipwayInference
import SlipwayInferenceMessages
import SlipwayRelease
import SlipwayRouting
import SwiftProtobuf
import Synchronization
import Testing

@testable import SlipwayGRPC
@testable import SlipwayGateway

@Suite("Calls at the gateway over gRPC", .timeLimit(.minutes(2)))
struct GatewayCallTests {
    private func request(_ model: String = "tumor", version: String = "", values: [Float] = [1, 2, 3]) -> Inference_ModelInferRequest {
        var input = Inference_ModelInferRequest.InferInputTensor()
        (input.name, input.datatype, input.shape) = ("X", "FP32", [1, 3])
        input.contents.fp32Contents = values
        var request = Inference_ModelInferRequest()
        (request.modelName, request.modelVersion, request.id, request.inputs) = (model, version, "seven", [input])
        return request
    }

    private func answer(_ reply: GRPCReply) throws -> Inference_ModelInferResponse {
        let message = try #require(reply.message, "\(reply.status): \(reply.text)")
        return try message.body.decoded()
    }

    private func metadata(_ reply: GRPCReply, _ name: String) -> String? {
        reply.metadata.first { $0.name == name }?.value
    }

    @Test("An answer says who gave it, and so does a refusal of the variant")
    func who() async throws {
        let fixture = try await GatewayFixture.tumor()
        let reply = try await fixture.call("ModelInfer", request())
        let answer = try answer(reply)
        #expect(answer.modelName == "tumor" && answer.modelVersion == "1" && answer.id == "seven")
        #expect(metadata(reply, "x-slipway-variant") == "A")
        #expect(metadata(reply, "x-slipway-version") == "1")
        let version = try ModelVersion(1)
        fixture.models.state.withLock { $0.failing[version] = PlatformError(.unexpected, "broken") }
        let failed = try await fixture.call("ModelInfer", request())
        #expect(failed.status == .internal)
        #expect(metadata(failed, "x-slipway-variant") == "A")
        let counters = await fixture.gateway.counters(of: try ModelName("tumor"))[version]
        #expect(counters?.requests == 2)
        #expect(counters?.errors == 1)
    }

    @Test("Before anything is released, calls are told to come again")
    func nothingReleased() async throws {
        let fixture = GatewayFixture()
        let reply = try await fixture.call("ModelInfer", request())
        #expect(reply.status == .unavailable)
        #expect(metadata(reply, "retry-after") != nil)
        #expect(try await fixture.call("ServerReady", Inference_ServerReadyRequest()).message == GRPCMessage([]))
    }

    @Test("A call is in flight on its version until it is answered, whatever becomes of the routes")
    func inFlight() async throws {
        let fixture = try await GatewayFixture.tumor()
        let (model, version) = (try ModelName("tumor"), try ModelVersion(1))
        fixture.models.hold()
        async let reply = fixture.call("ModelInfer", request())
        while fixture.models.state.withLock({ $0.held.isEmpty }) { await Task.yield() }
        #expect(await fixture.gateway.inFlight(model: model, version: version) == 1)
        fixture.models.release()
        #expect(try await reply.status == .ok)
        #expect(await fixture.gateway.inFlight(model: model, version: version) == 0)
    }

    @Test("A tester chooses the variant where the release lets it; elsewhere the choice is refused")
    func choice() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await fixture.serve("tumor", ["A": (1, 100), "B": (2, 0)])
        let denied = try await fixture.call("ModelInfer", request(), metadata: [("x-variant", "B")])
        #expect(denied.status == .permissionDenied)
        try await fixture.serve(try makeRelease("tumor", ["A": (1, 100), "B": (2, 0)], allowsVariantHeader: true))
        for (variant, version) in [("A", "1"), ("B", "2")] {
            let reply = try await fixture.call("ModelInfer", request(), metadata: [("x-variant", variant)])
            #expect(try answer(reply).modelVersion == version)
        }
        #expect(try await fixture.call("ModelInfer", request(), metadata: [("x-variant", "Z")]).status == .notFound)
        #expect(try await fixture.call("ModelInfer", request(version: "1"), metadata: [("x-variant", "B")]).status == .invalidArgument)
    }

    @Test("What comes over gRPC is copied to the shadow as what comes over HTTP is")
    func shadow() async throws {
        let fixture = GatewayFixture()
        try fixture.models.load("tumor", 1, 3)
        let shadow = Release.Shadow(version: try ModelVersion(3), percent: .whole, compare: .exact, queue: 100)
        try await fixture.serve(try makeRelease("tumor", ["A": (1, 100)], shadow: shadow))
        for _ in 0..<5 { #expect(try answer(try await fixture.call("ModelInfer", request())).modelVersion == "1") }
        // The simulated model answers its own version number as the label.
        #expect(try await fixture.shadowCounts { $0["differ"] == 5 }["differ"] == 5)
    }

    @Test("Nothing fails in 1,000 swaps under calls, with old versions unloaded as soon as they are drained")
    func thousandSwaps() async throws {
        let fixture = try await GatewayFixture.tumor()
        fixture.models.state.withLock { $0.isDeferring = true }
        let tumor = try ModelName("tumor")
        let traffic = CallTraffic()
        let request = request()
        let outcomes = try await withThrowingTaskGroup(of: (answered: Int, failed: Int).self) { group in
            for worker in 0..<4 {
                group.addTask {
                    var (answered, failed) = (0, 0)
                    while !traffic.isDone.load(ordering: .relaxed) {
                        let metadata = worker % 2 == 0 ? [("x-client-id", "client-\(worker)")] : []
                        let reply = try await fixture.call("ModelInfer", request, metadata: metadata)
                        answered += 1
                        if reply.status != .ok { failed += 1 }
                    }
                    return (answered, failed)
                }
            }
            for number in 2...1001 {
                let old = try ModelVersion(number - 1)
                try fixture.models.load("tumor", number)
                try await fixture.serve("tumor", ["A": (number, 100)])
                while await fixture.gateway.inFlight(model: tumor, version: old) > 0 { await Task.yield() }
                try fixture.models.unload("tumor", number - 1)
            }
            traffic.isDone.store(true, ordering: .relaxed)
            return try await group.reduce((0, 0)) { ($0.0 + $1.answered, $0.1 + $1.failed) }
        }
        #expect(outcomes.1 == 0)
        #expect(outcomes.0 > 500)
        #expect(fixture.models.state.withLock { $0.misrouted } == 0)
    }

    @Test("NaN is passed on, as the protocol has it, and counted")
    func nonFinite() async throws {
        let fixture = try await GatewayFixture.tumor()
        let version = try ModelVersion(1)
        fixture.models.state.withLock { _ = $0.nonFinite.insert(version) }
        #expect(try await fixture.call("ModelInfer", request()).status == .ok)
        #expect(await fixture.gateway.counters(of: try ModelName("tumor"))[version]?.nonFinite == 1)
    }

    @Test("A refusal within a stream is an answer with its id; its variant is known by the parameters of the others")
    func streamed() async throws {
        let fixture = try await GatewayFixture.tumor()
        let refused: Inference_ModelStreamInferResponse = try #require(try await fixture.call("ModelStreamInfer", request("none")).message).body.decoded()
        #expect(refused.errorMessage.contains("not released"))
        #expect(refused.inferResponse.id == "seven")
        let good: Inference_ModelStreamInferResponse = try #require(try await fixture.call("ModelStreamInfer", request()).message).body.decoded()
        #expect(good.errorMessage.isEmpty)
        #expect(good.inferResponse.parameters["x-slipway-variant"]?.stringParam == "A")
    }

    @Test("To a model server behind a URL, tensors go on in binary to the path of their version")
    func upstream() async throws {
        let upstream = ScriptedUpstream()
        let endpoint = try UpstreamEndpoint(url: "http://127.0.0.1:\(try await upstream.start())")
        let dataPlane = UpstreamDataPlane(endpoints: [endpoint])
        let fixture = GatewayFixture(backend: .upstream(dataPlane))
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        let reply = try await fixture.call("ModelInfer", request())
        let answer = try answer(reply)
        #expect(answer.modelName == "tumor" && answer.modelVersion == "1" && answer.id == "seven")
        #expect(answer.outputs.map(\.name) == ["label", "probabilities"])
        #expect(upstream.seen.requests.last?.uri == "/v2/models/tumor/versions/1/infer")
        let head = try #require(upstream.seen.requests.last?.headers.first(name: "inference-header-content-length").flatMap { Int($0) })
        let body = try #require(upstream.seen.bodies.last)
        let sent = try body.withUnsafeReadableBytes { try InferenceBody.parseRequest($0, jsonBytes: head, model: "tumor", version: nil) }
        guard case .fixed(let bytes) = sent.request.inputs[0].storage else { throw PlatformError(.unexpected, "no numbers") }
        #expect(bytes.bytes.bindMemory(to: Float.self).elementsEqual([1, 2, 3]))
        try await dataPlane.shutDown()
        _ = try? await upstream.stop()
    }

    @Test("A client over its rate is refused over gRPC as over HTTP, call by call and message by message of a stream")
    func rate() async throws {
        var limits = ClientGate.Limits()
        limits.ratePerSecond = 0.001
        limits.burst = 2
        let fixture = try await GatewayFixture.tumor(admission: ClientAdmission(limits: limits, header: "X-Tenant"))
        for method in ["ModelInfer", "ModelStreamInfer"] {
            let tenant = [("x-tenant", method)]
            for _ in 0..<2 {
                let admitted = try await fixture.call(method, request(), metadata: tenant)
                #expect(admitted.status == .ok)
            }
            let refused = try await fixture.call(method, request(), metadata: tenant)
            guard method == "ModelInfer" else {
                #expect(refused.status == .ok, "in a stream a refusal is an answer")
                let answer = try Inference_ModelStreamInferResponse(serializedBytes: Array(try #require(refused.message).body.readableBytesView))
                #expect(answer.errorMessage.contains("more than 0.001 requests a second"))
                continue
            }
            #expect(refused.status == .resourceExhausted)
            let wait = try #require(metadata(refused, "retry-after").flatMap { Int($0) })
            #expect((900...1000).contains(wait))
        }
        // Without the header it is the address that counts, and all calls without one are one client's.
        for expected in [GRPCStatus.ok, .ok, .resourceExhausted] {
            let reply = try await fixture.call("ModelInfer", request())
            #expect(reply.status == expected)
        }
    }

    @Test("A model server that does not answer in time is DEADLINE_EXCEEDED")
    func late() async throws {
        let upstream = ScriptedUpstream()
        let endpoint = try UpstreamEndpoint(url: "http://127.0.0.1:\(try await upstream.start())")
        var limits = UpstreamLimits()
        limits.answerDeadline = .seconds(1)
        let dataPlane = UpstreamDataPlane(endpoints: [endpoint], limits: limits)
        let fixture = GatewayFixture(backend: .upstream(dataPlane))
        try fixture.models.load("tumor", 1)
        try await fixture.serve("tumor", ["A": (1, 100)])
        upstream.plays([.silence])
        let reply = try await fixture.call("ModelInfer", request())
        #expect(reply.status == .deadlineExceeded)
        #expect(reply.text.contains("did not answer within 1"))
        try await dataPlane.shutDown()
        _ = try? await upstream.stop()
    }
}

/// What the tasks that make calls share with the test.
private final class CallTraffic: Sendable {
    let isDone = Atomic(false)
}

extension GatewayFixture {
    /// Calls a method as its connection would, on an event loop.
    func call(_ method: String, _ message: some Message, metadata: [(String, String)] = []) async throws -> GRPCReply {
        let found = try #require(gateway.grpcMethods.table[GRPCInferenceWire.path(method)])
        let bytes: [UInt8] = try message.serializedBytes()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let context = GRPCContext(eventLoop: loop, metadata: metadata)
        switch found.kind {
        case .unary(let handle), .exchange(let handle):
            return try await loop.flatSubmit {
                switch handle(ByteBuffer(bytes: bytes), context) {
                case .now(let reply): loop.makeSucceededFuture(reply)
                case .later(let future): future
                }
            }.get()
        case .task(let handle): return await handle(ByteBuffer(bytes: bytes), context)
        case .watch: throw PlatformError(.unexpected, "a watch has no one answer")
        }
    }
}
