import Foundation
import SlipwayTesting
import Testing

/// Serialised: each blocks a thread, and the time for mutations is shared.
@Suite("Fuzz", .serialized)
struct CorpusTests {
    @Test("Every kept input is accepted or refused by the rules", arguments: FuzzTarget.all.map(\.name))
    func corpus(name: String) async throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let inputs = try Corpus.inputs(of: target)
        #expect(inputs.count <= target.seeds.count + Corpus.linesMax)
        let tally = try await onThread { try Tally(of: target, inputs) }
        for failure in tally.failures { Issue.record("\(failure)") }
        // A target that takes everything, or nothing, tries half of its parser.
        #expect(tally.accepted > 0 && (tally.refused > 0 || name == "query"), "\(tally.accepted) accepted, \(tally.refused) refused")
    }

    @Test("Seeded mutations of the corpus keep the rules", arguments: FuzzTarget.all.map(\.name))
    func mutations(name: String) async throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let environment = ProcessInfo.processInfo.environment
        let seconds = environment["FUZZ_SECONDS"].flatMap(Double.init) ?? Self.secondsDefault
        let seed = environment["FUZZ_SEED"].flatMap(UInt64.init) ?? 1
        let inputs = try Corpus.inputs(of: target)
        let tally = try await onThread {
            var mutation = Mutation(seed: seed, words: target.words.map { Array($0.utf8) }, inputs: inputs)
            return try Tally(of: target, until: .now + .seconds(seconds / Double(FuzzTarget.all.count))) { mutation.next() }
        }
        for failure in tally.failures { Issue.record("FUZZ_SEED=\(seed): \(failure)") }
        #expect(tally.accepted + tally.refused > 0)
    }

    /// For all targets together.
    private static let secondsDefault: Double = 5

    @Test("An input is written as a line and read back, whatever its bytes")
    func lines() throws {
        let bytes = (0...255).map { UInt8($0) }
        let line = Corpus.line(bytes)
        #expect(!line.contains("\n"))
        #expect(try Corpus.read(line: line[...]) == bytes)
        #expect(throws: BrokenRule.self) { try Corpus.read(line: "a\\q") }
    }

    @Test("A rule that is broken fails with the input that broke it")
    func broken() throws {
        let target = FuzzTarget(name: "broken", seeds: []) { input in
            try FuzzTarget.expect(input.isEmpty, "it is not empty")
            return .accepted
        }
        let tally = try Tally(of: target, [[], [0x61]])
        #expect(tally.accepted == 1)
        #expect(tally.failures == ["it is not empty: a"])
    }
}

/// What a target made of many inputs.
struct Tally: Sendable {
    private(set) var accepted = 0
    private(set) var refused = 0
    private(set) var failures: [String] = []

    private static let failuresMax = 5

    init(of target: FuzzTarget, _ inputs: [[UInt8]]) throws {
        for input in inputs { add(input, target) }
    }

    /// Tries one input after the other until the time is over.
    init(of target: FuzzTarget, until end: ContinuousClock.Instant, _ next: () -> [UInt8]) throws {
        repeat { add(next(), target) } while ContinuousClock.now < end && failures.count < Self.failuresMax
    }

    private mutating func add(_ input: [UInt8], _ target: FuzzTarget) {
        let start = ContinuousClock.now
        do {
            switch try target.check(input) {
            case .accepted: accepted += 1
            case .refused: refused += 1
            }
        } catch {
            failures.append("\(error): \(Corpus.line(input))")
        }
        let took = ContinuousClock.now - start
        if took > .seconds(FuzzTarget.inputSecondsMax) { failures.append("it took \(took): \(Corpus.line(input))") }
    }
}
