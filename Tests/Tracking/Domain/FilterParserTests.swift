import SlipwayCore
import SlipwayTesting
import SlipwayTracking
import Testing

@Suite("Filter parser")
struct FilterParserTests {
    private typealias Field = Filter.Field

    private func one(_ text: String) throws -> Filter.Condition {
        let conditions = try FilterParser.filter(text).conditions
        return try #require(conditions.count == 1 ? conditions.first : nil)
    }

    @Test("No text, or only spaces, finds everything", arguments: ["", "   ", "\n\t"])
    func empty(text: String) throws {
        #expect(try FilterParser.filter(text) == .everything)
    }

    @Test("Every name of an entity means it; a key without one is an attribute", arguments: [
        ("attribute.status", "attribute"), ("attributes.status", "attribute"), ("attr.status", "attribute"), ("run.status", "attribute"),
        ("status", "attribute"), ("metric.status", "metric"), ("metrics.status", "metric"), ("param.status", "parameter"),
        ("params.status", "parameter"), ("parameter.status", "parameter"), ("parameters.status", "parameter"),
        ("tag.status", "tag"), ("tags.status", "tag"), ("dataset.status", "dataset"), ("datasets.status", "dataset"),
    ])
    func entities(text: String, kind: String) throws {
        #expect(try one("\(text) = 'x'").field == Field(kind: #require(Field.Kind(rawValue: kind)), key: "status"))
    }

    @Test("Every comparison is read, with spaces around it or without", arguments: Filter.Operator.allCases)
    func operators(comparator: Filter.Operator) throws {
        for text in ["metrics.auc \(comparator.rawValue) 0.5", "metrics.auc\(comparator.rawValue)0.5"] {
            #expect(try one(text).comparison == .compare(comparator, .number(0.5)))
        }
    }

    @Test("Numbers are read with sign, fraction and exponent", arguments: [
        ("1", 1.0), ("-1.5", -1.5), ("+2", 2), ("1e-3", 0.001), ("1.5E+2", 150), (".5", 0.5),
    ])
    func numbers(text: String, number: Double) throws {
        #expect(try one("metrics.m > \(text)").comparison == .compare(.greater, .number(number)))
    }

    @Test("Keys are quoted with backticks or double quotes, and may have dots without", arguments: [
        ("tags.`a b.c`", "a b.c"), ("tags.\"a b\"", "a b"), ("tags.mlflow.user", "mlflow.user"), ("tags.a-b/c", "a-b/c"),
        ("tags.`it's`", "it's"), ("tags.`a\\`b`", "a`b"), ("tags.größe", "größe"), ("tags.`and`", "and"),
    ])
    func keys(text: String, key: String) throws {
        #expect(try one("\(text) = 'x'").field == Field(kind: .tag, key: key))
    }

    @Test("Texts are quoted either way; a backslash takes the quote in", arguments: [
        ("'x'", "x"), ("\"x\"", "x"), ("''", ""), ("'a \"b\"'", "a \"b\""), ("\"it's\"", "it's"), ("'it\\'s'", "it's"),
        ("'a\\\\b'", "a\\b"), ("'a\\nb'", "a\\nb"), ("'x AND y = 1'", "x AND y = 1"), ("'); DROP TABLE run; --'", "); DROP TABLE run; --"),
    ])
    func texts(text: String, value: String) throws {
        #expect(try one("tags.t = \(text)").comparison == .compare(.equal, .text(value)))
    }

    @Test("IN and NOT IN take lists, LIKE and ILIKE patterns, IS NULL nothing; words in any case")
    func words() throws {
        #expect(try one("run_id IN ('a', 'b')").comparison == .isIn(["a", "b"]))
        #expect(try one("run_id in ('a',)").comparison == .isIn(["a"]))
        #expect(try one("run_id not In (\"a\")").comparison == .isNotIn(["a"]))
        #expect(try one("name LIKE 'a%'").comparison == .like(pattern: "a%", ignoresCase: false))
        #expect(try one("name ilike '_a%'").comparison == .like(pattern: "_a%", ignoresCase: true))
        #expect(try one("tags.t IS NULL").comparison == .isNull)
        #expect(try one("tags.t is not null").comparison == .isNotNull)
    }

