import SlipwayCore
import SlipwayTracking
import Testing

@Suite("Artifact path")
struct ArtifactPathTests {
    @Test("A path that could lead out of the store is refused", arguments: [
        "", "/etc/passwd", "..", "../x", "../\u{301}x", "a/..//\u{FE0E}x", "a/../../x", "a/..", ".", "a/./b", "a//b", "a/", "a\\..\\b", "a\u{0}b", "a\nb", "a\u{7F}",
    ])
    func refused(text: String) {
        let error = #expect(throws: PlatformError.self) { try ArtifactPath(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "Invalid path")
    }

    private static let long: [String] = [
        String(repeating: "a/", count: 512) + "b", String(repeating: "a", count: ArtifactPath.partBytesMax + 1),
        Array(repeating: "d", count: ArtifactPath.depthMax + 1).joined(separator: "/"),
    ]

    @Test("A path, a part and a depth over its limit is refused, and says which; one at the limit is accepted", arguments: long)
    func limits(text: String) throws {
        let error = #expect(throws: PlatformError.self) { try ArtifactPath(text) }
        #expect(error?.message.hasPrefix("Invalid path: ") == true)
        let part = String(repeating: "a", count: ArtifactPath.partBytesMax)
        #expect(throws: Never.self) { try ArtifactPath(part) }
        #expect(throws: Never.self) { try ArtifactPath(Array(repeating: "d", count: ArtifactPath.depthMax).joined(separator: "/")) }
    }

    @Test("A plain path is kept as it is, and appending is checked as well")
    func accepted() throws {
        let path = try ArtifactPath("0/run/artifacts/..data/größe.txt")
        #expect(path.text == "0/run/artifacts/..data/größe.txt")
        #expect(path.name == "größe.txt")
        #expect(try path.appending("b").text == "0/run/artifacts/..data/größe.txt/b")
        #expect(throws: PlatformError.self) { try path.appending("../../x") }
    }

    @Test("What a client asks for is refused when it leads out now or after more decoding", arguments: [
        "../x", "a/../x", "../\u{301}x", "a/../\u{301}x", "..%2f%CC%81x", "/\u{301}etc", "%2e%2e/x", "%252e%252e/x", "a/%25252e%25252E/x", "/etc/passwd", "%2fetc/passwd", "%252Fetc", "a\\b", "%5c..%5cx",
        "C:/x", "c:x", "C%3A/x", "file:///etc/passwd", "FILE:x", "a#b", "a%23b", "a%00b", "a%250ab", "a\u{17}b", "", ".", "/",
        "%2525252525252525252525252e",
    ])
    func requestedRefused(text: String) {
        let error = #expect(throws: PlatformError.self) { try ArtifactPath(requested: text) }
        #expect(error?.message == "Invalid path")
    }

    private static let harmless: [String: String] = [
        "a/b": "a/b", "a//b/": "a/b", "./a/./b": "a/b", "100%.txt": "100%.txt", "a%20b": "a%20b", "50%25": "50%25",
        "a b/ü%/日本.txt": "a b/ü%/日本.txt", "..a/b..": "..a/b..", "a%step%80%timestamp%1795446007857%r.png": "a%step%80%timestamp%1795446007857%r.png", "%FF": "%FF", "x/C:/y": "x/C:/y", "1:/x": "1:/x", "%zz": "%zz", "%4": "%4",
    ]

    @Test("What is harmless is accepted with its per cent signs; empty parts and dots are dropped", arguments: harmless)
    func requestedAccepted(sent: String, kept: String) throws {
        #expect(try ArtifactPath(requested: sent).text == kept)
    }

    private static let escapes: [String: String?] = ["%41%42": "AB", "%c3%BC": "ü", "a%": "a%", "%1": "%1", "%g1": "%g1", "%2541": "%41", "%C3": nil]

    @Test("An escape is decoded once, leniently, and only to UTF-8", arguments: escapes)
    func decoding(text: String, decoded: String?) {
        #expect(PercentEncoding.decoded(text) == decoded)
    }
}
