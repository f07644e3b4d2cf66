import SlipwayCore
import SlipwayRelease
import SlipwayTesting
import Testing

@Suite("Release file")
struct ReleaseFileTests {
    private let path = "envs/dev/models/tumor.yaml"

    @Test("A release is always written as the same text, variants in the order of their aliases")
    func text() throws {
        let text = ReleaseFile.text(try release("tumor", [("B", 8, 12.5), ("A", 7, 87.5)], lastGood: 7))
        #expect(
            text == """
                apiVersion: slipway.dev/v1
                kind: Release
                metadata: { name: tumor }
                spec:
                  variants:
                    A: { version: 7, weight: 87.5 }
                    B: { version: 8, weight: 12.5 }
                  lastGood: 7

                """
        )
    }

    @Test("What is written is read back as the same release, whatever its names and weights")
    func roundTrip() throws {
        var random = SeededGenerator(seed: 11)
        for name in ["tumor", "yes", "null", "On", "N", "1e3", "007", "a.b-c_d", "0x1f", "true", "1.5", "9"] {
            let share = Int.random(in: 0...10_000, using: &random)
            let original = try Release(
                model: try ModelName(name),
                variants: [
                    .init(alias: try Alias(name == "a.b-c_d" ? "A" : name.replacing(".", with: "-")), version: try ModelVersion(3), weight: try Weight(hundredths: share)),
                    .init(alias: try Alias("zz"), version: try ModelVersion(4), weight: try Weight(hundredths: share).rest),
                ],
                lastGood: Bool.random(using: &random) ? try ModelVersion(2) : nil
            )
            let text = ReleaseFile.text(original)
            #expect(try ReleaseFile.parse(text, path: "envs/dev/models/\(name).yaml") == original)
            #expect(ReleaseFile.text(try ReleaseFile.parse(text, path: "envs/dev/models/\(name).yaml")) == text)
        }
    }

    @Test("Only files called <model>.yaml are releases", arguments: [
        ("envs/dev/models/tumor.yaml", "tumor"), ("envs/dev/models/tumor.yml", nil), ("envs/dev/models/.yaml", nil),
        ("README.md", nil), ("envs/dev/models/two words.yaml", nil), ("", nil),
    ] as [(String, String?)])
    func model(path: String, name: String?) {
        #expect(ReleaseFile.model(of: path)?.text == name)
    }

    private static let head = "apiVersion: slipway.dev/v1\nkind: Release\nmetadata: { name: tumor }\n"
    private static let variants = head + "spec:\n  variants:\n"

    private static let whole = variants + "    A: { version: 1, weight: 100 }\n"

    @Test("Shadow, cookie and the testers' header are read, written and read again as the same", arguments: [
        "  shadow: { version: 9, percent: 12.34, compare: tolerance, absolute: 0.001, relative: 1e-05, queue: 12 }\n",
        "  shadow: { version: 9, percent: 100, compare: label }\n", "  shadow: { version: 9, percent: 0 }\n",
        "  stickiness: { cookie: slipway-client }\n", "  stickiness: { cookie: 'no', issue: true, days: 7, secure: true }\n",
        "  variantHeader: true\n", "  variantHeader: false\n",
    ])
    func policies(text: String) throws {
        let release = try ReleaseFile.parse(Self.whole + text, path: path)
        let written = ReleaseFile.text(release)
        #expect(try ReleaseFile.parse(written, path: path) == release)
        #expect(ReleaseFile.text(try ReleaseFile.parse(written, path: path)) == written)
        if let shadow = release.shadow { #expect(try Release.Shadow(json: .object(shadow.json)) == shadow) }
        if let stickiness = release.stickiness { #expect(try Release.Stickiness(json: stickiness.json) == stickiness) }
        let decoded = try JSONValue(encoding: release).decoded(as: Release.self)
        #expect(decoded == release)
    }

    @Test("Without a word about them, nothing is mirrored, no cookie is read, no tester chooses")
    func defaults() throws {
        let release = try ReleaseFile.parse(Self.whole, path: path)
        #expect(release.shadow == nil && release.stickiness == nil && !release.allowsVariantHeader)
        #expect(!ReleaseFile.text(release).contains("shadow"))
    }

    private static let refusalCases: [(text: String, reason: String)] = [
        ("kind: Release\n", ":1: 'apiVersion' must be 'slipway.dev/v1'"),
        ("apiVersion: slipway.dev/v2\nkind: Release\n", ":1: 'apiVersion' must be"),
        ("apiVersion: slipway.dev/v1\nkind: Pipeline\n", ":2: 'kind' must be 'Release'"),
        ("apiVersion: slipway.dev/v1\nkind: Release\nmetadata: { name: churn }\n", ":3: 'metadata.name' must be 'tumor', as the file is called"),
        ("apiVersion: slipway.dev/v1\nkind: Release\nmetadata: { name: tumor, owner: me }\n", ":3: unknown key 'owner'"),
        ("\(head)", ": 'spec' is missing"),
        ("\(head)spec: { lastGood: 1 }\n", ":4: 'spec.variants' is missing"),
        ("\(head)spec: 7\n", ":4: 'spec' must be a mapping"),
        ("\(head)spec:\n  variant:\n    A: { version: 1, weight: 100 }\n", ":5: unknown key 'variant' under 'spec'"),
        ("\(head)extra: 1\n", ":4: unknown key 'extra'"),
        ("\(variants)    A: { version: 1 }\n", ":6: 'spec.variants.A.weight' is missing"),
        ("\(variants)    A: { weight: 100 }\n", ":6: 'spec.variants.A.version' is missing"),
        ("\(variants)    A: { version: 0, weight: 100 }\n", ":6: 'spec.variants.A.version' must be a whole number from 1"),
        ("\(variants)    A: { version: latest, weight: 100 }\n", ":6: 'spec.variants.A.version' must be a whole number"),
        ("\(variants)    A: { version: 1.5, weight: 100 }\n", ":6: 'spec.variants.A.version' must be a whole number"),
        ("\(variants)    A: { version: 99999999999999999999, weight: 100 }\n", ":6: 'spec.variants.A.version' must be a whole number"),
        ("\(variants)    A: { version: 1, weight: 101 }\n", ":6: 'spec.variants.A.weight' must be a number from"),
        ("\(variants)    A: { version: 1, weight: -1 }\n", ":6: 'spec.variants.A.weight' must be a number from"),
        ("\(variants)    A: { version: 1, weight: nan }\n", ":6: 'spec.variants.A.weight' must be a number from"),
        ("\(variants)    A: { version: 1, weight: 99.999 }\n", ":6: 'spec.variants.A.weight' must have at most two decimals"),
        ("\(variants)    A: { version: 1, weight: 100, note: x }\n", ":6: unknown key 'note'"),
        ("\(variants)    A:\n", ":6: 'spec.variants.A' must have a version and a weight"),
        ("\(variants)    \"A B\": { version: 1, weight: 100 }\n", ":6: 'spec.variants.A B' is not a valid alias"),
        ("\(variants)    A: { version: 1, weight: 60 }\n    B: { version: 2, weight: 30 }\n", ": the weights of release 'tumor' add up to 90, not 100"),
        ("\(variants)    A: { version: 1, weight: 50 }\n    B: { version: 1, weight: 50 }\n", ": release 'tumor' serves one version under two aliases"),
        ("\(head)spec:\n  variants: {}\n", ": release 'tumor' has no variant"),
        ("\(variants)    A: { version: 1, weight: 100 }\n  lastGood: none\n", ":7: 'spec.lastGood' must be a whole number"),
        ("\(whole)  shadow: { percent: 10 }\n", ":7: 'spec.shadow.version' is missing"),
        ("\(whole)  shadow: { version: 2 }\n", ":7: 'spec.shadow.percent' is missing"),
        ("\(whole)  shadow: { version: 2, percent: 101 }\n", ":7: 'spec.shadow.percent' must be a number from"),
        ("\(whole)  shadow: { version: 2, percent: 0.001 }\n", ":7: 'spec.shadow.percent' must have at most two decimals"),
        ("\(whole)  shadow: { version: 2, percent: 1, compare: exactly }\n", ":7: 'spec.shadow.compare' must be one of 'exact', 'tolerance', 'label'"),
        ("\(whole)  shadow: { version: 2, percent: 1, absolute: 1 }\n", ":7: 'spec.shadow.absolute' means something only with"),
        ("\(whole)  shadow: { version: 2, percent: 1, compare: tolerance, relative: -1 }\n", ":7: 'spec.shadow.relative' must be a number"),
        ("\(whole)  shadow: { version: 2, percent: 1, queue: 0 }\n", ":7: 'spec.shadow.queue' must be a whole number from 1"),
        ("\(whole)  shadow: { version: 2, percent: 1, weight: 1 }\n", ":7: unknown key 'weight'"),
        ("\(whole)  shadow: { version: 1, percent: 1 }\n", ": release 'tumor' has version 1 as a variant and as its shadow"),
        ("\(whole)  stickiness: { issue: true }\n", ":7: 'spec.stickiness.cookie' is missing"),
        ("\(whole)  stickiness: { cookie: \"a b\" }\n", ":7: 'spec.stickiness.cookie' is not a cookie's name"),
        ("\(whole)  stickiness: { cookie: a, days: 0 }\n", ":7: 'spec.stickiness.days' must be a whole number"),
        ("\(whole)  stickiness: { cookie: a, issue: perhaps }\n", ":7: 'spec.stickiness.issue' must be true or false"),
        ("\(whole)  variantHeader: 1\n", ":7: 'spec.variantHeader' must be true or false"),
    ]

    @Test("A refusal names the file, the line and the reason", arguments: refusalCases)
    func refusals(text: String, reason: String) {
        let error = #expect(throws: PlatformError.self) { try ReleaseFile.parse(text, path: path) }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.hasPrefix("\(path):") == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "") lacks \(reason)")
    }

    @Test("YAML that cannot be read, is empty or has a key twice is refused with the file's name", arguments: [
        ("", "is empty"), ("a: [", "not valid YAML"), ("kind: Release\nkind: Release\n", "twice"),
        ("- 1\n", "must be a mapping"), ("a: &x {}\nb: *x\n", "repeats the anchor"),
    ])
    func broken(text: String, reason: String) {
        let error = #expect(throws: PlatformError.self) { try ReleaseFile.parse(text, path: path) }
        #expect(error?.message.contains(path) == true && error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test("The parser survives damaged files: it reads a valid release or refuses, and never takes long")
    func fuzz() throws {
        var random = SeededGenerator(seed: 20_26)
        let seed = Array(ReleaseFile.text(try release("tumor", [("A", 7, 87.5), ("B", 8, 12.5)], lastGood: 7)).utf8)
        let signs = Array("{}[]:,&*!|>'\"%@`#-?~\\ \n\t0129azAZ\u{0}\u{7F}é".utf8)
        var accepted = 0
        let clock = ContinuousClock()
        let start = clock.now
        for _ in 0..<3000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<bytes.count, using: &random)
                let end = min(bytes.count, place + Int.random(in: 0...20, using: &random))
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = signs.randomElement(using: &random) ?? 0
                case 1: bytes.insert(signs.randomElement(using: &random) ?? 0, at: place)
                case 2 where end - place < bytes.count: bytes.removeSubrange(place..<end)
                default: bytes.insert(contentsOf: Array(bytes[place..<end]), at: place)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                let release = try ReleaseFile.parse(text, path: path)
                #expect(release.variants.reduce(0) { $0 + $1.weight.hundredths } == 10_000)
                #expect(try ReleaseFile.parse(ReleaseFile.text(release), path: path) == release)
                accepted += 1
            } catch {
                #expect(error.code == .invalidArgument, "\(error) for \(text)")
            }
        }
        #expect(clock.now - start < .seconds(60))
        // Otherwise nothing but refusals was tried.
        #expect(accepted > 10)
    }
}
