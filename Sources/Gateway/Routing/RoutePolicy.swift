public import SlipwayCore

/// How a model's requests are routed, besides the weights: a part of its release.
public struct RoutePolicy: Sendable, Hashable {
    /// Makes browsers sticky, which cannot send `x-client-id`.
    public var cookie: StickyCookie?
    /// Whether a request may name its variant in a header.
    public var allowsChoice: Bool
    public var shadow: RoutedShadow?

    public init(cookie: StickyCookie? = nil, allowsChoice: Bool = false, shadow: RoutedShadow? = nil) {
        self.cookie = cookie
        self.allowsChoice = allowsChoice
        self.shadow = shadow
    }
}

/// The cookie whose value is a client's id where no header names one.
public struct StickyCookie: Sendable, Hashable {
    public let name: String
    /// Whether the gateway gives one to a client that has none.
    public let isIssued: Bool
    public let maxAgeSeconds: Int
    /// Whether a browser may send it over TLS only.
    public let isSecure: Bool

    public init(name: String, isIssued: Bool, maxAgeSeconds: Int, isSecure: Bool) {
        self.name = name
        self.isIssued = isIssued
        self.maxAgeSeconds = maxAgeSeconds
        self.isSecure = isSecure
    }

    /// The cookie's value in a `Cookie` header; `nil` when it is not there or empty.
    ///
    /// Follows RFC 6265, 5.4: pairs separated by `;`, the first of a name wins. Quotes are part of a value.
    public func value(in header: some StringProtocol) -> Substring.UTF8View? {
        var rest = Substring(header).utf8
        while !rest.isEmpty {
            let end = rest.firstIndex(of: UInt8(ascii: ";")) ?? rest.endIndex
            let pair = rest[..<end].drop { $0 == 0x20 || $0 == 0x09 }
            if let equals = pair.firstIndex(of: UInt8(ascii: "=")), pair[..<equals].elementsEqual(name.utf8) {
                let value = pair[pair.index(after: equals)...]
                return value.isEmpty ? nil : value
            }
            rest = end == rest.endIndex ? rest[end...] : rest[rest.index(after: end)...]
        }
        return nil
    }

    /// The `Set-Cookie` that gives a client this id.
    ///
    /// Scripts cannot read it, and another site's forms do not send it.
    public func issue(_ id: String) -> String {
        "\(name)=\(id); Path=/; Max-Age=\(maxAgeSeconds); HttpOnly; SameSite=Lax" + (isSecure ? "; Secure" : "")
    }
}

/// A version that gets copies of requests, and whose answers reach nobody.
public struct RoutedShadow: Sendable, Hashable {
    /// When its answer counts as the same as the variant's.
    public enum Comparison: Sendable, Hashable {
        case exact
        /// Numbers may differ by `absolute` + `relative` × the variant's number.
        case tolerance(absolute: Double, relative: Double)
        /// What is predicted is the same, whatever the scores.
        case label
    }

    public let version: ModelVersion
    /// The share of requests that are mirrored, in hundredths of a percent.
    public let hundredths: Int
    public let comparison: Comparison
    /// Copies that may wait; more are dropped.
    public let queueMax: Int

    public init(version: ModelVersion, hundredths: Int, comparison: Comparison, queueMax: Int) {
        self.version = version
        self.hundredths = hundredths
        self.comparison = comparison
        self.queueMax = queueMax
    }

    /// Whether a request is mirrored.
    ///
    /// - Parameter random: 64 evenly distributed bits; not those that chose the variant.
    public func mirrors(random: UInt64) -> Bool {
        ClientBucket(random: random).number < hundredths
    }
}
