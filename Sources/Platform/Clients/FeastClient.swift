import NIOCore
import NIOHTTP1
import SlipwayCore
public import SlipwayFeatures

/// Feast's feature server, by `POST /get-online-features`.
///
/// What it really answers (0.67): columns in an order of its own, the entity's keys first; for an entity or
/// value that it does not have, `PRESENT` with null; for a service that is not there, 404; for a bad key, 500
/// with a sentence.
public struct FeastClient: Sendable {
    static let answerBytesMax = 16 << 20

    private let peer: Peer

    public init(url: String, connections: HTTPConnections) {
        peer = Peer(url, name: "the feature store", connections: connections)
    }

    public func answer(_ settings: FeatureSettings, for entities: [EntityKey], timeout: Duration) async throws -> FeatureAnswer {
        var keys: [String: JSONValue] = [:]
        for (index, name) in settings.entities.enumerated() { keys[name] = .array(entities.map { $0[index] }) }
        let body: JSONValue = ["feature_service": .string(settings.service), "entities": .object(keys), "full_feature_names": false]
        let answer = try await peer.call(PeerRequest(.POST, "/get-online-features", json: body), limit: timeout, bytesMax: Self.answerBytesMax)
        guard answer.isSuccess else {
            throw PlatformError(
                answer.status == 404 ? .failedPrecondition : .unavailable,
                answer.status == 404 ? "the feature store has no feature service '\(settings.service)'" : "the feature store answered \(answer.status)",
                remedy: answer.status == 404 ? "feast apply" : nil,
                cause: PlatformError(.unexpected, answer.said)
            )
        }
        return try Self.read(answer.body, count: entities.count)
    }

    /// - Throws: `unavailable` for what is no answer of Feast.
    static func read(_ bytes: [UInt8], count: Int) throws(PlatformError) -> FeatureAnswer {
        let json: JSONValue
        do {
            json = try JSONValue(parsing: bytes)
        } catch {
            throw PlatformError(.unavailable, "what answers is no feature store", cause: error)
        }
        guard let names = json["metadata"]?["feature_names"]?.arrayValue, let results = json["results"]?.arrayValue, names.count == results.count else {
            throw PlatformError(.unavailable, "the feature store's answer has not one result a name")
        }
        var columns: [String: [FeatureValue?]] = [:]
        for (name, result) in zip(names, results) {
            guard let name = name.stringValue, let values = result["values"]?.arrayValue, values.count == count else {
                throw PlatformError(.unavailable, "the feature store's answer has not one value an entity")
            }
            let statuses = result["statuses"]?.arrayValue ?? []
            let times = result["event_timestamps"]?.arrayValue ?? []
            columns[name] = values.indices.map { index in
                let status = index < statuses.count ? statuses[index].stringValue : nil
                // A value that is too old by the store's own rule is there all the same: its time says so.
                guard status == nil || status == "PRESENT" || status == "OUTSIDE_MAX_AGE", let number = number(values[index]) else { return nil }
                return FeatureValue(number, time: index < times.count ? time(times[index]) : nil)
            }
        }
        return FeatureAnswer(columns: columns)
    }

    private static func number(_ value: JSONValue) -> Double? {
        if let flag = value.boolValue { return flag ? 1 : 0 }
        return value.doubleValue
    }

    /// The beginning of time stands for "not known".
    private static func time(_ value: JSONValue) -> Timestamp? {
        guard let time = value.stringValue.flatMap({ try? Timestamp($0) }), time.milliseconds > 0 else { return nil }
        return time
    }
}
