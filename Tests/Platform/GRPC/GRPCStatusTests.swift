import SlipwayGRPC
import Testing

@Suite("gRPC status")
struct GRPCStatusTests {
    @Test("The numbers are the protocol's, without a gap")
    func numbers() {
        #expect(GRPCStatus.allCases.map(\.rawValue) == Array(0...16))
    }
}
