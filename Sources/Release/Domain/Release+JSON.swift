public import SlipwayCore

/// How a release's policy stands in answers of the gateway and of the console.
extension Release.Shadow {
    /// `{"version":5,"percent":10,"compare":"tolerance","absolute":1e-06,"relative":0.0001,"queue":256}`.
    public var json: [String: JSONValue] {
        var members: [String: JSONValue] = [
            "version": .int(Int64(version.number)), "percent": percent.json, "compare": .string(compare.rawValue),
            "queue": .int(Int64(queue)),
        ]
        if compare == .tolerance {
            members["absolute"] = .double(absolute)
            members["relative"] = .double(relative)
        }
        return members
    }

    /// - Throws: `invalid_argument` when a member is missing or is none of ours.
    public init(json: JSONValue) throws(PlatformError) {
        guard let version = json["version"]?.intValue, let percent = json["percent"]?.doubleValue,
            let compare = (json["compare"]?.stringValue).flatMap(Comparison.init), let queue = json["queue"]?.intValue
        else { throw PlatformError(.invalidArgument, "a shadow's 'version', 'percent', 'compare' or 'queue' cannot be read") }
        self.init(
            version: try ModelVersion(Int(clamping: version)),
            percent: try Weight(percent: percent),
            compare: compare,
            absolute: json["absolute"]?.doubleValue ?? Self.absoluteDefault,
            relative: json["relative"]?.doubleValue ?? Self.relativeDefault,
            queue: Int(clamping: queue)
        )
    }
}

extension Release.Stickiness {
    public var json: JSONValue {
        ["cookie": .string(cookie), "issue": .bool(issue), "days": .int(Int64(days)), "secure": .bool(secure)]
    }

    /// - Throws: `invalid_argument` when a member is missing or is none of ours.
    public init(json: JSONValue) throws(PlatformError) {
        guard let cookie = json["cookie"]?.stringValue, let issue = json["issue"]?.boolValue,
            let days = json["days"]?.intValue, let secure = json["secure"]?.boolValue
        else { throw PlatformError(.invalidArgument, "a release's stickiness cannot be read") }
        try self.init(cookie: cookie, issue: issue, days: Int(clamping: days), secure: secure)
    }
}

extension Weight {
    /// In percent: `10`, `0.5`.
    public var json: JSONValue {
        hundredths % 100 == 0 ? .int(Int64(hundredths / 100)) : .double(Double(hundredths) / 100)
    }
}
