import SlipwayCore
import SlipwayRouting
import SlipwayTesting
import Testing

@Suite("Model routes")
struct ModelRoutesTests {
    @Test("Raising B's weight only ever moves clients from A to B", arguments: 0..<20 as Range<UInt64>)
    func growthOfTwo(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let weights = (0..<8).map { _ in Int.random(in: 0...10_000, using: &random) }.sorted()
        let tables = try weights.map { try routes(["A": 10_000 - $0, "B": $0]) }
        for _ in 0..<2_000 {
            let bucket = tables[0].bucket(ofClient: "client-\(random.next())".utf8)
            let path = tables.map { $0.variants[$0.index(of: bucket)].alias.text }
            #expect(path == path.sorted(), "a client went \(path) while B grew through \(weights)")
        }
    }

    @Test("No client leaves the last variant while it grows, whoever gives the weight", arguments: 0..<20 as Range<UInt64>)
    func growthOfThree(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let last = (0..<6).map { _ in Int.random(in: 0...10_000, using: &random) }.sorted()
        let tables = try last.map { weight in
            let first = Int.random(in: 0...(10_000 - weight), using: &random)
            return try routes(["A": first, "B": 10_000 - weight - first, "C": weight])
        }
        for _ in 0..<2_000 {
            let bucket = tables[0].bucket(ofClient: "client-\(random.next())".utf8)
            let isLast = tables.map { $0.variants[$0.index(of: bucket)].alias.text == "C" }
            #expect(isLast.firstIndex(of: true).map { isLast[$0...].allSatisfy { $0 } } ?? true)
        }
    }

    @Test("With C taking from B alone, clients of A stay", arguments: 0..<10 as Range<UInt64>)
    func bystander(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let first = Int.random(in: 0...9_000, using: &random)
        let small = Int.random(in: 0...(9_000 - first) / 2, using: &random)
        let before = try routes(["A": first, "B": 10_000 - first - small, "C": small])
        let after = try routes(["A": first, "B": 10_000 - first - small * 2, "C": small * 2])
        for _ in 0..<2_000 {
            let bucket = before.bucket(ofClient: "client-\(random.next())".utf8)
            let pair = [before, after].map { $0.variants[$0.index(of: bucket)].alias.text }
            #expect(pair[0] == pair[1] || pair == ["B", "C"])
        }
    }

    @Test("Shares match the weights, for clients and for random numbers alike")
    func shares() throws {
        let weights = ["A": 6_250, "B": 3_000, "C": 750]
        let table = try routes(weights)
        var random = SeededGenerator(seed: 7)
        let count = 100_000
        let byClient = (0..<count).map { table.index(of: table.bucket(ofClient: "user-\($0)".utf8)) }
        let byChance = (0..<count).map { _ in table.index(of: ClientBucket(random: random.next())) }
        for chosen in [byClient, byChance] {
            for (index, variant) in table.variants.enumerated() {
                let share = Double(chosen.count { $0 == index }) / Double(count)
                let expected = Double(variant.weightHundredths) / 10_000
                // Four standard deviations.
                let tolerance = 4 * (expected * (1 - expected) / Double(count)).squareRoot()
                #expect(abs(share - expected) < tolerance, "\(variant.alias): \(share) instead of \(expected)")
            }
        }
    }

    @Test("Weight 0 gets nothing, and is still reached by its alias")
    func zero() throws {
        for weights in [["A": 10_000, "B": 0], ["A": 0, "B": 10_000], ["A": 0, "B": 10_000, "C": 0]] {
            let table = try routes(weights)
            for number in 0..<UInt64(10_000) {
                let variant = table.variants[table.index(of: ClientBucket(random: number))]
                #expect(variant.weightHundredths > 0)
            }
        }
        let table = try routes(["A": 10_000, "B": 0])
        #expect(table.index(of: "B") == 1)
        #expect(table.index(of: "C") == nil)
    }

    @Test("Every bucket has one owner, and the range of each is as wide as its weight", arguments: 0..<10 as Range<UInt64>)
    func ranges(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        let first = Int.random(in: 0...10_000, using: &random)
        let second = Int.random(in: 0...(10_000 - first), using: &random)
        let table = try routes(["A": first, "B": second, "C": 10_000 - first - second])
        let owners = (0..<UInt64(10_000)).map { table.index(of: ClientBucket(random: $0)) }
        #expect(owners == owners.sorted())
        for (index, variant) in table.variants.enumerated() {
            #expect(owners.count { $0 == index } == variant.weightHundredths)
        }
    }

    @Test("Variants stand in the order of their aliases, however they were given")
    func order() throws {
        let model = try ModelName("tumor")
        let variants = try [("B", 2, 1_000), ("A", 1, 9_000)].map { alias, version, weight in
            RoutedVariant(alias: try Alias(alias), version: try ModelVersion(version), weightHundredths: weight)
        }
        let table = try ModelRoutes(model: model, generation: 1, variants: variants)
        #expect(table.variants.map(\.alias.text) == ["A", "B"])
        #expect(table.champion.alias.text == "A")
    }

    @Test(
        "Weights that do not add up, none at all, or one alias twice are refused",
        arguments: [[], [("A", 9_999)], [("A", 10_000), ("B", 1)], [("A", -1), ("B", 10_001)], [("A", 5_000), ("A", 5_000)]]
    )
    func refusals(variants: [(String, Int)]) throws {
        let error = #expect(throws: PlatformError.self) {
            try ModelRoutes(
                model: try ModelName("tumor"),
                generation: 1,
                variants: try variants.enumerated().map { index, variant in
                    RoutedVariant(
                        alias: try Alias(variant.0),
                        version: try ModelVersion(index + 1),
                        weightHundredths: variant.1
                    )
                }
            )
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("'tumor'") == true)
    }

    private func routes(_ weights: [String: Int]) throws -> ModelRoutes {
        let variants = try weights.sorted { $0.key < $1.key }.enumerated().map { index, item in
            RoutedVariant(
                alias: try Alias(item.key),
                version: try ModelVersion(index + 1),
                weightHundredths: item.value
            )
        }
        return try ModelRoutes(model: try ModelName("tumor"), generation: 1, variants: variants)
    }
}
