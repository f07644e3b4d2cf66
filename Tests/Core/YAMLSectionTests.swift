import SlipwayCore
import SlipwayTesting
import Testing

@Suite("YAML section")
struct YAMLSectionTests {
    enum Color: String, CaseIterable {
        case green
        case blue
    }

    func parse(_ text: String) throws -> YAMLSection { try YAMLSection.parse(text, file: "a.yaml") }

    func refusal(_ text: String, _ read: (YAMLSection) throws -> Void) throws -> PlatformError? {
        let section = try parse(text)
        let error = #expect(throws: PlatformError.self) { try read(section) }
        #expect(error?.code == .invalidArgument)
        return error
    }

    @Test("Each kind of value is read as what it is")
    func values() throws {
        let section = try parse(
            """
            text: plain words
            quoted: "null"
            number: 0.25
            integer: 12
            flag: true
            choice: blue
            list: [a, 1, "b c"]
            table: { x: 1, y: two }
            inner:
              deep: { key: value }
            """
        )
        #expect(try section.text("text") == "plain words")
        #expect(try section.text("quoted") == "null")
        #expect(try section.number("number", in: 0...1) == 0.25)
        #expect(try section.integer("integer", in: 1...12) == 12)
        #expect(try section.flag("flag") == true)
        #expect(try section.choice("choice", Color.self) == .blue)
        #expect(try section.texts("list") == ["a", "1", "b c"])
        #expect(try section.table("table") == ["x": "1", "y": "two"])
        #expect(try section.section("inner")?.section("deep")?.text("key") == "value")
        #expect(try section.section("inner")?.section("deep")?.path == "inner.deep")
        #expect(
            section.keys == [
                "text", "quoted", "number", "integer", "flag", "choice", "list", "table", "inner",
            ]
        )
    }

    @Test("What is not there, or null, is nothing", arguments: ["other: 1", "key:", "key: ~", "key: null"])
    func absent(text: String) throws {
        let section = try parse(text)
        #expect(!section.has("key"))
        #expect(try section.text("key") == nil)
        #expect(try section.number("key", in: 0...1) == nil)
        #expect(try section.integer("key", in: 0...1) == nil)
        #expect(try section.flag("key") == nil)
        #expect(try section.choice("key", Color.self) == nil)
        #expect(try section.section("key") == nil)
        #expect(try section.table("key") == [:])
    }

    @Test("A quoted null is a text, not nothing")
    func quotedNull() throws {
        #expect(try parse("key: 'null'").has("key"))
        #expect(try parse("key: ''").text("key") == "")
    }

    @Test("An unknown key is refused with its line, and the nearest known one is proposed")
    func unknown() throws {
        let known = ["weight", "version"]
        let near = try refusal("version: 1\nwieght: 10\n") { try $0.expect(known) }
        #expect(near?.message == "a.yaml:2: unknown key 'wieght'")
        #expect(near?.remedy == "did you mean 'weight'?")
        let far = try refusal("version: 1\n\ncolor: 10\n") { try $0.expect(known) }
        #expect(far?.message == "a.yaml:3: unknown key 'color'")
        #expect(far?.remedy == "known are 'weight', 'version'")
        let deep = try refusal("spec:\n  wieght: 1\n") { try $0.section("spec")?.expect(known) }
        #expect(deep?.message == "a.yaml:2: unknown key 'wieght' under 'spec'")
        try parse("weight: 1").expect(known)
    }

    @Test(
        "A text that is no single mapping is refused, and names the file",
        arguments: [
            "", "# nothing\n", "- a\n- b\n", "words", "a: 1\na: 2\n", "{ a: 1, 'a': 2 }", "a: 1\n---\nb: 2\n",
            "a: [1\n", "a: }\n", "\ta: 1",
            "a: *missing", "? [x]\n: 1\n", "? { x: 1 }\n: 1\n", "a: \"\\q\"", "a: 1\n b: 2\n",
            "%YAML 9.9\n---\na: 1\n", "a: !<tag 1",
        ]
    )
    func notAMapping(text: String) {
        let error = #expect(throws: PlatformError.self) { try parse(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("a.yaml") == true)
    }

    @Test("A file larger than the limit is refused before it is read")
    func large() throws {
        let fits = "a: " + String(repeating: "x", count: Limits.yamlBytesMax - 3)
        _ = try parse(fits)
        let error = #expect(throws: PlatformError.self) { try parse(fits + "x") }
        #expect(error?.message == "'a.yaml' is larger than 1024 KiB")
    }

    @Test(
        "A nest of many thousand levels is refused",
        arguments: ["[", "{a: ", "- ", "? ", "{? "]
    )
    func nest(level: String) {
        let error = #expect(throws: PlatformError.self) {
            try parse("a:\n  " + String(repeating: level, count: 50_000))
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("An alias is refused before it is followed: aliases of aliases would take for ever")
    func aliases() throws {
        let once = #expect(throws: PlatformError.self) { try parse("a: &base { x: 1 }\nb: *base\n") }
        #expect(once?.message == "'a.yaml' repeats the anchor 'base'")
        #expect(once?.remedy != nil)
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            let aliases = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",")
            bomb += "a\(level): &a\(level) [\(aliases)]\n"
        }
        let error = #expect(throws: PlatformError.self) { try parse(bomb + "? *a30\n: 1\n") }
        #expect(error?.message == "'a.yaml' repeats the anchor 'a0'")
    }

    @Test("An anchor alone, and the signs of a shell or a product, are no alias")
    func noAliases() throws {
        let section = try parse("a: &base 1\nrun: make a && rm *.o &\nsum: a &b + c *d\nglob: '*base64'\n")
        #expect(try section.text("run") == "make a && rm *.o &")
        #expect(try section.text("sum") == "a &b + c *d")
        #expect(try section.text("glob") == "*base64")
    }

    @Test("A value of the wrong kind or outside its range is refused with its line and its whole path")
    func wrongValues() throws {
        let text = "spec:\n  key: blau\n  list: [[a]]\n  map: { a: { b: c } }\n"
        let spec = { (section: YAMLSection) throws -> YAMLSection in try #require(try section.section("spec"))
        }
        let reads: [(String, (YAMLSection) throws -> Void)] = [
            (
                "a.yaml:2: 'spec.key' must be a number from 0.0 to 1.0, not 'blau'",
                { _ = try spec($0).number("key", in: 0...1) }
            ),
            (
                "a.yaml:2: 'spec.key' must be a whole number from 0 to 9, not 'blau'",
                { _ = try spec($0).integer("key", in: 0...9) }
            ),
            ("a.yaml:2: 'spec.key' must be true or false, not 'blau'", { _ = try spec($0).flag("key") }),
            (
                "a.yaml:2: 'spec.key' must be one of 'green', 'blue', not 'blau'",
                { _ = try spec($0).choice("key", Color.self) }
            ),
            ("a.yaml:2: 'spec.key' must be a list", { _ = try spec($0).texts("key") }),
            ("a.yaml:2: 'spec.key' must be a mapping of keys to values", { _ = try spec($0).section("key") }),
            ("a.yaml:3: 'spec.list' must be a list of texts", { _ = try spec($0).texts("list") }),
            ("a.yaml:3: 'spec.list' must be a text", { _ = try spec($0).text("list") }),
            ("a.yaml:4: 'spec.map.a' must be a text", { _ = try spec($0).table("map") }),
        ]
        for (message, read) in reads {
            #expect(try refusal(text, read)?.message == message)
        }
        #expect(
            try refusal(text) { _ = try spec($0).choice("key", Color.self) }?.remedy == "did you mean 'blue'?"
        )
    }

    @Test(
        "A number must be one, finite and in its range",
        arguments: ["nan", ".nan", "1.5", "-0.1", "1e400", "", "0,5", "yes"]
    )
    func numbers(text: String) throws {
        _ = try refusal("key: '\(text)'") { _ = try $0.number("key", in: 0...1) }
        _ = try refusal("key: '\(text)'") { _ = try $0.integer("key", in: 0...1) }
    }

    @Test(
        "A flag is true or false; YAML's other words for it are not taken",
        arguments: ["yes", "no", "on", "off", "True", "1", "0", "y"]
    )
    func flags(text: String) throws {
        _ = try refusal("key: \(text)") { _ = try $0.flag("key") }
    }

    @Test(
        "The nearest word is proposed only when it is near",
        arguments: [
            ("wieght", "weight"), ("Weight", "weight"), ("weights", "weight"), ("versoin", "version"),
            ("x", nil), ("", nil),
            ("observation", nil),
        ] as [(String, String?)]
    )
    func nearest(word: String, expected: String?) {
        #expect(YAMLSection.nearest(word, ["weight", "version", "timeout"]) == expected)
        #expect(YAMLSection.nearest(word, []) == nil)
    }

    @Test(
        "A broken file is refused as an invalid argument or read: nothing else",
        arguments: 0..<20 as Range<UInt64>
    )
    func fuzz(seed: UInt64) throws {
        let valid = """
            apiVersion: slipway.dev/v1
            metadata: { name: tumor }
            spec:
              variants: &all
                A: { version: 3, weight: 90 }
                "B": { version: 4, weight: 10 }
              list: [a, 'b', "c\\n"]
              note: >-
                folded
                text
              other: 'it''s "so"'
            """
        let telling = Array("{}[]:,-?*&!|>'\"%@`#~ \t\n\\ab1".utf8) + [0x00, 0x80, 0xC3]
        var random = SeededGenerator(seed: seed)
        var refused = 0
        for _ in 0..<200 {
            var bytes = Array(valid.utf8)
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: bytes.remove(at: place)
                case 1: bytes[place] = telling[Int.random(in: 0..<telling.count, using: &random)]
                default: bytes.insert(telling[Int.random(in: 0..<telling.count, using: &random)], at: place)
                }
            }
            do {
                let section = try parse(String(decoding: bytes, as: UTF8.self))
                for key in section.keys {
                    #expect(section.lineOf(key) >= 1)
                    _ = try? section.text(key)
                    _ = try? section.table(key)
                }
            } catch let error as PlatformError {
                refused += 1
                #expect(error.code == .invalidArgument)
            }
        }
        #expect(refused > 20)
    }
}
