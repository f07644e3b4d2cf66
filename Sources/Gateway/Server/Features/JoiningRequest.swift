import HTTPTypes
import SlipwayCore
import SlipwayFeatures
import SlipwayHTTP

/// A request that names entities: `{"entities":{"patient_id":[7,9]},"instances":[[…],[…]]}`.
///
/// `instances` may be left out; where they are there, features are joined behind each row.
struct JoiningRequest: Sendable {
    let model: String
    let settings: FeatureSettings
    let entities: [EntityKey]
    private let instances: [[JSONValue]]?
    private let isModelNamed: Bool

    /// - Throws: `invalid_argument` that says what the request lacks.
    init(_ body: JSONValue, model: String, settings: FeatureSettings) throws(PlatformError) {
        self.model = model
        self.settings = settings
        isModelNamed = body["model"] != nil
        let keys = settings.entities.joined(separator: "', '")
        guard let named = body["entities"] else {
            throw PlatformError(
                .invalidArgument, "model '\(model)' takes features, and the body names no 'entities'",
                remedy: "send {\"entities\":{\"\(settings.entities[0])\":[…]}}, or 'inputs' with whole tensors"
            )
        }
        guard let lists = named.objectValue, Set(lists.keys) == Set(settings.entities) else {
            throw PlatformError(.invalidArgument, "'entities' must have exactly '\(keys)'")
        }
        var columns: [[JSONValue]] = []
        for name in settings.entities {
            guard let values = lists[name]?.arrayValue, !values.isEmpty, values.count <= GatewayFeatures.entitiesMax else {
                throw PlatformError(.invalidArgument, "entity '\(name)' must be a list of 1 to \(GatewayFeatures.entitiesMax) keys")
            }
            for value in values {
                switch value {
                case .string, .int: continue
                case .null, .bool, .double, .array, .object:
                    throw PlatformError(.invalidArgument, "entity '\(name)' has a key that is neither a text nor a whole number")
                }
            }
            guard columns.isEmpty || columns[0].count == values.count else {
                throw PlatformError(.invalidArgument, "'entities' has lists of different lengths")
            }
            columns.append(values)
        }
        let count = columns[0].count
        entities = (0..<count).map { index in columns.map { $0[index] } }
        guard let rows = body["instances"] else {
            instances = nil
            return
        }
        guard let rows = rows.arrayValue, rows.count == count else {
            throw PlatformError(.invalidArgument, "'instances' must be a list of \(count) rows, one an entity")
        }
        var flat: [[JSONValue]] = []
        for row in rows {
            guard let values = row.arrayValue, !values.contains(where: { $0.doubleValue == nil }) else {
                throw PlatformError(.invalidArgument, "a row of 'instances' must be a list of numbers")
            }
            flat.append(values)
        }
        instances = flat
    }

    /// The body as one that brings everything.
    func body(with joined: FeatureJoin) -> [UInt8] {
        let rows = joined.rows.enumerated().map { index, features -> JSONValue in
            .array((instances?[index] ?? []) + features.map { .double($0) })
        }
        var members: [String: JSONValue] = ["instances": .array(rows)]
        if isModelNamed { members["model"] = .string(model) }
        return JSONValue.object(members).canonicalBytes
    }
}

/// What the answer says about the features that it was made from.
///
/// `x-slipway-features` is `fresh`, `stale` or `missing`, by the worst; the columns concerned are in
/// `x-slipway-features-stale` and `x-slipway-features-missing`.
struct FeatureHeaders: Sendable {
    private static let columnsShownMax = 50

    private let fields: [(HTTPField.Name, String)]

    init(_ joined: FeatureJoin, policy: FeatureSettings.Policy) {
        var fields: [(HTTPField.Name, String)] = []
        let state = !joined.missing.isEmpty ? "missing" : !joined.stale.isEmpty ? "stale" : "fresh"
        fields.append((Self.name("x-slipway-features"), state))
        if !joined.stale.isEmpty { fields.append((Self.name("x-slipway-features-stale"), Self.list(joined.stale))) }
        if !joined.missing.isEmpty { fields.append((Self.name("x-slipway-features-missing"), Self.list(joined.missing))) }
        if policy == .warn, state != "fresh" {
            fields.append((Self.name("warning"), "199 slipway \"features are \(state): \(Self.list(joined.missing + joined.stale))\""))
        }
        self.fields = fields
    }

    func added(to response: FastResponse) -> FastResponse {
        var response = response
        for (name, value) in fields { response.headers[name] = value }
        return response
    }

    private static func list(_ columns: [String]) -> String {
        columns.count <= columnsShownMax
            ? columns.joined(separator: ", ") : columns.prefix(columnsShownMax).joined(separator: ", ") + ", ..."
    }

    private static func name(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("'\(text)' is not a header's name") }
        return name
    }
}
