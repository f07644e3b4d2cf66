import SlipwayCore
import Testing

@Suite("Path parts")
struct PathPartsTests {
    static let cases: [(String, [String])] = [
        ("a/b", ["a", "b"]), ("", [""]), ("/a//", ["", "a", "", ""]), ("../\u{301}x", ["..", "\u{301}x"]), ("a/\u{FE0E}/../b", ["a", "\u{FE0E}", "..", "b"]),
    ]

    @Test("A path is cut at its slashes, also where Swift sees another character in them", arguments: cases)
    func parts(path: String, parts: [String]) {
        #expect(path.pathParts == parts)
        #expect(path[...].pathParts == parts)
    }
}
