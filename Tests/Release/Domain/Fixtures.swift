import SlipwayCore
import SlipwayRelease

func release(
    _ model: String = "tumor",
    _ variants: [(alias: String, version: Int, percent: Double)],
    lastGood: Int? = nil
) throws -> Release {
    try Release(
        model: try ModelName(model),
        variants: try variants.map {
            Release.Variant(alias: try Alias($0.alias), version: try ModelVersion($0.version), weight: try Weight(percent: $0.percent))
        },
        lastGood: try lastGood.map { try ModelVersion($0) }
    )
}

func commitID(_ digit: Character) throws -> CommitID {
    try CommitID(String(repeating: digit, count: 40))
}

func versions(_ numbers: Int...) throws -> Set<ModelVersion> {
    Set(try numbers.map { try ModelVersion($0) })
}
