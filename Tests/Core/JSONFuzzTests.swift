import Foundation
import SlipwayCore
import Testing

/// Seeded: a failure prints the text that broke the rule, and its seed is the test's argument.
@Suite("JSON fuzz")
struct JSONFuzzTests {
    static let seeds = 0..<20 as Range<UInt64>
    static let roundsMax = 150

    @Test(
        "What is written is read back as the same value, and written again as the same bytes",
        arguments: seeds
    )
    func roundTrip(seed: UInt64) throws {
        var source = RandomJSON(seed: seed)
        for _ in 0..<Self.roundsMax {
            let value = source.value()
            let bytes = value.canonicalBytes
            let read = try JSONValue(parsing: bytes)
            #expect(read == value, "\(value.canonicalText)")
            #expect(read.canonicalBytes == bytes)
            #expect(try JSONValue(parsing: value.prettyText).canonicalBytes == bytes)
        }
    }

    @Test(
        "A broken text is refused as an invalid argument, or is a value that survives the round trip",
        arguments: seeds
    )
    func mutations(seed: UInt64) throws {
        var source = RandomJSON(seed: seed)
        var accepted = 0
        var refused = 0
        for _ in 0..<Self.roundsMax * 4 {
            let value = source.value()
            let bytes = source.mutated(
                Bool.random(using: &source.random) ? value.canonicalBytes : Array(value.prettyText.utf8)
            )
            let text = String(decoding: bytes, as: UTF8.self)
            do {
                let read = try JSONValue(parsing: bytes)
                accepted += 1
                #expect(try JSONValue(parsing: read.canonicalBytes) == read, "\(text)")
            } catch {
                refused += 1
                #expect(error.code == .invalidArgument, "\(text)")
            }
        }
        // Neither side may be empty, or the mutations try nothing.
        #expect(accepted > 20 && refused > 200, "\(accepted) accepted, \(refused) refused")
    }

    @Test(
        "Another parser judges the same: Foundation reads all that we read, we refuse of that only what is told here",
        arguments: seeds
    )
    func secondOpinion(seed: UInt64) throws {
        var source = RandomJSON(seed: seed &+ 1000)
        for _ in 0..<Self.roundsMax * 4 {
            let bytes = source.mutated(source.value().canonicalBytes)
            // Foundation guesses UTF-16 and UTF-32 from the first bytes; RFC 8259 knows UTF-8 only.
            guard bytes.prefix(4).allSatisfy({ (1..<0xEF).contains($0) }) else { continue }
            let other =
                (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            do {
                _ = try JSONValue(parsing: bytes)
                #expect(other, "only ours reads: \(String(decoding: bytes, as: UTF8.self))")
            } catch {
                // Foundation also takes a comma before a closing brace.
                let known = ["duplicate key", "beyond a double", "expected a key"]
                let isExpected = !other || known.contains { error.message.contains($0) }
                #expect(
                    isExpected,
                    "only Foundation reads: \(String(decoding: bytes, as: UTF8.self)): \(error.message)"
                )
            }
        }
    }
}
