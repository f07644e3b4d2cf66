import SlipwayCore
import SlipwayInference
import SlipwayRelease
import Testing

@testable import SlipwayGateway

@Suite("Observation")
struct ObservationTests {
    @Test("A latency falls into the first bucket whose bound is not below it")
    func latencyBuckets() {
        let bounds = VariantCounters.latencyBoundsMicroseconds
        for (index, bound) in bounds.enumerated() {
            #expect(MeterShard.latencyBucket(nanoseconds: bound * 1000) == index)
            #expect(MeterShard.latencyBucket(nanoseconds: bound * 1000 + 1) == index + 1)
        }
        #expect(MeterShard.latencyBucket(nanoseconds: 0) == 0)
        #expect(MeterShard.latencyBucket(nanoseconds: .max) == bounds.count)
    }

    @Test(
        "Scores fall into ten bins, other numbers into one for their sign and power of ten",
        arguments: [
            (0, "0.0..0.1"), (0.05, "0.0..0.1"), (0.55, "0.5..0.6"), (0.999, "0.9..1"), (1, "0.9..1"), (1.5, "1e0.."),
            (250, "1e2.."), (1e30, "1e9.."), (-0.5, "-1e-1.."), (-1e-30, "-1e-3.."), (-42, "-1e1.."),
            (.nan, "non-finite"), (-.infinity, "non-finite"),
        ] as [(Double, String)]
    )
    func scores(number: Double, name: String) {
        #expect(PredictionBucket(score: number).name == name)
    }

    @Test("Every bucket has a name of its own")
    func names() {
        #expect(Set((0..<PredictionBucket.count).map { PredictionBucket(index: $0).name }).count == PredictionBucket.count)
    }

    @Test("Labels are counted as they are; more than 64 odd ones come together under one name")
    func labels() throws {
        let meter = try meter()
        let observation = OutputObservation(signature: signature("label", .int64))
        for label in 0..<Int64(200) {
            observation.count([tensor("label", .int64, [2], [label * 1000, 1])], in: meter.shard(0))
        }
        let predictions = meter.counters.predictions
        #expect(predictions["1"] == 200)
        #expect(predictions["0"] == 1)
        #expect(predictions["1000"] == 1)
        #expect(predictions.count == 2 + GatewayLimits.observedLabelsMax + 1)
        #expect(predictions.values.reduce(0, +) == 400)
    }

    @Test("With texts the text is the label, with Booleans 0 and 1")
    func textsAndBooleans() throws {
        let meter = try meter()
        let texts = Tensor(name: "y", type: .bytes, shape: [2], storage: .strings([Array("cat".utf8), Array("dog".utf8)]))
        OutputObservation(signature: signature("y", .bytes)).count([texts], in: meter.shard(0))
        OutputObservation(signature: signature("y", .bool)).count([tensor("y", .bool, [2], [1, 0] as [UInt8])], in: meter.shard(1))
        #expect(meter.counters.predictions == ["cat": 1, "dog": 1, "0": 1, "1": 1])
    }

    @Test("Of two columns the second is the score; of more the highest is the label")
    func columns() throws {
        let meter = try meter()
        let observation = OutputObservation(signature: signature("p", .fp32))
        observation.count([tensor("p", .fp32, [2, 2], [0.9, 0.1, 0.25, 0.75] as [Float])], in: meter.shard(0))
        #expect(meter.counters.predictions == ["0.1..0.2": 1, "0.7..0.8": 1])
        observation.count([tensor("p", .fp32, [1, 3], [0.2, 0.7, 0.1] as [Float])], in: meter.shard(0))
        #expect(meter.counters.predictions["1"] == 1)
    }

    @Test("A batch of any size costs a bounded count")
    func bounded() throws {
        let meter = try meter()
        let rows = GatewayLimits.observedElementsMax * 4
        OutputObservation(signature: signature("label", .int32))
            .count([tensor("label", .int32, [rows], Array(repeating: Int32(5), count: rows))], in: meter.shard(0))
        #expect(meter.counters.predictions == ["5": GatewayLimits.observedElementsMax])
    }

    @Test("One NaN or infinity anywhere is found, in every floating-point type")
    func finite() {
        let fine: [Float] = [0, -0, 1, .greatestFiniteMagnitude, .leastNonzeroMagnitude]
        #expect(OutputObservation.isFinite([tensor("p", .fp32, [5], fine)]))
        for bad in [Float.nan, .infinity, -.infinity] {
            #expect(!OutputObservation.isFinite([tensor("p", .fp32, [6], fine + [bad])]))
            #expect(!OutputObservation.isFinite([tensor("p", .fp64, [2], [1, Double(bad)])]))
        }
        #expect(!OutputObservation.isFinite([tensor("p", .fp16, [1], [0x7E00 as UInt16])]))
        #expect(!OutputObservation.isFinite([tensor("p", .bf16, [1], [0x7FC0 as UInt16])]))
        #expect(OutputObservation.isFinite([tensor("p", .fp16, [1], [0x3C00 as UInt16])]))
        #expect(OutputObservation.isFinite([tensor("n", .int64, [1], [Int64.max])]))
    }

    private func meter() throws -> VariantMeter {
        let key = VariantMeter.Key(model: try ModelName("m"), alias: try Alias("A"), version: try ModelVersion(1))
        return VariantMeter(key: key, shards: 2)
    }

    private func signature(_ name: String, _ type: DataType) -> ModelSignature {
        ModelSignature(inputs: [], outputs: [TensorSpec(name: name, type: type, shape: [-1])])
    }
}
