import Foundation
import SlipwayCore
import Testing

/// Seeded: a failure prints the text that broke the rule, and its seed is the test's argument.
@Suite("JSON fuzz")
struct JSONFuzzTests {
    static let seeds = 0..<20 as Range<UInt64>
    static let roundsMax = 150

    @Test("What is written is read back as the same value, and written again as the same bytes", arguments: seeds)
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

    @Test("A broken text is refused as an invalid argument, or is a value that survives the round trip", arguments: seeds)
    func mutations(seed: UInt64) throws {
        var source = RandomJSON(seed: seed)
        var accepted = 0
        var refused = 0
        for _ in 0..<Self.roundsMax * 4 {
            let value = source.value()
            let bytes = source.mutated(Bool.random(using: &source.random) ? value.canonicalBytes : Array(value.prettyText.utf8))
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

    @Test("Another parser judges the same: Foundation reads all that we read, we refuse only twins among what it reads", arguments: seeds)
    func secondOpinion(seed: UInt64) throws {
        var source = RandomJSON(seed: seed &+ 1000)
        for _ in 0..<Self.roundsMax * 4 {
            let bytes = source.mutated(source.value().canonicalBytes)
            let other = (try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)) != nil
            do {
                _ = try JSONValue(parsing: bytes)
                #expect(other, "only ours reads: \(String(decoding: bytes, as: UTF8.self))")
            } catch {
                let isExpected = !other || error.message.contains("duplicate key") || error.message.contains("beyond a double")
                #expect(isExpected, "only Foundation reads: \(String(decoding: bytes, as: UTF8.self)): \(error.message)")
            }
        }
    }
}
