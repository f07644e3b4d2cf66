import HTTPTypes
import Hummingbird
import SlipwayCore

/// What a download's conditions and range ask for, by RFC 9110, sections 13 and 14.
struct ConditionalRequest: Equatable {
    enum Decision: Equatable {
        case whole
        case part(Range<Int64>)
        /// 304.
        case notModified
        /// 412.
        case preconditionFailed
        /// 416.
        case unsatisfiable
    }

    var isHead = false
    var range: String?
    var ifRange: String?
    var ifMatch: String?
    var ifNoneMatch: String?

    init(isHead: Bool = false, range: String? = nil, ifRange: String? = nil, ifMatch: String? = nil, ifNoneMatch: String? = nil) {
        self.isHead = isHead
        self.range = range
        self.ifRange = ifRange
        self.ifMatch = ifMatch
        self.ifNoneMatch = ifNoneMatch
    }

    init(_ request: Request) {
        self.init(
            isHead: request.method == .head,
            range: request.headers[.range],
            ifRange: request.headers[.ifRange],
            ifMatch: request.headers[.ifMatch],
            ifNoneMatch: request.headers[.ifNoneMatch]
        )
    }

    /// - Parameter etag: With its quotes. It is a strong one: the digest of the bytes.
    func decide(etag: String, byteCount: Int64) -> Decision {
        if let ifMatch, !Self.lists(ifMatch, etag, isWeakEnough: false) { return .preconditionFailed }
        if let ifNoneMatch, Self.lists(ifNoneMatch, etag, isWeakEnough: true) { return .notModified }
        // A HEAD has no range, and a date in If-Range names nothing we keep.
        guard !isHead, let range, ifRange == nil || ifRange == etag else { return .whole }
        return Self.part(range, of: byteCount)
    }

    /// One range is answered as such. Of several, and of what is no range of bytes, the whole is.
    private static func part(_ text: String, of byteCount: Int64) -> Decision {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { trimmed($0) }
        guard parts.count == 2, parts[0].lowercased() == "bytes", !parts[1].contains(",") else { return .whole }
        let ends = parts[1].split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false).map { trimmed($0) }
        guard ends.count == 2, ends.allSatisfy({ $0.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }) else { return .whole }
        switch (number(ends[0]), number(ends[1])) {
        case (nil, nil):
            return .whole
        case (nil, let last?):
            let count = min(last, byteCount)
            return count == 0 ? .unsatisfiable : .part((byteCount - count)..<byteCount)
        case (let first?, let last):
            if let last, last < first { return .whole }
            guard first < byteCount else { return .unsatisfiable }
            return .part(first..<min(last ?? .max, byteCount - 1) + 1)
        }
    }

    /// Digits only; more than fit are more than any file has.
    private static func number(_ digits: Substring) -> Int64? {
        digits.isEmpty ? nil : Int64(digits) ?? .max
    }

    private static func lists(_ header: String, _ etag: String, isWeakEnough: Bool) -> Bool {
        header.split(separator: ",").contains { item in
            let item = trimmed(item)
            return item == "*" || item == etag || (isWeakEnough && item.hasPrefix("W/") && item.dropFirst(2) == etag)
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let start = text.drop { $0 == " " || $0 == "\t" }
        guard let end = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
        return start[...end]
    }
}
