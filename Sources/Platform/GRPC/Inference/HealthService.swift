import NIOCore
import SlipwayCore
import SlipwayInferenceMessages

extension GRPCMethods {
    /// `grpc.health.v1.Health`: what load balancers and Kubernetes ask.
    ///
    /// - Parameter isReady: For the server as a whole and for its one service.
    public mutating func addHealthService(_ isReady: @escaping @Sendable () -> Bool) {
        let isKnown = { @Sendable (service: String) in service.isEmpty || service == GRPCInferenceWire.service }
        unary("/grpc.health.v1.Health/Check") { (message: ByteBuffer, _: GRPCContext) -> GRPCAnswer in
            do throws(PlatformError) {
                let request: Grpc_Health_V1_HealthCheckRequest = try message.decoded()
                guard isKnown(request.service) else { return .now(GRPCReply(.notFound, "unknown service '\(request.service.prefix(200))'")) }
                return .now(GRPCReply(Self.health(isReady() ? .serving : .notServing)))
            } catch {
                return .now(error.grpcReply)
            }
        }
        watch("/grpc.health.v1.Health/Watch") { message, _ in
            do throws(PlatformError) {
                let request: Grpc_Health_V1_HealthCheckRequest = try message.decoded()
                let isKnown = isKnown(request.service)
                return .value { Self.health(!isKnown ? .serviceUnknown : isReady() ? .serving : .notServing) }
            } catch {
                return .refused(error.code.grpcStatus, error.message)
            }
        }
    }

    private static func health(_ status: Grpc_Health_V1_HealthCheckResponse.ServingStatus) -> GRPCMessage {
        // Field 1 as a number: all that the message has.
        GRPCMessage([1 << 3, UInt8(truncatingIfNeeded: status.rawValue)])
    }
}
