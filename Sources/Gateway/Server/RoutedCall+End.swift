import HTTPTypes
import Logging
import NIOCore
import SlipwayCore
import SlipwayGRPC
import SlipwayHTTP

extension RoutedCall {
    /// Ends the call: counts it, and says so in the log where it failed or took long.
    func end(_ outcome: Outcome, _ answer: FastResponse, because error: PlatformError? = nil) -> FastResponse {
        guard let id = ended(outcome, because: error) else { return answer }
        var answer = answer
        answer.headers[GatewayHeader.requestID] = id
        return answer
    }

    /// The same for a call over gRPC.
    func end(_ outcome: Outcome, _ reply: GRPCReply, because error: PlatformError? = nil) -> GRPCReply {
        guard let id = ended(outcome, because: error) else { return reply }
        var reply = reply
        reply.metadata.append(GRPCMetadata(GatewayHeader.requestID.canonicalName, id))
        return reply
    }

    /// - Returns: The id that goes back: the client's, or the one that the log has.
    private func ended(_ outcome: Outcome, because error: PlatformError?) -> String? {
        let nanoseconds = Int((NIODeadline.now() - started).nanoseconds)
        shard.end(outcome, nanoseconds: nanoseconds)
        guard outcome == .error || outcome == .nonFinite || nanoseconds >= GatewayLimits.slowNanoseconds else { return requestID }
        return logged(outcome, nanoseconds, error)
    }

    @inline(never)
    private func logged(_ outcome: Outcome, _ nanoseconds: Int, _ error: PlatformError?) -> String? {
        guard let log = target.log else { return requestID }
        let id = requestID ?? RequestID.fresh()
        log.take {
            var metadata: Logger.Metadata = [
                LogKey.requestID.rawValue: "\(id)", LogKey.modelName.rawValue: "\(target.model)",
                LogKey.modelVersion.rawValue: "\(target.version)", LogKey.variant.rawValue: "\(target.alias)",
                "outcome": "\(outcome.label)", "milliseconds": "\(nanoseconds / 1_000_000)",
            ]
            if let error {
                metadata["error"] = "\(error.message)"
                if let cause = error.cause { metadata["cause"] = "\(String("\(cause)".prefix(GatewayLimits.loggedCauseCharactersMax)))" }
            }
            let isBad = outcome == .error || outcome == .nonFinite
            return RequestLog.Line(level: isBad ? .warning : .notice, message: isBad ? "request failed" : "request was slow", metadata: metadata)
        }
        return id
    }
}
