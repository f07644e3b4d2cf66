import SlipwayCore
import Testing

@Suite("JSON coding")
struct JSONCodingTests {
    struct Part: Codable, Equatable {
        var name: ModelName
        var version: ModelVersion
        var share: Double
    }

    struct Whole: Codable, Equatable {
        var id: Int64
        var parts: [Part]
        var note: String?
        var time: Timestamp
        var extra: JSONValue
    }

    func whole() throws -> Whole {
        Whole(
            id: .max,
            parts: [Part(name: try ModelName("tumor"), version: try ModelVersion(3), share: 0.1)],
            note: nil,
            time: Timestamp(milliseconds: 1_769_860_800_001),
            extra: [
                "flag": true, "one": 1, "half": 0.5, "big": .int(.min), "list": [nil, "1", []],
                "slash": "a/b",
            ]
        )
    }

    @Test("A value of ours survives the way to JSON text and back")
    func roundTrip() throws {
        let value = try whole()
        let text = try JSONValue(encoding: value).canonicalText
        #expect(try JSONValue(parsing: text).decoded(as: Whole.self) == value)
    }

    @Test("Checked texts, versions and timestamps appear as a person would write them")
    func plain() throws {
        #expect(
            try JSONValue(encoding: whole()).canonicalText
                == #"{"extra":{"big":-9223372036854775808,"flag":true,"half":0.5,"list":[null,"1",[]],"one":1,"slash":"a/b"},"#
                + #""id":9223372036854775807,"parts":[{"name":"tumor","share":0.1,"version":3}],"time":1769860800001}"#
        )
    }

    @Test(
        "Every kind stays what it is: no flag becomes a number, no number a flag or a text",
        arguments: [
            .null, .bool(true), .bool(false), .int(0), .int(1), .int(.max), .double(0.5), .string("1"),
            .array([]), .object([:]),
        ] as [JSONValue]
    )
    func kinds(value: JSONValue) throws {
        #expect(try JSONValue(encoding: value) == value)
        #expect(try value.decoded(as: JSONValue.self) == value)
    }

    @Test("A whole double counts the same after Codable, which knows one kind of number only")
    func wholeDoubles() throws {
        #expect(try JSONValue.double(2).decoded(as: JSONValue.self).doubleValue == 2)
        #expect(try JSONValue(encoding: 2.0).decoded(as: Double.self) == 2)
    }

    @Test(
        "A field that is missing, null or of another type is named with the way to it",
        arguments: [
            (#"{"parts":[],"time":1,"extra":1}"#, "'id' is missing"),
            (#"{"id":null,"parts":[],"time":1,"extra":1}"#, "'id' is null or missing"),
            (#"{"id":"7","parts":[],"time":1,"extra":1}"#, "'id' has another type"),
            (#"{"id":1.5,"parts":[],"time":1,"extra":1}"#, "the value cannot be read"),
            (#"{"id":1,"parts":{},"time":1,"extra":1}"#, "'parts' has another type"),
            (
                #"{"id":1,"parts":[{"name":"a","version":1,"share":1},{"name":"a","version":1}],"time":1,"extra":1}"#,
                "'parts[1].share' is missing"
            ),
            (#"[]"#, "the value has another type"),
        ]
    )
    func mistakes(text: String, expected: String) throws {
        let value = try JSONValue(parsing: text)
        let error = #expect(throws: PlatformError.self) { try value.decoded(as: Whole.self) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
        #expect(error?.cause is DecodingError)
    }

    @Test("A name that is refused inside a body keeps its own sentence")
    func checkedText() throws {
        let value: JSONValue = ["name": "../etc", "version": 1, "share": 1]
        let error = #expect(throws: PlatformError.self) { try value.decoded(as: Part.self) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "'../etc' is not a valid model name")
        let negative: JSONValue = ["name": "a", "version": 0, "share": 1]
        #expect(throws: PlatformError.self) { try negative.decoded(as: Part.self) }
    }

    @Test("A number without a JSON form cannot be encoded, and says so", arguments: [Double.nan, .infinity])
    func notFinite(number: Double) {
        let error = #expect(throws: PlatformError.self) { try JSONValue(encoding: [number]) }
        #expect(error?.code == .unexpected)
        #expect(error?.message == "could not encode a value as JSON")
        #expect(error?.cause is EncodingError)
    }
}
