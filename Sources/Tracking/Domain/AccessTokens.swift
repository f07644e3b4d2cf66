public import SlipwayCore

/// What a token lets its holder do; each scope includes those before it.
public enum AccessScope: String, Sendable, Codable, CaseIterable, Comparable {
    case read
    case write
    case admin

    public static func < (left: Self, right: Self) -> Bool {
        (allCases.firstIndex(of: left) ?? 0) < (allCases.firstIndex(of: right) ?? 0)
    }
}

/// A bearer token as the server knows it: by its digest, never by its text.
public struct AccessToken: Sendable, Codable, Equatable {
    /// Who holds it: what the alias ledger writes down.
    public let name: String
    public let scope: AccessScope
    /// Of the whole text that the holder sends.
    ///
    /// A plain SHA-256 without salt or stretching is right here, and would be wrong for a password: the text
    /// is 256 random bits that we drew, so nobody can try all of it, and no two are ever equal.
    public let digest: Digest
    public let created: Timestamp
    /// `nil`: it is valid until it is revoked.
    public let expires: Timestamp?

    public init(name: String, scope: AccessScope, digest: Digest, created: Timestamp, expires: Timestamp?) {
        self.name = name
        self.scope = scope
        self.digest = digest
        self.created = created
        self.expires = expires
    }

    public func isExpired(at now: Timestamp) -> Bool {
        guard let expires else { return false }
        return expires <= now
    }
}

/// Where the tokens of a server come from, asked at each request: a revoked one is refused from then on.
public protocol AccessTokenSource: Sendable {
    /// - Throws: when they cannot be read; nobody is let in then.
    func current() throws(PlatformError) -> AccessTokens
}

/// All tokens of one tracking server.
public struct AccessTokens: Sendable, Codable, Equatable, AccessTokenSource {
    public static let countMax = 1_000
    public static let nameBytesMax = 64
    /// 256 bits.
    static let secretBytes = 32
    /// What a leaked token is recognised by.
    public static let prefix = "slipway_"

    public private(set) var tokens: [AccessToken]

    public init(_ tokens: [AccessToken] = []) {
        self.tokens = tokens
    }

    public func current() throws(PlatformError) -> AccessTokens { self }

    /// The token whose text was sent; it may have expired.
    ///
    /// Looks at every token and every byte, so that the time it takes says nothing about any of them.
    public func token(of text: String) -> AccessToken? {
        let asked = Array(Digest(of: text.utf8).hex.utf8)
        var found: AccessToken?
        for token in tokens {
            let difference = zip(token.digest.hex.utf8, asked).reduce(0 as UInt8) { $0 | ($1.0 ^ $1.1) }
            if difference == 0 { found = token }
        }
        return found
    }

    /// Makes a token and answers its text, which is not kept: this is the only time that anybody sees it.
    ///
    /// - Parameter generator: The system's, but for tests: it must not be guessable.
    /// - Throws: `already_exists` for a name in use, `invalid_argument` for one that cannot be a name.
    public mutating func issue(
        name: String,
        scope: AccessScope,
        now: Timestamp,
        expires: Timestamp? = nil,
        using generator: inout some RandomNumberGenerator
    ) throws(PlatformError) -> String {
        guard Self.isName(name) else {
            throw PlatformError(
                .invalidArgument,
                "'\(name.prefix(Self.nameBytesMax))' cannot be a token's name",
                remedy: "use up to \(Self.nameBytesMax) letters, digits, '_', '.', '-' and '@', beginning with a letter or digit"
            )
        }
        guard !tokens.contains(where: { $0.name == name }) else {
            throw PlatformError(.alreadyExists, "there is a token '\(name)' already", remedy: "revoke it first, or choose another name")
        }
        guard tokens.count < Self.countMax else {
            throw PlatformError(.exhausted, "there are \(Self.countMax) tokens already", remedy: "revoke some")
        }
        let text = Self.prefix + (0..<Self.secretBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }.hexText
        tokens.append(AccessToken(name: name, scope: scope, digest: Digest(of: text.utf8), created: now, expires: expires))
        return text
    }

    /// - Throws: `not_found` when there is no such token.
    public mutating func revoke(_ name: String) throws(PlatformError) {
        guard let index = tokens.firstIndex(where: { $0.name == name }) else {
            throw PlatformError(.notFound, "there is no token '\(name.prefix(Self.nameBytesMax))'", remedy: "slipway tracking token list")
        }
        tokens.remove(at: index)
    }

    private static func isName(_ name: String) -> Bool {
        guard (1...nameBytesMax).contains(name.utf8.count), let first = name.unicodeScalars.first, first.properties.isAlphabetic || first.properties.numericType != nil
        else { return false }
        return name.unicodeScalars.allSatisfy { scalar in
            scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || "_.-@".unicodeScalars.contains(scalar))
        }
    }
}
