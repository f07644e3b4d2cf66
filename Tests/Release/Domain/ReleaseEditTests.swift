import SlipwayCore
import SlipwayRelease
import Testing

@Suite("Release edit")
struct ReleaseEditTests {
    @Test("The first release serves the candidate alone, and names it the last good one")
    func first() throws {
        let first = try Release.attaching(try ModelVersion(1), of: try ModelName("tumor"), to: nil)
        #expect(try first == release("tumor", [("A", 1, 100)], lastGood: 1))
    }

    @Test("attach → shift → promote gives the candidate everything and keeps the old champion to go back to")
    func rollout() throws {
        let two = try ModelVersion(2)
        let attached = try Release.attaching(two, of: try ModelName("tumor"), to: try release("tumor", [("A", 1, 100)], lastGood: 1))
        #expect(try attached == release("tumor", [("A", 1, 100), ("B", 2, 0)], lastGood: 1))
        let shifted = try attached.shifting(two, to: try Weight(percent: 12.5))
        #expect(try shifted == release("tumor", [("A", 1, 87.5), ("B", 2, 12.5)], lastGood: 1))
        #expect(try shifted.promoting(two) == release("tumor", [("A", 2, 100)], lastGood: 1))
        #expect(try shifted.rollingBack() == release("tumor", [("A", 1, 100)], lastGood: 1))
    }

    @Test("After promoting, the next rollout's last good version is the new champion")
    func next() throws {
        let promoted = try release("tumor", [("A", 2, 100)], lastGood: 1)
        let attached = try Release.attaching(try ModelVersion(3), of: promoted.model, to: promoted)
        #expect(try attached == release("tumor", [("A", 2, 100), ("B", 3, 0)], lastGood: 2))
        #expect(try promoted.rollingBack() == release("tumor", [("A", 1, 100)], lastGood: 1))
    }

    @Test("A champion that is called B keeps its alias, and the candidate becomes A")
    func championB() throws {
        let attached = try Release.attaching(try ModelVersion(9), of: try ModelName("tumor"), to: try release("tumor", [("B", 4, 100)]))
        #expect(try attached == release("tumor", [("A", 9, 0), ("B", 4, 100)], lastGood: 4))
    }

    @Test("Edits that make no sense are refused as failed_precondition")
    func refused() throws {
        let alone = try release("tumor", [("A", 1, 100)])
        let beside = try release("tumor", [("A", 1, 100), ("B", 2, 0)], lastGood: 1)
        let other = try ModelVersion(7)
        let attach = #expect(throws: PlatformError.self) { try Release.attaching(try ModelVersion(1), of: alone.model, to: alone) }
        let shift = #expect(throws: PlatformError.self) { try beside.shifting(other, to: .zero) }
        let lonely = #expect(throws: PlatformError.self) { try alone.shifting(try ModelVersion(1), to: .zero) }
        let promote = #expect(throws: PlatformError.self) { try beside.promoting(other) }
        let back = #expect(throws: PlatformError.self) { try alone.rollingBack() }
        for error in [attach, shift, lonely, promote, back] { #expect(error?.code == .failedPrecondition) }
        #expect(back?.remedy != nil)
    }

    @Test("Required are all variants, at weight 0 too, and the last good version")
    func required() throws {
        #expect(try release("tumor", [("A", 3, 100), ("B", 4, 0)], lastGood: 2).requiredVersions == versions(2, 3, 4))
        #expect(try release("tumor", [("A", 3, 100)]).requiredVersions == versions(3))
    }

    @Test("A shadow is named but not required; a rollout keeps it until it is the candidate; a rollback drops it")
    func shadow() throws {
        let shadow = Release.Shadow(version: try ModelVersion(9), percent: try Weight(percent: 10))
        let serving = try release("tumor", [("A", 3, 100)], lastGood: 3).shadowing(shadow)
        #expect(serving.requiredVersions == (try versions(3)))
        #expect(serving.namedVersions == (try versions(3, 9)))
        let model = serving.model
        let attached = try Release.attaching(try ModelVersion(4), of: model, to: serving)
        #expect(attached.shadow == shadow)
        #expect(try attached.shifting(try ModelVersion(4), to: Weight(percent: 5)).shadow == shadow)
        #expect(try attached.promoting(try ModelVersion(4)).shadow == shadow)
        #expect(try attached.rollingBack().shadow == nil)
        #expect(try Release.attaching(try ModelVersion(9), of: model, to: serving).shadow == nil)
        #expect(throws: PlatformError.self) { try attached.shadowing(Release.Shadow(version: try ModelVersion(4), percent: .whole)) }
    }

    @Test("A rollout keeps the cookie and the testers' header")
    func policy() throws {
        let serving = try Release(
            model: try ModelName("tumor"),
            variants: [.init(alias: try Alias("A"), version: try ModelVersion(3), weight: .whole)],
            lastGood: try ModelVersion(3),
            stickiness: try Release.Stickiness(cookie: "client", issue: true),
            allowsVariantHeader: true
        )
        let candidate = try ModelVersion(4)
        let attached = try Release.attaching(candidate, of: serving.model, to: serving)
        for release in [attached, try attached.shifting(candidate, to: .whole), try attached.promoting(candidate), try attached.rollingBack()] {
            #expect(release.stickiness == serving.stickiness)
            #expect(release.allowsVariantHeader)
        }
    }
}
