import NIOHTTP1
import SlipwayCore
import SlipwayTracking

/// One call to read with.
struct SourceCall: Sendable {
    let method: HTTPMethod
    let path: String
    var query: [(String, String)] = []
    var body: JSONValue?

    static func get(_ path: String, _ query: [(String, String)]) -> SourceCall {
        SourceCall(method: .GET, path: path, query: query)
    }

    /// For searches that take a body.
    static func post(_ path: String, _ body: JSONValue) -> SourceCall {
        SourceCall(method: .POST, path: path, body: body)
    }

    func with(pageToken token: String?) -> SourceCall {
        guard let token else { return self }
        var call = self
        if var members = body?.objectValue {
            members["page_token"] = .string(token)
            call.body = .object(members)
        } else {
            call.query.append(("page_token", token))
        }
        return call
    }

    var request: PeerRequest {
        let path = "/api/2.0/mlflow/\(path)"
        guard let body else { return PeerRequest(method, path, query: query) }
        return PeerRequest(method, path, json: body)
    }
}

extension MLflowSource {
    /// One page of a list; asked for again in half the size where it would be too large.
    ///
    /// - Parameter mayLack: Older servers do not have this list, which then is empty.
    func page<Item: Sendable>(
        _ key: String,
        size: Int64,
        _ token: String?,
        mayLack: Bool = false,
        doing: String,
        call: (Int64) -> SourceCall,
        item: (JSONValue) throws -> Item
    ) async throws -> Page<Item> {
        var size = size
        while true {
            do {
                let answer = try await self.call(call(size).with(pageToken: token).request, doing: doing)
                if mayLack, Self.isUnknownRoute(answer) { return Page(items: [], nextToken: nil) }
                let json = try Self.json(answer, doing: doing)
                let next = json["next_page_token"]?.stringValue ?? ""
                return Page(items: try (json[key]?.arrayValue ?? []).map(item), nextToken: next.isEmpty ? nil : next)
            } catch let error as PlatformError where error.code == .exhausted && size > 1 {
                size /= 2
            }
        }
    }

    func json(_ call: SourceCall, doing: String) async throws -> JSONValue {
        try Self.json(try await self.call(call.request, doing: doing), doing: doing)
    }

    static func isUnknownRoute(_ answer: PeerAnswer) -> Bool { [404, 405].contains(answer.status) }

    static func json(_ answer: PeerAnswer, doing: String) throws(PlatformError) -> JSONValue {
        guard answer.isSuccess else { throw PlatformError.mlflow(answer, doing: doing) }
        do {
            return try JSONValue(parsing: answer.body)
        } catch {
            throw PlatformError(
                .failedPrecondition,
                "could not \(doing): what answers is no MLflow server (\(answer.status): \(answer.said))",
                remedy: "check the source's address",
                cause: error
            )
        }
    }

    /// One call, tried again while its failure may pass; other answers come back as they are.
    func call(_ request: PeerRequest, doing: String, _ other: Retries? = nil) async throws -> PeerAnswer {
        try await (other ?? retries).run {
            let answer: PeerAnswer
            do {
                answer = try await peer.call(request, limit: ImportSourceLimits.call, bytesMax: ImportSourceLimits.pageBytesMax)
            } catch let error as PlatformError where error.code == .unavailable {
                throw PassingFailure(error: error)
            }
            if let failure = Self.passing(answer, doing: doing) { throw failure }
            return answer
        }
    }

    /// The failure that an answer is, if it may pass.
    static func passing(_ answer: PeerAnswer, doing: String) -> PassingFailure? {
        guard [408, 429, 502, 503, 504].contains(answer.status) else { return nil }
        let known = PlatformError.mlflow(answer, doing: doing)
        // `exhausted` would mean a page that is too large.
        let error = PlatformError(.unavailable, known.message, remedy: "try again: what was copied is kept", cause: known)
        let seconds = answer.headers.first(name: "retry-after").flatMap { Int64($0) }
        let wait = seconds.flatMap { (0...ImportSourceLimits.retryAfterSecondsMax).contains($0) ? Duration.seconds($0) : nil }
        return PassingFailure(error: error, retryAfter: wait)
    }
}
