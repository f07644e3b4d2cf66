import Foundation
import SlipwayCore
import SlipwayTracking

@testable import SlipwayInference
@testable import SlipwayTrackingServer

extension FuzzTarget {
    /// JSON that is read is written as bytes that are read as the same value; and what the model server's scanner, which
    /// makes no tree, would go over is the same: all of it, and the same text and the same number.
    static let json = FuzzTarget(
        name: "json",
        seeds: [
            "null", "[1,-2.5e3,true,false]", "{\"a\":{\"b\":[\"\\u00e9\\ud83d\\ude00\\n\"]}}", "9223372036854775807", "-0.0", "1e308", "\"\\\"\\\\\"",
            "[[[[[[[[]]]]]]]]", "{\"a\":1,\"a\":2}", " { } ", "92233720368547758080",
        ],
        words: ["{\"", "\":", "\\u", "\\ud83d\\ude00", "e-", "true", "false", "null", "9223372036854775808", "1e400"]
    ) { input in
        try verdict {
            let value = try JSONValue(parsing: input)
            let bytes = value.canonicalBytes
            let again = try mustHold("canonical JSON is read") { try JSONValue(parsing: bytes) }
            try expect(again == value && again.canonicalBytes == bytes, "another value was read back: \(String(decoding: bytes, as: UTF8.self))")
            try expect(try JSONValue(parsing: value.prettyText) == value, "the pretty text is another value")
            try expectScanned(input, as: value)
        }
    }

    private static func expectScanned(_ input: [UInt8], as value: JSONValue) throws {
        try input.withUnsafeBytes { bytes in
            do {
                var scanner = JSONScanner(bytes)
                try scanner.skipValue()
                scanner.skipSpace()
                try expect(scanner.offset == bytes.count, "the scanner stops at byte \(scanner.offset)")
                scanner = JSONScanner(bytes)
                scanner.skipSpace()
                switch value {
                case .string(let text): try expect(try scanner.string(bytesMax: text.utf8.count) == text, "the scanner reads another text")
                case .double(let number): try expect(try scanner.double() == number, "the scanner reads another number")
                case .int(let number): try expect(try scanner.integer(from: .min, to: .max) == number, "the scanner reads another integer")
                default: break
                }
            } catch let error as PlatformError {
                // Its bounds are narrower.
                try expect(error.message.contains("longer than") || error.message.contains("nested deeper"), "the scanner refuses it: \(error.message)")
            }
        }
    }

    /// A page token that is read names the same place when it is written again.
    static let pageToken = FuzzTarget(
        name: "page-token",
        seeds: [
            SearchCursor(values: [.text("a'b"), .integer(7), .real(0.5), .null]).token, SearchCursor(values: [.text("")]).token,
            "W3siciI6IjdmZjgwMDAwMDAwMDAwMDAifV0=", "W10=", "bnVsbA==", "WzFd",
        ],
        words: ["=", "==", "W3", "-_"]
    ) { input in
        try verdict {
            let cursor = try SearchCursor(token: String(decoding: input, as: UTF8.self))
            let again = try mustHold("a token of ours is read") { try SearchCursor(token: cursor.token) }
            try expect(again == cursor, "another place was read back: \(cursor)")
            try expect(!cursor.values.isEmpty, "a place without values")
        }
    }

    /// Whatever a client calls a file, it is below the root of the store.
    static let path = FuzzTarget(
        name: "path",
        seeds: [
            "a/b.txt", "./a//b/.", "../a", "a/../../b", "%2e%2e/a", "%252e%252e%252fa", "/etc/passwd", "C:\\a", "file:///etc/passwd", "a%00b",
            "a\\..\\b", "%C3%A9t%C3%A9", "a#b", "a%2fb", "...", "a/..%2f..%2fb", "\u{FF0E}\u{FF0E}/a", "../\u{301}x", "a/\u{301}/../../\u{FE0E}b", "/\u{301}etc", "a%", "%e0%80%af",
        ],
        words: ["../", "..", "%2e", "%2f", "%25", "%5c", "%00", "//", "/.", "file:", "\\", "#", "?", "C:"]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        return try verdict {
            let path = try ArtifactPath(requested: text)
            try expectBelowRoot(path)
            let again = try mustHold("a path of ours is one") { try ArtifactPath(path.text) }
            try expect(again == path, "another path: \(path)")
            if let direct = try? ArtifactPath(text) { try expectBelowRoot(direct) }
            if let placed = try? ArtifactURI.path("mlflow-artifacts:/0/run/artifacts", appending: text) {
                try expectBelowRoot(placed)
                try expect(placed.text.utf8.starts(with: "0/run/artifacts/".utf8), "it left its run's folder: \(placed)")
            }
            if let other = try? ArtifactURI.path("mlflow-artifacts:/" + text, appending: "x") { try expectBelowRoot(other) }
        }
    }

    private static func expectBelowRoot(_ path: ArtifactPath) throws {
        let root = "/srv/root"
        // As the file system would take it, and as somebody would who decodes it once more.
        for text in [path.text, path.text.removingPercentEncoding ?? path.text] {
            // Byte by byte: what is one character to Swift may have a slash in it.
            let normal = Array(NameRules.normalised("\(root)/\(text)").utf8)
            try expect(normal.starts(with: "\(root)/".utf8) || (text != path.text && normal == Array(root.utf8)), "it leads out of the root: \(text)")
        }
        try expect(!path.text.utf8.contains(0) && !path.text.utf8.contains(UInt8(ascii: "\\")), "it has bytes that no path has")
    }

    /// A query is read whatever it is; and a text that is encoded byte by byte is read as itself.
    static let query = FuzzTarget(
        name: "query",
        seeds: ["?run_id=a&x=1&x=2", "/a?b=%20+c&&=&d", "?a=%zz%E9", "?=", "?a==b"],
        words: ["&", "=", "%20", "+", "run_id=", "%C3%A9"]
    ) { input in
        let parameters = Parameters(target: String(decoding: input, as: UTF8.self))
        if let text = String(validating: input, as: UTF8.self) {
            let encoded = input.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            let read = Parameters(target: "/a?b=c&k=\(encoded)&d").value("k")?.stringValue
            try expect(read.map { Array($0.utf8) } == input, "read as \(read ?? "nothing"): \(text)")
        }
        return try verdict {
            for key in ["run_id", "x", "a", ""] {
                _ = parameters.value(key)
                _ = try parameters.list(key)
                _ = parameters.bool(key)
            }
            _ = try parameters.int("x")
            _ = try parameters.texts("x")
        }
    }
}
