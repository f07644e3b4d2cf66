import SlipwayCore
import Testing

@Suite("JSON writer")
struct JSONWriterTests {
    @Test(
        "Each value has one canonical text",
        arguments: [
            (.null, "null"), (.bool(true), "true"), (.bool(false), "false"),
            (.int(.min), "-9223372036854775808"),
            (.int(.max), "9223372036854775807"), (.double(1), "1.0"), (.double(0.1), "0.1"),
            (.double(1e16), "1e+16"),
            (.double(.leastNonzeroMagnitude), "5e-324"), (.double(-1.5e300), "-1.5e+300"),
            (.string(""), "\"\""), (.array([]), "[]"),
            (.object([:]), "{}"), (.array([1, "a", nil]), #"[1,"a",null]"#),
            (.object(["b": 1, "a": [2]]), #"{"a":[2],"b":1}"#),
        ] as [(JSONValue, String)]
    )
    func canonical(value: JSONValue, text: String) {
        #expect(value.canonicalText == text)
        #expect(value.canonicalBytes == Array(text.utf8))
    }

    @Test("Keys stand in the order of their UTF-8 bytes")
    func keyOrder() {
        let value = JSONValue.object([
            "b": 1, "a": 2, "B": 3, "": 4, "aa": 5, "\u{E9}": 6, "\u{1F680}": 7, "\u{FF21}": 8,
        ])
        #expect(
            value.canonicalText
                == "{\"\":4,\"B\":3,\"a\":2,\"aa\":5,\"b\":1,\"\u{E9}\":6,\"\u{FF21}\":8,\"\u{1F680}\":7}"
        )
    }

    @Test("Quotes, backslashes and control characters are escaped, everything else stands as it is")
    func escapes() {
        #expect(
            JSONValue.string("\"\\/\n\r\t\0\u{8}\u{1F}\u{7F}").canonicalText
                == "\"\\\"\\\\/\\n\\r\\t\\u0000\\u0008\\u001f\u{7F}\""
        )
        #expect(JSONValue.string("\u{E9}\u{2028}\u{1F680}").canonicalText == "\"\u{E9}\u{2028}\u{1F680}\"")
        #expect(JSONValue.object(["\n": 1]).canonicalText == #"{"\n":1}"#)
    }

    @Test("A key or a text keeps the spelling it came in: nothing is normalised")
    func spelling() throws {
        for text in ["\"\u{E9}\"", "\"e\u{301}\"", "{\"e\u{301}\":1}"] {
            #expect(try JSONValue(parsing: text).canonicalBytes == Array(text.utf8))
        }
    }

    @Test("Equal values give equal bytes: the two zeros are one, and no order of making shows")
    func equalBytes() {
        #expect(JSONValue.double(-0.0) == .double(0))
        #expect(JSONValue.double(-0.0).canonicalBytes == JSONValue.double(0).canonicalBytes)
        let keys = (0..<100).map { "key-\($0)" }
        var forward: [String: JSONValue] = [:]
        var backward: [String: JSONValue] = [:]
        for key in keys { forward[key] = .string(key) }
        for key in keys.reversed() { backward[key] = .string(key) }
        #expect(JSONValue.object(forward).canonicalBytes == JSONValue.object(backward).canonicalBytes)
    }

    @Test("A double that is not finite is written null", arguments: [Double.nan, .infinity, -.infinity])
    func notFinite(number: Double) {
        #expect(JSONValue.array([.double(number)]).canonicalText == "[null]")
    }

    @Test("For people: two spaces a level, a space after the colon, empty ones on one line")
    func pretty() {
        let value: JSONValue = ["b": [1, [], ["x": nil]], "a": [:]]
        #expect(
            value.prettyText == """
                {
                  "a": {},
                  "b": [
                    1,
                    [],
                    {
                      "x": null
                    }
                  ]
                }
                """
        )
    }
}
