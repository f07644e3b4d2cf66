import NIOCore
import SlipwayCore
import SlipwayInference

extension UpstreamDataPlane {
    /// Sends tensors on over HTTP, in binary both ways: what came over gRPC.
    ///
    /// - Returns: What the version answered, under the names that clients know.
    func infer(
        _ request: InferenceRequest,
        of routed: RoutedCall,
        on loop: any EventLoop
    ) -> EventLoopFuture<Result<InferenceResponse, PlatformError>> {
        let target = routed.target
        let (body, jsonBytes) = InferenceBody.write(request)
        let path = naming.path(model: target.model, version: target.version) + "/infer"
        return send(UpstreamRequest(path: path, body: ByteBuffer(bytes: body), jsonBytes: jsonBytes), on: loop).map { result in
            RoutedCall.outputs(of: result).map { outputs in
                InferenceResponse(model: target.model, version: target.version, id: request.id, outputs: outputs)
            }
        }
    }
}
