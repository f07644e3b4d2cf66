import HTTPTypes

@testable import SlipwayHTTP

extension FuzzTarget {
    /// A head that is read is read from its own bytes only, and found no sooner than it ends: cut anywhere before, it is
    /// waited for.
    static let plainHead = FuzzTarget(
        name: "plain-head",
        seeds: [
            "POST /v2/models/a/infer HTTP/1.1\r\nhost: a\r\ncontent-length: 12\r\n\r\n{", "GET /a?b=c HTTP/1.1\r\nHost: h:1\r\nX-A:\t b \r\n\r\nGET / HTTP/1.1\r\n",
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\n b: c\r\n\r\n", "GET / HTTP/1.1\r\nhost: a\n\r\n\r\n",
        ],
        words: ["HTTP/1.1\r\n", "\r\n\r\n", "\r\r\n", "host: a\r\n", "content-length: 1\r\n", "transfer-encoding: chunked\r\n", "POST /", "GET /", ": ", "\t", "\n"]
    ) { input in
        guard case .head(let head) = scan(input[...]) else { return .refused }
        try expect(head.byteCount <= input.count && input[..<head.byteCount].suffix(4) == [13, 10, 13, 10], "a head that does not end where it says")
        try expect(head.request.path.map { $0.hasPrefix("/") && $0.hasPrefix(head.path) } ?? false, "another path: \(head.path)")
        guard case .head(let alone) = scan(input[..<head.byteCount]) else { throw BrokenRule("what follows the head decides whether it is one") }
        try expect(alone.request == head.request && alone.contentLength == head.contentLength && alone.path == head.path, "what follows the head is read as part of it")
        for count in stride(from: head.byteCount - 1, through: 0, by: -max(1, head.byteCount / 16)) {
            guard case .incomplete = scan(input[..<count]) else { throw BrokenRule("cut at \(count) it is judged already") }
        }
        return .accepted
    }

    /// In memory of exactly its size: a sanitizer sees a read past its end.
    private static func scan(_ input: ArraySlice<UInt8>) -> PlainHead.Scan {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(input.count, 1), alignment: 1)
        defer { copy.deallocate() }
        copy.copyBytes(from: input)
        return PlainHead.scan(UnsafeRawBufferPointer(rebasing: copy[0..<input.count]))
    }
}
