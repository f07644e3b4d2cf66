import HTTPTypes
import Logging
import NIOCore
import NIOPosix
import SlipwayCore
import SlipwayGateway
import SlipwayHTTP
import SlipwayRelease
import Testing

/// A gateway over a simulated model server and a simulated Git.
struct GatewayFixture {
    let models = SimulatedModels()
    let releases = SimulatedReleases()
    let gateway: GatewayService

    init(
        backend: GatewayBackend? = nil,
        admission: ClientAdmission? = nil,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) {
        gateway = GatewayService(
            backend: backend ?? .embedded(models),
            source: releases,
            readiness: models,
            token: "secret",
            admission: admission,
            logger: logger
        )
    }

    /// A model with version 1 at 100 percent.
    static func tumor(admission: ClientAdmission? = nil) async throws -> GatewayFixture {
        let fixture = GatewayFixture(admission: admission)
        try fixture.models.load("tumor", 1, 2, 3)
        try await fixture.serve("tumor", ["A": (1, 100)])
        return fixture
    }

    /// Commits and reloads.
    @discardableResult
    func serve(_ model: String, _ variants: KeyValuePairs<String, (Int, Int)>) async throws -> Int {
        let (release, commit) = try releases.commit(model, variants)
        return try await gateway.reload(release, commit: commit)
    }

    /// Commits and reloads.
    @discardableResult
    func serve(_ release: Release) async throws -> Int {
        let (release, commit) = try releases.commit(release)
        return try await gateway.reload(release, commit: commit)
    }

    /// Waits until the counts of a model's shadow are what the test says.
    func shadowCounts(
        of model: String = "tumor",
        until isEnough: ([String: Int]) -> Bool
    ) async throws -> [String: Int] {
        var counts: [String: Int] = [:]
        for _ in 0..<3_000 {
            counts = await gateway.routes().first { $0.release.model.text == model }?.shadow?.counts ?? [:]
            if isEnough(counts) { return counts }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("the shadow's counts stay at \(counts)")
        return counts
    }

    /// Sends a request down the fast path, on an event loop.
    func post(
        _ path: String,
        _ body: String = #"{"instances":[[1,2,3]]}"#,
        client: String? = nil,
        headers: HTTPFields = [:]
    ) async throws -> FastResponse {
        var fields = headers
        if let client, let name = HTTPField.Name("x-client-id") { fields[name] = client }
        return try await post(path, bytes: ByteBuffer(string: body), headers: fields)
    }

    func post(_ path: String, bytes: ByteBuffer, headers: HTTPFields = [:]) async throws -> FastResponse {
        let head = HTTPRequest(method: .post, scheme: "http", authority: "test", path: path, headerFields: headers)
        let routes = gateway.fastRoutes
        try #require(routes.accepts(method: .post, path: path), "\(path) is not on the fast path")
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        return try await loop.flatSubmit {
            switch routes.answer(FastRequest(head: head, path: path, body: bytes), on: loop) {
            case .now(let response): loop.makeSucceededFuture(response)
            case .later(let future): future
            }
        }.get()
    }
}

extension FastResponse {
    var json: JSONValue { get throws { try JSONValue(parsing: body.readableBytesView) } }

    func header(_ name: String) -> String? {
        HTTPField.Name(name).flatMap { headers[$0] }
    }

    var errorMessage: String? {
        guard let json = try? json else { return nil }
        return json["error"]?["message"]?.stringValue ?? json["error"]?.stringValue
    }
}
