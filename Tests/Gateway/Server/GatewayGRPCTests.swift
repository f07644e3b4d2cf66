import Foundation
import Logging
import NIOCore
import NIOPosix
import SlipwayCore
import SlipwayGRPC
import SlipwayGateway
import SlipwayHTTP
import SlipwayInference
import SlipwayRelease
import SlipwayTesting
import Testing

@Suite("Gateway over gRPC")
struct GatewayGRPCTests {
    @Test("A stock client sees a model server whose models are the released ones")
    func stockClient() async throws {
        let fixture = try await GatewayFixture.tumor()
        try await fixture.serve("tumor", ["A": (1, 50), "B": (2, 50)])
        try await serving(fixture) { port in
            try await expectPythonSuite("Tests/Conformance/inference/test_gateway_grpc.py", environment: ["SLIPWAY_GATEWAY_GRPC": "127.0.0.1:\(port)"])
        }
        // What came over gRPC is counted as what comes over HTTP is.
        let counters = await fixture.gateway.counters(of: try ModelName("tumor"))
        #expect(counters.values.reduce(0) { $0 + $1.requests } > 200)
        #expect(await fixture.gateway.inFlight(model: try ModelName("tumor"), version: try ModelVersion(1)) == 0)
    }

    private func serving(_ fixture: GatewayFixture, _ body: (Int) async throws -> Void) async throws {
        let server = fixture.gateway.grpcServer(host: "127.0.0.1", port: 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { try await fixture.gateway.run() }
            try await body(try await server.boundPort())
            group.cancelAll()
        }
    }
}
