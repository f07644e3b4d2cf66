import HTTPTypes
import NIOCore

/// Takes nothing: every request goes to the router.
struct NoFastRoutes: FastRoutes {
    let bodyBytesMax = 0

    func accepts(method: HTTPRequest.Method, path: String) -> Bool { false }

    func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        .now(FastResponse(status: .notFound, body: ByteBuffer()))
    }
}
