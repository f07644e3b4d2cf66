import NIOCore
import NIOHTTP1
import SlipwayCore

/// One prediction, as a client makes it: for evidence, not for load.
public struct GatewayCaller: Sendable {
    static let limit: Duration = .seconds(10)

    private let peer: Peer

    public init(url: String, connections: HTTPConnections) {
        peer = Peer(url, name: "the gateway", connections: connections)
    }

    /// The answer's status and what its headers say of who served it.
    public func predict(_ body: [UInt8], model: String) async throws -> (status: Int, model: String?, version: String?, variant: String?) {
        var request = PeerRequest(.POST, "/models/\(model.urlEncoded)/predict")
        request.body = .bytes(ByteBuffer(bytes: body), type: "application/json")
        let answer = try await peer.call(request, limit: Self.limit)
        return (
            answer.status, answer.headers.first(name: "x-slipway-model"), answer.headers.first(name: "x-slipway-version"),
            answer.headers.first(name: "x-slipway-variant")
        )
    }
}
