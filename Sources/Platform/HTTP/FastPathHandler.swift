import NIOCore
import NIOHTTPTypes

/// Answers ``FastRoutes`` on the event loop and passes everything else on.
final class FastPathHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart

    private let routes: any FastRoutes

    init(routes: any FastRoutes) {
        self.routes = routes
    }
}
