import NIOPosix
import SlipwayCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Which replicas the given URLs stand for: each address of a name is one, as a headless service has one
/// a pod.
actor UpstreamLookup {
    private let endpoints: [UpstreamEndpoint]
    private let addressesMax: Int
    private let resolve: @Sendable (String) async throws -> [String]
    /// What each name stood for last.
    private var addresses: [String: [String]] = [:]
    private(set) var current: [UpstreamEndpoint]

    init(
        endpoints: [UpstreamEndpoint],
        addressesMax: Int,
        resolve: @escaping @Sendable (String) async throws -> [String]
    ) {
        self.endpoints = endpoints
        self.addressesMax = addressesMax
        self.resolve = resolve
        current = endpoints
    }

    var hasNames: Bool { endpoints.contains { !SystemResolver.isAddress($0.host) } }

    /// Looks every name up. One that cannot be, or that stands for nothing now, keeps what it stood for:
    /// a name server's trouble must not take a healthy model server away.
    func refresh() async -> (endpoints: [UpstreamEndpoint], isChanged: Bool, failures: Int) {
        var failures = 0
        for name in Set(endpoints.map(\.host)) where !SystemResolver.isAddress(name) {
            do {
                let found = try await resolve(name)
                guard !found.isEmpty else {
                    failures += 1
                    continue
                }
                addresses[name] = Array(Set(found).sorted().prefix(addressesMax))
            } catch {
                failures += 1
            }
        }
        var next: [UpstreamEndpoint] = []
        for endpoint in endpoints {
            let known = addresses[endpoint.host]
            for replica in known.map({ $0.map(endpoint.at) }) ?? [endpoint] where !next.contains(replica) { next.append(replica) }
        }
        let isChanged = next != current
        current = next
        return (next, isChanged, failures)
    }
}

/// Names looked up as every program of the machine does.
public enum SystemResolver {
    /// All addresses of a name: those of version 4, or where there is none those of version 6, as most
    /// services have both for each replica.
    ///
    /// Blocks a thread of the pool, not the caller's.
    ///
    /// - Throws: `unavailable` when the name cannot be looked up.
    public static func addresses(of name: String) async throws -> [String] {
        try await NIOThreadPool.singleton.runIfActive { try lookUp(name) }
    }

    static func isAddress(_ host: String) -> Bool {
        // Room for either kind. Bytes, as NIO's module claims the C structs where it is read before the C library's.
        var address = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }

    private static func lookUp(_ name: String) throws -> [String] {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_protocol = Int32(IPPROTO_TCP)
        var first: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(name, nil, &hints, &first)
        guard code == 0 else {
            throw PlatformError(.unavailable, "the name '\(name)' cannot be looked up: \(String(cString: gai_strerror(code)))")
        }
        defer { freeaddrinfo(first) }
        var four: [String] = []
        var six: [String] = []
        var next = first
        while let item = next?.pointee {
            next = item.ai_next
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            guard getnameinfo(item.ai_addr, item.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else { continue }
            let address = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if item.ai_family == AF_INET { four.append(address) } else { six.append(address) }
        }
        return four.isEmpty ? six : four
    }
}