    @Test("Conditions are joined with AND, in their order")
    func and() throws {
        let filter = try FilterParser.filter("metrics.auc > 0.9 and params.depth = '3' AND status = \"FINISHED\"")
        #expect(
            filter.conditions == [
                .init(field: Field(kind: .metric, key: "auc"), comparison: .compare(.greater, .number(0.9))),
                .init(field: Field(kind: .parameter, key: "depth"), comparison: .compare(.equal, .text("3"))),
                .init(field: Field(kind: .attribute, key: "status"), comparison: .compare(.equal, .text("FINISHED"))),
            ]
        )
    }

    @Test("One AND too many, or too few, changes nothing, as with MLflow", arguments: [
        "a = 'x' b = 'y'", "a = 'x' AND AND b = 'y'", "AND a = 'x' AND b = 'y'", "a = 'x' and b = 'y' AND",
    ])
    func looseAnds(text: String) throws {
        let plain = try FilterParser.filter("a = 'x' AND b = 'y'")
        #expect(try FilterParser.filter(text) == plain)
    }

    static let noConditions: [(String, String)] = [
        ("metrics.auc", "'metrics.auc'"), ("metrics.auc >", "'metrics.auc', '>'"), ("metrics.", "'metrics.'"), ("x", "'x'"), ("=", "'='"),
        ("a = 'x' OR b = 'y'", "'OR'"), ("not a = 'x'", "'not'"), ("a = 'x", "'a', '=', ''', 'x'"), ("a IN 'x'", "'a', 'IN', ''x''"),
        ("a IN ('x'", "'a', 'IN', '(', ''x''"), ("a NOT 'x'", "'a', 'NOT', ''x''"), ("a IS 'x'", "'a', 'IS', ''x''"), ("a IS NOT", "'a', 'IS', 'NOT'"),
        ("= 'x'", "'=', ''x''"), ("a = = 'x'", "'a', '=', '=', ''x''"), ("\u{1}", "'\u{1}'"), ("()", "'()'"), ("(a.b = 'x' AND c) AND d", "'(a.b = 'x' AND c)'"),
        ("a = 'x' AND b ( AND c = 'z'", "'b', '('"), ("foo.a = 'x' AND y", "'y'"),
    ]

    @Test("What is no condition is named piece by piece", arguments: noConditions)
    func refusesNoConditions(text: String, pieces: String) {
        let error = #expect(throws: PlatformError.self) { try FilterParser.filter(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "Invalid clause(s) in filter string: \(pieces)")
    }

    @Test("The other searches name the pieces without quotes")
    func otherWords() {
        let error = #expect(throws: PlatformError.self) { try FilterParser.filter("name = 'a", words: .experiments) }
        #expect(error?.message == "Invalid clause(s) in filter string: name, =, ', a")
    }

    static let meaningless: [(String, String)] = [
        ("foo.a = 'x'", "Invalid entity type 'foo'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']"),
        ("metrics.a = x", "Expected numeric value type for metric. Found x"), ("metrics.a = nan", "Expected numeric value type for metric. Found nan"),
        ("metrics.a == 1", "Invalid comparator '==' not one of '{'!=', '<', '<=', '=', '>', '>='}"),
        ("metrics.a <> 1", "Invalid comparator '<>' not one of '{'!=', '<', '<=', '=', '>', '>='}"),
        ("tags.a NOT LIKE 'x'", "Invalid comparator 'NOT LIKE' not one of '{'!=', '=', 'ILIKE', 'IS NOT NULL', 'IS NULL', 'LIKE'}"),
        ("params.a = x", "Parameter value is either not quoted or unidentified quote types used for string value x. Use either single or double quotes."),
        ("params.a LIKE 1", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 1"),
        ("start_time > x", "Expected numeric value type for numeric attribute: start_time. Found x"),
        ("a IN ()", "While parsing a list in the query, expected a non-empty list of string values, but got empty list"),
        ("a IN (1)", "While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: (1,)"),
        ("'a' = 'x'", "Invalid comparison clause. Expected 'Identifier' found ''a''"), ("5 < metrics.a", "Invalid comparison clause. Expected 'Identifier' found '5'"),
    ]

    @Test("What is a condition and means nothing is refused in the words that MLflow has for it", arguments: meaningless)
    func refusals(text: String, message: String) {
        let error = #expect(throws: PlatformError.self) { try FilterParser.filter(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == message)
    }

    @Test("Quotes without end are looked for once: a text made of them takes no time")
    func endlessQuotes() {
        let text = String(repeating: "'\\", count: 30_000)
        let start = ContinuousClock.now
        #expect(throws: PlatformError.self) { try FilterParser.filter(text) }
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("A filter longer than the bound is refused before it is read")
    func tooLong() {
        let error = #expect(throws: PlatformError.self) { try FilterParser.filter(String(repeating: "a", count: (64 << 10) + 1)) }
        #expect(error?.message.contains("longer than 65536 bytes") == true)
    }

    @Test("order_by takes a field and a direction, ascending unless it says otherwise", arguments: [
        ("metrics.auc DESC", "metric", "auc", false), ("metrics.auc asc", "metric", "auc", true), ("start_time", "attribute", "start_time", true),
        ("attributes.`Run name` desc", "attribute", "Run name", false), ("params.\"learning rate\"", "parameter", "learning rate", true),
    ])
    func order(text: String, kind: String, key: String, isAscending: Bool) throws {
        let term = try FilterParser.sortTerm(text)
        #expect(term.field == Field(kind: try #require(Field.Kind(rawValue: kind)), key: key))
        #expect(term.isAscending == isAscending)
    }

    @Test("What is no order is refused", arguments: ["", "metrics.auc UP", "metrics.auc DESC ASC", "a, b", "metrics.", "'a' DESC"])
    func badOrder(text: String) {
        let error = #expect(throws: PlatformError.self) { try FilterParser.sortTerm(text) }
        #expect(error?.code == .invalidArgument)
    }

    @Test("The parser survives any text: conditions or a refusal, in little time")
    func fuzz() throws {
        var random = SeededGenerator(seed: 7)
        let parts = [
            "metrics", ".", "auc", "=", "!=", ">", "<=", "!", "'", "\"", "`", "'x'", "1.5", "-", "(", ")", ",", "AND", "IN", "NOT", "LIKE",
            "ILIKE", "IS", "NULL", " ", " ", "\\", "é", "\u{0}", "🙂", "tags.t = 'x'", "e\u{301}",
        ]
        let clock = ContinuousClock()
        let start = clock.now
        var accepted = 0
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...12, using: &random)
            let text = (0..<count).map { _ in parts.randomElement(using: &random) ?? "" }.joined()
            do {
                _ = try FilterParser.filter(text)
                accepted += 1
            } catch {
                #expect(error.code == .invalidArgument)
            }
            do { _ = try FilterParser.sortTerm(text) } catch { #expect(error.code == .invalidArgument) }
        }
        #expect(clock.now - start < .seconds(60))
        #expect(accepted > 100)
    }
}
