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

    @Test("What is no filter is refused, and the message says what was wrong", arguments: [
        ("metrics.auc", "it ends too early"), ("metrics.auc >", "it ends too early"), ("metrics.", "it ends too early"),
        ("a = 'x' OR b = 'y'", "expected AND"), ("a = 'x' b = 'y'", "expected AND"), ("a = 'x' AND", "it ends too early"),
        ("AND a = 'x'", "expected a comparison"), ("a = x", "neither a number nor in quotes"), ("a ! 'x'", "is no comparison"),
        ("a = 'x", "a quote that does not end"), ("a IN ()", "expected a text in quotes"), ("a IN 'x'", "expected '('"),
        ("a IN ('x'", "expected ')'"), ("a IN (1)", "expected a text in quotes"), ("a LIKE 1", "expected a text in quotes"),
        ("a NOT 'x'", "expected IN after NOT"), ("a IS 'x'", "expected NULL"), ("foo.a = 'x'", "'foo' is not an entity"),
        ("'a' = 'x'", "expected a name"), ("= 'x'", "expected a name"), ("a = = 'x'", "expected a number or a text in quotes"),
        ("a == = 'x'", "expected a number or a text in quotes"), ("\u{1}", "is not expected"),
    ])
    func refusals(text: String, reason: String) {
        let error = #expect(throws: PlatformError.self) { try FilterParser.filter(text) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix("Invalid filter") == true)
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
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
