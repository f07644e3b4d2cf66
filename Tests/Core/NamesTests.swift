import SlipwayCore
import Testing

@Suite("Names")
struct NamesTests {
    /// One name of each kind, made from a text.
    enum Kind: CaseIterable {
        case model
        case alias
        case environment
        case run

        var bytesMax: Int {
            switch self {
            case .model: 128
            case .alias: 64
            case .environment: 40
            case .run: 64
            }
        }

        func made(_ text: String) throws -> String {
            switch self {
            case .model: try ModelName(text).text
            case .alias: try Alias(text).text
            case .environment: try EnvironmentName(text).text
            case .run: try RunID(text).text
            }
        }
    }

    @Test(
        "What people call their models, aliases, environments and runs is taken as written",
        arguments: [
            (.model, "tumor"), (.model, "Fraud_v2.1-eu"), (.model, "7segments"), (.model, "a..b"),
            (.alias, "A"),
            (.alias, "champion"), (.alias, "blue_1-x"), (.environment, "dev"), (.environment, "eu-west-1"),
            (.run, "20260131-120000-a1b2c3"),
        ] as [(Kind, String)]
    )
    func accepted(kind: Kind, text: String) throws {
        #expect(try kind.made(text) == text)
    }

    @Test(
        "No kind of name takes nothing, space, a way out of its folder, or what is not ASCII",
        arguments: Kind.allCases,
        [
            "", " ", "a b", " a", "a ", "a\n", "\na", "a\0", "a\t", ".", "..", "../a", "a/b", "/a", "a\\b",
            ".hidden", "-flag",
            "_a", "a:b", "a@b", "a%2f", "a?b", "a#b", "a*", "a'b", "a\"b", "$a", "\u{E9}", "e\u{301}",
            "\u{FF41}", "a\u{200B}",
            "a\u{0661}", "\u{1F680}",
        ]
    )
    func refused(kind: Kind, text: String) {
        let error = #expect(throws: PlatformError.self) { try kind.made(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix("'\(text)' is not a valid ") == true)
        #expect(error?.remedy != nil)
    }

    @Test(
        "A kind refuses what only another kind allows",
        arguments: [
            (.alias, "a.b"), (.environment, "Dev"), (.environment, "a_b"), (.environment, "a.b"),
            (.environment, "dev-"),
            (.run, "A1"), (.run, "a_b"), (.run, "a.b"),
        ] as [(Kind, String)]
    )
    func narrower(kind: Kind, text: String) {
        let error = #expect(throws: PlatformError.self) { try kind.made(text) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("A name as long as its limit is taken, one byte more is refused", arguments: Kind.allCases)
    func length(kind: Kind) throws {
        let longest = String(repeating: "a", count: kind.bytesMax)
        #expect(try kind.made(longest) == longest)
        let error = #expect(throws: PlatformError.self) { try kind.made(longest + "a") }
        #expect(error?.remedy?.contains("\(kind.bytesMax)") == true)
    }

    @Test("A refusal repeats no more than 80 characters of what it refuses")
    func longRefusal() {
        let error = #expect(throws: PlatformError.self) {
            try ModelName(String(repeating: "!", count: 100_000))
        }
        #expect((error?.message.count ?? .max) < 120)
    }

    @Test("A commit id is 40 lower-case hex digits")
    func commit() throws {
        let text = "0123456789abcdef0123456789abcdef01234567"
        #expect(try CommitID(text).text == text)
        #expect(try CommitID(text).short == "01234567")
        let refused = [
            "", "HEAD", String(text.dropLast()), text + "8", text.uppercased(), String(text.dropLast()) + "g",
            String(text.dropLast()) + "\n", " " + text.dropLast(),
        ]
        for other in refused {
            let error = #expect(throws: PlatformError.self) { try CommitID(other) }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test("A version is a positive number, written in one way only")
    func version() throws {
        #expect(try ModelVersion("12").number == 12)
        #expect(try ModelVersion("12") == ModelVersion(12))
        #expect(try ModelVersion(12).description == "12")
        #expect(try ModelVersion("9223372036854775807").number == .max)
        let refused = [
            "", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "1 ", "1\n", "a", "\u{0661}", "\u{FF11}",
            "9223372036854775808",
        ]
        for text in refused {
            let error = #expect(throws: PlatformError.self) { try ModelVersion(text) }
            #expect(error?.code == .invalidArgument)
        }
        for number in [0, -1, .min] {
            #expect(throws: PlatformError.self) { try ModelVersion(number) }
        }
    }

    @Test("Versions are in the order of their numbers, not of their texts")
    func versionOrder() throws {
        #expect(try ModelVersion(9) < ModelVersion(10))
        #expect(try !(ModelVersion(10) < ModelVersion(10)))
    }

    @Test("Names are in the order of their texts and read as their texts")
    func order() throws {
        let names = try ["b", "B", "a10", "a9"].map { try ModelName($0) }
        #expect(names.sorted().map(\.description) == ["B", "a10", "a9", "b"])
    }

    @Test(
        "In JSON a version is a number and nothing else",
        arguments: [#""1""#, "0", "-1", "1.5", "true", "null", "9223372036854775808"]
    )
    func versionInJSON(text: String) throws {
        #expect(try JSONValue(parsing: "1").decoded(as: ModelVersion.self) == ModelVersion(1))
        let value = try JSONValue(parsing: text)
        let error = #expect(throws: PlatformError.self) { try value.decoded(as: ModelVersion.self) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("In JSON a name is its text, checked again on the way in")
    func nameInJSON() throws {
        #expect(try JSONValue(encoding: Alias("champion")) == "champion")
        #expect(try JSONValue.string("champion").decoded(as: Alias.self) == Alias("champion"))
        for value: JSONValue in ["a/b", "", 1, nil, ["text": "a"]] {
            #expect(throws: PlatformError.self) { try value.decoded(as: Alias.self) }
        }
    }
}
