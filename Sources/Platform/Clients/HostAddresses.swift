import Dispatch
import Foundation
import SlipwayCore

/// The replicas behind a name: a headless Service answers with one address a replica.
public enum HostAddresses {
    /// More than these behind one name are a mistake in the name.
    public static let addressesMax = 1_000

    /// The same URL with each address of its host, sorted; itself where the host is an address already, or
    /// where its certificate must fit the name.
    ///
    /// - Throws: `unavailable` when the name has no address now.
    public static func urls(of url: String) async throws -> [String] {
        guard let parts = URLComponents(string: url), parts.scheme == "http", let host = parts.host else { return [url] }
        let bare = host.trimmingCharacters(in: ["[", "]"])
        guard bare != "localhost", !isAddress(bare) else { return [url] }
        let found = await withCheckedContinuation { continuation in
            DispatchQueue.global(qos: .utility).async { continuation.resume(returning: resolve(bare)) }
        }
        guard !found.isEmpty else {
            throw PlatformError(.unavailable, "no replica is behind '\(bare)': the name has no address", remedy: "check that it runs")
        }
        guard found.count <= addressesMax else {
            throw PlatformError(.exhausted, "'\(bare)' has more than \(addressesMax) addresses")
        }
        return found.sorted().map { address in
            var one = parts
            one.encodedHost = address.contains(":") ? "[\(address)]" : address
            return one.string ?? url
        }
    }

    private static func isAddress(_ host: String) -> Bool {
        // Room for either kind. Bytes, as NIO's module claims the C structs where it is read before the C library's.
        var address = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1
    }

    private static func resolve(_ host: String) -> Set<String> {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: Set<String> = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let size = socklen_t(text.count)
            if getnameinfo(entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, size, nil, 0, NI_NUMERICHOST) == 0 {
                found.insert(String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            next = entry.pointee.ai_next
        }
        return found
    }
}
