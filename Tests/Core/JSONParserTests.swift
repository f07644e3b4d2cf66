import SlipwayCore
import Testing

@Suite("JSON parser")
struct JSONParserTests {
    @Test(
        "Every form of RFC 8259 is read as what it means",
        arguments: [
            ("null", .null), (" \t\r\n true ", .bool(true)), ("false", .bool(false)),
            ("0", .int(0)), ("-0", .int(0)), ("-7", .int(-7)), ("0.5", .double(0.5)),
            ("-0.25", .double(-0.25)),
            ("1e3", .double(1000)), ("1E+3", .double(1000)), ("25e-1", .double(2.5)), ("1.0", .double(1)),
            ("\"\"", .string("")), ("\"a b\"", .string("a b")), ("[]", .array([])), ("{}", .object([:])),
            ("[ 1 , [ ] ]", .array([.int(1), .array([])])),
            (#"{ "a" : { "b" : [ null ] } }"#, .object(["a": .object(["b": .array([.null])])])),
        ] as [(String, JSONValue)]
    )
    func forms(text: String, value: JSONValue) throws {
        #expect(try JSONValue(parsing: text) == value)
    }

    @Test("Every int64 stays exact; what is larger becomes the nearest double")
    func integers() throws {
        #expect(try JSONValue(parsing: "9223372036854775807") == .int(.max))
        #expect(try JSONValue(parsing: "-9223372036854775808") == .int(.min))
        #expect(try JSONValue(parsing: "9007199254740993") == .int(9_007_199_254_740_993))
        #expect(try JSONValue(parsing: "9223372036854775808") == .double(9_223_372_036_854_775_808))
        #expect(try JSONValue(parsing: "-9223372036854775809") == .double(-9_223_372_036_854_775_808))
    }

    @Test(
        "Every escape means its character, a surrogate pair one scalar",
        arguments: [
            (#""\" \\ \/""#, "\" \\ /"), (#""\b\f\n\r\t""#, "\u{8}\u{C}\n\r\t"), (#""\u0000""#, "\0"),
            (#""\u00e9\u00E9""#, "\u{E9}\u{E9}"), (#""\ud83d\ude80""#, "\u{1F680}"),
            (#""\uDBFF\uDFFF""#, "\u{10FFFF}"),
            (#""\ud7ff\ue000""#, "\u{D7FF}\u{E000}"),
            ("\"\u{7F}\u{2028}\u{1F680}\"", "\u{7F}\u{2028}\u{1F680}"),
        ]
    )
    func escapes(text: String, meaning: String) throws {
        let parsed = try #require(try JSONValue(parsing: text).stringValue)
        // By scalars, as `==` on strings also takes different spellings of one character for equal.
        #expect(Array(parsed.unicodeScalars) == Array(meaning.unicodeScalars))
    }

    @Test(
        "What RFC 8259 does not allow is refused",
        arguments: [
            "", " ", "\u{FEFF}1", "nul", "nulll", "True", "NaN", "Infinity", "-Infinity", "undefined", "'a'",
            "+1", "-", "01", "-01", "00", "1.", ".5", "-.5", "1.e1", "1e", "1e+", "1e1.5", "0x10", "1_000",
            "1 2", "--1",
            "\"", "\"a", "\"\\", "\"\\\"", "\"\\x\"", "\"\\'\"", "\"\n\"", "\"\t\"", "\"\0\"", "\"a\\q\"",
            "\"a\u{1F}\"",
            "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1;2]", "[1]]", "[}", "(1)",
            "{", "}", "{]", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{\"a\" 1}",
            "{\"a\"=1}",
            "{a:1}", "{1:1}", "{null:1}", "{\"a\":1 \"b\":2}", "{\"a\":1}}", "// a\n1", "/* a */1", "1 // a",
            "1\u{C}", "1\u{A0}",
        ]
    )
    func refusals(text: String) throws {
        let error = #expect(throws: PlatformError.self) { try JSONValue(parsing: text) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(
        "A unicode escape is four hex digits, and surrogates come in pairs",
        arguments: [
            #""\u""#, #""\u12""#, #""\u123""#, #""\u12g4""#, #""\u+123""#, #""\u-000""#, #""\u 123""#,
            #""\u0x1F""#,
            #""\ud800""#, #""\udc00""#, #""\ud800x""#, #""\ud800\n""#, #""\ud800\ud800""#, #""\ud800\u0041""#,
            #""\ud800\udc0""#, #""\udc00\ud800""#, "\"\\u00\u{E9}\"",
        ]
    )
    func unicodeEscapes(text: String) {
        let error = #expect(throws: PlatformError.self) { try JSONValue(parsing: text) }
        #expect(error?.code == .invalidArgument)
    }

    @Test(
        "Bytes that are not UTF-8 are refused, in a key as in a text",
        arguments: [
            [0x80], [0xC0, 0xAF], [0xC3], [0xC3, 0x28], [0xE2, 0x82], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0xFF],
        ] as [[UInt8]]
    )
    func utf8(bytes: [UInt8]) {
        let quoted: [UInt8] = [0x22] + bytes + [0x22]
        #expect(throws: PlatformError.self) { try JSONValue(parsing: quoted) }
        #expect(throws: PlatformError.self) {
            try JSONValue(parsing: Array("{".utf8) + quoted + Array(":1}".utf8))
        }
        #expect(throws: PlatformError.self) { try JSONValue(parsing: bytes) }
    }

    @Test(
        "A number beyond a double is refused, not read as infinity; one below it is zero",
        arguments: ["1e309", "-1e309", "1e999999999999", "1\(String(repeating: "0", count: 400))"]
    )
    func overflow(text: String) throws {
        let error = #expect(throws: PlatformError.self) { try JSONValue(parsing: text) }
        #expect(error?.code == .invalidArgument)
        #expect(try JSONValue(parsing: "1e-400") == .double(0))
        #expect(try JSONValue(parsing: "1.7976931348623157e308") == .double(.greatestFiniteMagnitude))
        #expect(try JSONValue(parsing: "5e-324") == .double(.leastNonzeroMagnitude))
    }

    @Test(
        "A key that is there twice is refused and named, however it is written",
        arguments: [
            #"{"a":1,"a":1}"#, #"{"a":1,"b":2,"a":null}"#, #"{"a":1,"\u0061":2}"#, #"[{"x":{"a":1,"a":2}}]"#,
        ]
    )
    func duplicates(text: String) {
        let error = #expect(throws: PlatformError.self) { try JSONValue(parsing: text) }
        #expect(error?.message.contains("duplicate key 'a'") == true)
    }

    @Test("The same key in two objects is no duplicate")
    func sameKeyElsewhere() throws {
        #expect(try JSONValue(parsing: #"{"a":{"a":[{"a":1},{"a":2}]}}"#)["a"]?["a"]?.arrayValue?.count == 2)
    }

    @Test("Keys that Unicode takes for the same text are duplicates: no reader may tell them apart by chance")
    func equivalentKeys() {
        #expect(throws: PlatformError.self) { try JSONValue(parsing: #"{"\u00e9":1,"e\u0301":2}"#) }
    }

    @Test("A nest as deep as the limit is read, one level more is refused", arguments: [1, 2, 64, 200])
    func depth(limit: Int) throws {
        for (open, close) in [("[", "]"), (#"{"a":"#, "}")] {
            let core = open == "[" ? "" : "1"
            let text = { (levels: Int) in
                Array(
                    (String(repeating: open, count: levels) + core + String(repeating: close, count: levels))
                        .utf8
                )
            }
            _ = try JSONValue(parsing: text(limit), depthMax: limit)
            let error = #expect(throws: PlatformError.self) {
                try JSONValue(parsing: text(limit + 1), depthMax: limit)
            }
            #expect(error?.message.contains("nested deeper than \(limit)") == true)
        }
    }

    @Test("A million brackets are refused at the usual limit, closed or not")
    func bomb() throws {
        for text in [String(repeating: "[", count: 1_000_000), String(repeating: #"{"":"#, count: 200_000)] {
            let error = #expect(throws: PlatformError.self) { try JSONValue(parsing: text) }
            #expect(error?.message.contains("nested deeper than \(Limits.jsonDepthMax)") == true)
        }
    }

    @Test("Depth counts what stands inside one another, not side by side")
    func siblings() throws {
        let text = "[" + Array(repeating: "[]", count: 500).joined(separator: ",") + "]"
        #expect(try JSONValue(parsing: Array(text.utf8), depthMax: 2).arrayValue?.count == 500)
    }

    @Test(
        "A refusal says at which byte reading stopped",
        arguments: [
            ("", 0), ("x", 0), ("[1,]", 3), ("[1] 2", 4), ("{\"a\":1,}", 7), ("\"ab\ncd\"", 3), ("[1", 2),
            ("{\"\u{E9}\" 1}", 6),
        ]
    )
    func offsets(text: String, offset: Int) {
        let error = #expect(throws: PlatformError.self) { try JSONValue(parsing: text) }
        #expect(
            error?.message.hasPrefix("not valid JSON at byte \(offset): ") == true,
            "\(error?.message ?? "")"
        )
    }

    @Test("Any collection of bytes can be read, a slice from its own first byte")
    func slices() throws {
        let bytes = Array("xx[1]yy".utf8)
        #expect(try JSONValue(parsing: bytes[2..<5]) == .array([.int(1)]))
    }
}
