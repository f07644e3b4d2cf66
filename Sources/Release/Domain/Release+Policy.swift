public import SlipwayCore

extension Release {
    /// A version that is served to copies of requests only: `spec.shadow`.
    public struct Shadow: Sendable, Hashable, Codable {
        /// When its answer counts as the same as the variant's.
        public enum Comparison: String, Sendable, Hashable, Codable, CaseIterable {
            /// The same bytes in every tensor.
            case exact
            /// Numbers within ``Shadow/absolute`` + ``Shadow/relative`` × the variant's number.
            case tolerance
            /// The same prediction, whatever the scores.
            case label
        }

        public static let queueRange = 1...10_000
        public static let queueDefault = 256
        public static let absoluteDefault = 1e-6
        public static let relativeDefault = 1e-4

        public let version: ModelVersion
        /// The share of all requests that are mirrored.
        public let percent: Weight
        public let compare: Comparison
        /// Meant for ``Comparison/tolerance`` only.
        public let absolute: Double
        public let relative: Double
        /// Copies that may wait, a replica of the gateway; more are dropped and counted.
        public let queue: Int

        public init(
            version: ModelVersion,
            percent: Weight,
            compare: Comparison = .exact,
            absolute: Double = absoluteDefault,
            relative: Double = relativeDefault,
            queue: Int = queueDefault
        ) {
            self.version = version
            self.percent = percent
            self.compare = compare
            self.absolute = compare == .tolerance ? absolute : Self.absoluteDefault
            self.relative = compare == .tolerance ? relative : Self.relativeDefault
            self.queue = queue
        }
    }

    /// A cookie that stands in for `x-client-id`: `spec.stickiness`.
    public struct Stickiness: Sendable, Hashable, Codable {
        public static let nameBytesMax = 64
        public static let daysRange = 1...400
        public static let daysDefault = 30

        /// The cookie's name.
        public let cookie: String
        /// Whether the gateway gives the cookie to clients that have neither it nor `x-client-id`.
        public let issue: Bool
        public let days: Int
        /// Whether browsers may send it over TLS only.
        public let secure: Bool

        public init(cookie: String, issue: Bool = false, days: Int = daysDefault, secure: Bool = false) throws(PlatformError) {
            // A token of RFC 9110, a little narrower.
            let isName = cookie.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."):
                    true
                default: false
                }
            }
            guard isName, !cookie.isEmpty, cookie.utf8.count <= Self.nameBytesMax else {
                throw PlatformError(
                    .invalidArgument,
                    "'\(cookie.prefix(80))' is not a cookie's name",
                    remedy: "use up to \(Self.nameBytesMax) letters, digits, '_', '-' or '.'"
                )
            }
            self.cookie = cookie
            self.issue = issue
            self.days = days
            self.secure = secure
        }
    }
}
