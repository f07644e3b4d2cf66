import SlipwayCore
import SlipwayRelease
import Testing

@Suite("Release acceptance")
struct ReleaseAcceptanceTests {
    private let path = "envs/dev/models/tumor.yaml"

    private func accept(
        _ files: [String: String],
        previous: AcceptedReleases = AcceptedReleases(),
        knows: (ModelName, ModelVersion) -> Bool? = { _, _ in true }
    ) throws -> ReleaseAcceptance {
        ReleaseAcceptance(files: files, commit: try commitID("b"), previous: previous, knows: knows)
    }

    private func before(_ release: Release) throws -> AcceptedReleases {
        AcceptedReleases(entries: [release.model: .init(release: release, commit: try commitID("a"))])
    }

    @Test("A good file is accepted with its commit; an unchanged one keeps the commit that brought it")
    func good() throws {
        let one = try release("tumor", [("A", 1, 100)])
        let result = try accept([path: ReleaseFile.text(one)])
        #expect(try result.accepted.entries[one.model] == .init(release: one, commit: commitID("b")))
        #expect(result.refusals.isEmpty)
        let again = try accept([path: ReleaseFile.text(one)], previous: try before(one), knows: { _, _ in false })
        #expect(try again.accepted == before(one))
    }

    @Test("A refused file keeps the release accepted last for its model, and leaves others alone")
    func bad() throws {
        let one = try release("tumor", [("A", 1, 100)])
        let churn = try release("churn", [("A", 5, 100)])
        let result = try accept(
            [path: "kind: nonsense\n", "envs/dev/models/churn.yaml": ReleaseFile.text(churn)],
            previous: try before(one)
        )
        #expect(try result.accepted.entries[one.model] == before(one).entries[one.model])
        #expect(result.accepted.entries[churn.model]?.release == churn)
        #expect(result.refusals.map(\.path) == [path])
        #expect(result.refusals.first?.model == one.model)
        #expect(result.refusals.first?.reason.hasPrefix("\(path):1: ") == true)
    }

    @Test("A refused file of a model that was never accepted serves nothing")
    func badFirst() throws {
        #expect(try accept([path: "{"]).accepted.entries.isEmpty)
    }

    @Test("A deleted file takes its model away")
    func deleted() throws {
        let result = try accept([:], previous: try before(try release("tumor", [("A", 1, 100)])))
        #expect(result.accepted.entries.isEmpty && result.refusals.isEmpty)
    }

    @Test("An unknown version is refused with the line that names it, under a variant or as last good")
    func unknown() throws {
        let text = ReleaseFile.text(try release("tumor", [("A", 1, 90), ("B", 12, 10)], lastGood: 3))
        let variant = try accept([path: text], knows: { _, version in version.number != 12 })
        #expect(variant.refusals.first?.reason == "\(path):7: version 12 of 'tumor' is not in the registry")
        let lastGood = try accept([path: text], knows: { _, version in version.number != 3 })
        #expect(lastGood.refusals.first?.reason == "\(path):8: version 3 of 'tumor' is not in the registry")
    }

    @Test("A silent registry refuses for now, and only versions that were not accepted before are asked for")
    func silent() throws {
        let one = try release("tumor", [("A", 1, 100)], lastGood: 1)
        let two = try release("tumor", [("A", 1, 100), ("B", 2, 0)], lastGood: 1)
        let refused = try accept([path: ReleaseFile.text(two)], previous: try before(one), knows: { _, _ in nil })
        #expect(refused.refusals.first?.reason == "\(path): the registry cannot be asked whether it has version 2 of 'tumor'")
        #expect(try refused.accepted == before(one))
        let shifted = try two.shifting(try ModelVersion(2), to: try Weight(percent: 10))
        let accepted = try accept([path: ReleaseFile.text(shifted)], previous: try before(two), knows: { _, _ in nil })
        #expect(accepted.accepted.entries[one.model]?.release == shifted)
    }
}
