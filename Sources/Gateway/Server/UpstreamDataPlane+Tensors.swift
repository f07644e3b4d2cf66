import NIOCore
import SlipwayCore
import SlipwayInference

extension UpstreamDataPlane {
    /// Sends what came over gRPC on over HTTP, in binary both ways.
    ///
    /// - Parameter body: As ``InferenceBody/write(_:)`` wrote it.
    /// - Returns: What the version answered, under the names that clients know.
    func infer(
        _ body: ByteBuffer,
        jsonBytes: Int,
        _ target: ServingTarget,
        id: String?,
        requestID: String?,
        on loop: any EventLoop,
        cancellation: Cancellation
    ) -> EventLoopFuture<Result<InferenceResponse, PlatformError>> {
        let path = naming.path(model: target.model, version: target.version) + "/infer"
        let promise = loop.makePromise(of: Result<InferenceResponse, PlatformError>.self)
        send(UpstreamRequest(path: path, body: body, jsonBytes: jsonBytes, requestID: requestID), on: loop, cancellation: cancellation) { result in
            promise.succeed(
                RoutedCall.outputs(of: result).map { outputs in
                    InferenceResponse(model: target.model, version: target.version, id: id, outputs: outputs)
                }
            )
        }
        return promise.futureResult
    }
}
