import Foundation
public import HTTPTypes
public import SlipwayCore
public import SlipwayTracking

/// Who may ask the tracking server for what, decided from a request's method, target and headers alone.
///
/// Both places that answer requests ask it: the router, and the fast routes beside it.
public struct AccessPolicy: Sendable {
    /// What a 401 says of how to do better (RFC 9110, section 11.6.1).
    public static let challenge = "Bearer realm=\"slipway\""

    /// `nil`: any Host header will do, as a token is needed anyway.
    private let hosts: AllowedHosts?
    /// `nil`: nobody needs a token.
    private let tokens: (any AccessTokenSource)?
    private let clock: WallClock

    /// Everything to everybody on this machine, nothing to web pages from elsewhere.
    public static let loopback = AccessPolicy(hosts: .loopback)

    public init(hosts: AllowedHosts?, tokens: (any AccessTokenSource)? = nil, clock: WallClock = .system) {
        self.hosts = hosts
        self.tokens = tokens
        self.clock = clock
    }

    public enum Decision: Sendable {
        /// - Parameter caller: The name of the token; `nil` where none was needed.
        case granted(caller: String?)
        /// `unauthenticated`, `permission_denied`, or why the tokens could not be read.
        case refused(PlatformError)
    }

    public func decision(on head: HTTPRequest) -> Decision {
        let path = Self.path(of: head)
        if Self.isOpen(head.method, path) { return .granted(caller: nil) }
        if let hosts, !hosts.contains(head.authority) { return .refused(Self.strangeHost(head.authority)) }
        if let origin = Self.strangeOrigin(of: head, hosts: hosts) { return .refused(origin) }
        guard let tokens else { return .granted(caller: nil) }
        let known: AccessTokens
        do {
            known = try tokens.current()
        } catch {
            return .refused(PlatformError(.unavailable, "the server could not read its access tokens", cause: error))
        }
        guard let text = Self.presented(head.headerFields[.authorization]) else {
            return .refused(
                PlatformError(.unauthenticated, "this server wants an access token", remedy: "set MLFLOW_TRACKING_TOKEN to one that its administrator gave you")
            )
        }
        guard let token = known.token(of: text) else {
            return .refused(PlatformError(.unauthenticated, "the access token is not valid", remedy: "ask the server's administrator for another one"))
        }
        guard !token.isExpired(at: clock.now) else {
            return .refused(PlatformError(.unauthenticated, "the access token '\(token.name)' has expired", remedy: "ask the server's administrator for another one"))
        }
        let needed = Self.scope(head.method, path)
        guard token.scope >= needed else {
            return .refused(
                PlatformError(
                    .permissionDenied,
                    "this call needs scope '\(needed.rawValue)'; the access token '\(token.name)' has '\(token.scope.rawValue)'",
                    remedy: "use a token with scope '\(needed.rawValue)'"
                )
            )
        }
        return .granted(caller: token.name)
    }

    // MARK: What a call needs

    /// What probes and clients ask before anything else, which tells nothing; and the addresses that this server
    /// has handed out itself: 256 random bits in them say that their holder may.
    private static func isOpen(_ method: HTTPRequest.Method, _ path: Substring) -> Bool {
        if path == "/health" || path == "/version" { return method == .get || method == .head }
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count > 5, parts[0].isEmpty, parts[1] == "api" || parts[1] == "ajax-api", parts[3] == "mlflow-artifacts" else { return false }
        return parts[4] == "granted" || (parts[4] == "mpu" && parts[5] == "parts")
    }

    static func scope(_ method: HTTPRequest.Method, _ path: Substring) -> AccessScope {
        switch method {
        case .get, .head: .read
        case .post: isReadingPost(path) ? .read : .write
        default: .write
        }
    }

    /// Searches and the like, which MLflow has as POST: `/api/2.0/mlflow/runs/search`, `…/get-latest-versions`.
    ///
    /// Exactly this shape: deeper down, callers choose the names (`…/mpu/create/get-rich.txt` is a write).
    private static func isReadingPost(_ path: Substring) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 6, parts[0].isEmpty, parts[1] == "api" || parts[1] == "ajax-api", parts[3] == "mlflow" else { return false }
        guard parts[5].utf8.allSatisfy({ (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) || $0 == UInt8(ascii: "-") }) else { return false }
        return parts[5] == "search" || parts[5].hasPrefix("search-") || parts[5].hasPrefix("get-")
    }

    private static func path(of head: HTTPRequest) -> Substring {
        let target = head.path ?? "/"
        return target.prefix { $0 != "?" }
    }

    // MARK: Who asks

    /// The token in `Bearer <token>`, or the password in `Basic <user:token>`.
    private static func presented(_ authorization: String?) -> String? {
        guard let authorization, authorization.utf8.count <= authorizationBytesMax else { return nil }
        let parts = authorization.split(separator: " ", maxSplits: 1)
        guard parts.count == 2 else { return nil }
        let value = parts[1].trimmingCharacters(in: .whitespaces)
        switch parts[0].lowercased() {
        case "bearer": return value.isEmpty ? nil : value
        case "basic":
            guard let bytes = Data(base64Encoded: value), let text = String(validating: bytes, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else { return nil }
            let password = String(text[text.index(after: colon)...])
            return password.isEmpty ? nil : password
        default: return nil
        }
    }

    private static let authorizationBytesMax = 4 << 10

    // MARK: Web pages from elsewhere

    private static func strangeHost(_ host: String?) -> PlatformError {
        let named = (host ?? "").prefix(saidCharactersMax)
        return PlatformError(
            .permissionDenied,
            "this server does not answer to the Host header '\(named)' (protection against DNS rebinding)",
            remedy: "ask for it by a loopback address, or start it with --allowed-hosts \(named)"
        )
    }

    /// A change that a page of another site has a browser send: it needs no answer to do harm.
    private static func strangeOrigin(of head: HTTPRequest, hosts: AllowedHosts?) -> PlatformError? {
        guard head.method != .get, head.method != .head, let origin = head.headerFields[.origin] else { return nil }
        if let scheme = origin.range(of: "://") {
            let authority = String(origin[scheme.upperBound...])
            if authority == head.authority || (hosts ?? .loopback).contains(authority) { return nil }
        }
        return PlatformError(.permissionDenied, "changes are not taken from pages of '\(origin.prefix(saidCharactersMax))' (cross-origin request)")
    }

    private static let saidCharactersMax = 200
}
