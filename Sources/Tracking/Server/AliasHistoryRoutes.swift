import Foundation
import HTTPTypes
import Hummingbird
import SlipwayCore
import SlipwayHTTP
import SlipwayTracking

/// The alias ledger over HTTP, under our own prefix and with our own errors: MLflow has no such call.
struct AliasHistoryRoutes: Sendable {
    static let path = "api/slipway/v1/registered-models/{name}/alias-history"

    let ledger: any AliasLedger

    func add(to router: Router<PlatformRequestContext>) {
        router.get(RouterPath(Self.path)) { request, context in
            let question = try Question(name: context.parameters.get("name") ?? "", query: request.uri.query)
            return Response(json: try await answer(question))
        }
    }

    private func answer(_ question: Question) async throws -> JSONValue {
        guard let time = question.asOf else {
            return try JSONValue(
                encoding: try await ledger.aliasMoves(
                    of: question.model, alias: question.alias, limit: question.limit, before: question.before
                )
            )
        }
        return try JSONValue(
            encoding: try await ledger.aliases(
                of: question.model, alias: question.alias, asOf: time, limit: question.limit, after: question.after
            )
        )
    }

    /// What a request asks for.
    private struct Question: Sendable {
        let model: String
        let alias: String?
        let asOf: Timestamp?
        let limit: Int
        /// The page token of a history: a sequence.
        var before: Int64?
        /// The page token of a moment: an alias.
        var after: String?

        // Not inlined: see ChangeOrigins.
        @inline(never)
        init(name: String, query: String?) throws(PlatformError) {
            let parameters = Parameters(query: query)
            model = name.removingPercentEncoding ?? name
            alias = try Self.given("alias", parameters)
            let limit = try parameters.int("max_results") ?? AliasHistoryLimits.resultsDefault
            guard (1...AliasHistoryLimits.resultsMax).contains(limit) else {
                throw PlatformError(.invalidArgument, "max_results is \(limit); it must be from 1 to \(AliasHistoryLimits.resultsMax)")
            }
            self.limit = Int(limit)
            // In a query a plus that was not encoded means a space: here it can only be an offset's.
            if let text = try Self.given("as_of", parameters) {
                asOf = try Timestamp(Self.withPlus(text))
            } else {
                asOf = nil
            }
            guard let token = try Self.given("page_token", parameters) else { return }
            guard asOf == nil else {
                after = token
                return
            }
            guard let sequence = Int64(token), sequence > 0 else {
                throw PlatformError(.invalidArgument, "page_token '\(token.prefix(100))' is none that this server gave")
            }
            before = sequence
        }

        private static func given(_ key: String, _ parameters: Parameters) throws(PlatformError) -> String? {
            guard let text = try parameters.text(key), !text.isEmpty else { return nil }
            return text
        }

        /// The last space, when it stands where an offset's sign does.
        private static func withPlus(_ text: String) -> String {
            let bytes = Array(text.utf8)
            guard bytes.count > 6, bytes[bytes.count - 6] == UInt8(ascii: " "), bytes[bytes.count - 3] == UInt8(ascii: ":") else { return text }
            return String(decoding: bytes.dropLast(6) + [UInt8(ascii: "+")] + bytes.suffix(5), as: UTF8.self)
        }
    }
}

enum AliasHistoryLimits {
    static let resultsDefault: Int64 = 100
    static let resultsMax: Int64 = 1_000
}
