import Foundation
public import HTTPTypes
import NIOConcurrencyHelpers
public import NIOCore
import SlipwayCore
public import SlipwayHTTP
public import SlipwayInference

/// `POST /v2/models/{model}[/versions/{version}]/infer`: the model server's hot path.
public struct InferenceFastRoutes: FastRoutes {
    private let dataPlane: any InferenceDataPlane

    public init(dataPlane: any InferenceDataPlane) {
        self.dataPlane = dataPlane
    }

    public var bodyBytesMax: Int { InferenceLimits.bodyBytesMax }

    public func accepts(method: HTTPRequest.Method, path: String) -> Bool {
        method == .post && path.hasPrefix("/v2/models/") && path.hasSuffix("/infer")
    }

    public func answer(_ request: FastRequest, on eventLoop: any EventLoop) -> FastAnswer {
        let parsed: ParsedInference
        do {
            let (model, version) = try Self.target(of: request.path)
            parsed = try InferenceWire.parse(request, model: model, version: version, dataPlane: dataPlane)
        } catch {
            return .now(error.inferenceResponse)
        }
        let encoding = InferenceWire.answerEncoding(request)
        let answer = PendingAnswer(eventLoop: eventLoop)
        dataPlane.infer(parsed.request) { result in
            switch result {
            case .success(let response): answer.complete(InferenceWire.write(response, binary: parsed.binary, encoding: encoding))
            case .failure(let error): answer.complete(error.inferenceResponse)
            }
        }
        return answer.answer
    }

    /// The model and version that a path names.
    private static func target(of path: String) throws(PlatformError) -> (String, ModelVersion?) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).dropFirst(3).dropLast()
        guard let model = parts.first, let name = String(model).removingPercentEncoding, !name.isEmpty else {
            throw PlatformError(.notFound, "the path names no model")
        }
        switch parts.count {
        case 1: return (name, nil)
        case 3 where parts[parts.startIndex + 1] == "versions":
            return (name, try ModelVersion(String(parts[parts.startIndex + 2])))
        default: throw PlatformError(.notFound, "there is nothing at this path")
        }
    }
}

/// An answer that may be there when the call returns, or later from another thread.
public final class PendingAnswer: @unchecked Sendable {
    // Written by `complete` and read by `answer`. When `complete` runs on the caller's thread, before
    // `answer` is asked for, no promise is ever made: that is the hot path.
    private let eventLoop: any EventLoop
    private let lock = NIOLock()
    private var response: FastResponse?
    private var promise: EventLoopPromise<FastResponse>?

    public init(eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
    }

    /// To be called once.
    public func complete(_ response: FastResponse) {
        let promise = lock.withLock {
            self.response = response
            return self.promise
        }
        promise?.succeed(response)
    }

    /// To be asked for once.
    public var answer: FastAnswer {
        lock.withLock {
            if let response { return .now(response) }
            let promise = eventLoop.makePromise(of: FastResponse.self)
            self.promise = promise
            return .later(promise.futureResult)
        }
    }
}
