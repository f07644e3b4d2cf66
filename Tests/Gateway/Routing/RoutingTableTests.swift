import SlipwayCore
import SlipwayRouting
import Testing

@Suite("Routing table")
struct RoutingTableTests {
    @Test("The same routes again keep the generation; other routes take the next one")
    func generations() throws {
        let tumor = try ModelName("tumor")
        let first = try RoutingTable.empty.routing(tumor, to: try variants([100_00, 0]))
        #expect(first.generation == 1)
        #expect(try first.routing(tumor, to: try variants([100_00, 0])) == first)
        let second = try first.routing(tumor, to: try variants([90_00, 10_00]))
        #expect(second.generation == 2)
        #expect(second.models[tumor]?.generation == 2)
    }

    @Test("A change of one model leaves the other's generation alone")
    func neighbours() throws {
        let (tumor, price) = (try ModelName("tumor"), try ModelName("price"))
        let table = try RoutingTable.empty
            .routing(tumor, to: try variants([100_00]))
            .routing(price, to: try variants([100_00]))
            .routing(price, to: try variants([60_00, 40_00]))
        #expect(table.generation == 3)
        #expect(table.models[tumor]?.generation == 1)
        #expect(table.models[price]?.generation == 3)
    }

    @Test("A model that is no longer kept goes; keeping all changes nothing")
    func removal() throws {
        let (tumor, price) = (try ModelName("tumor"), try ModelName("price"))
        let table = try RoutingTable.empty
            .routing(tumor, to: try variants([100_00]))
            .routing(price, to: try variants([100_00]))
        #expect(table.keeping([tumor, price]) == table)
        let rest = table.keeping([price])
        #expect(rest.generation == 3)
        #expect(Array(rest.models.keys) == [price])
    }

    @Test("Versions with weight 0 are among those that a request can reach")
    func versions() throws {
        let tumor = try ModelName("tumor")
        let table = try RoutingTable.empty.routing(tumor, to: try variants([100_00, 0]))
        #expect(table.versions == [tumor: [try ModelVersion(1), try ModelVersion(2)]])
    }

    private func variants(_ weights: [Int]) throws -> [RoutedVariant] {
        try zip(["A", "B"], weights).enumerated().map { index, item in
            RoutedVariant(alias: try Alias(item.0), version: try ModelVersion(index + 1), weightHundredths: item.1)
        }
    }
}
