import SlipwayCore
import Testing

@testable import SlipwayProof

@Suite("Proof verifier")
struct ProofVerifierTests {
    @Test("A whole log holds, and the report says how long it is and where it ends")
    func holds() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain(try ProofFixture.success(), key: key)
        let report = ProofVerifier.verify(files, key: key.verifyingKey)
        #expect(report.holds)
        #expect(report.count == 6)
        #expect(report.head == Digest(of: try #require(files.last).bytes))
        #expect(ProofVerifier.verify([], key: key.verifyingKey).holds)
    }

    @Test("One flipped bit anywhere in an envelope makes the verification fail, and names that file")
    func flips() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain(Array(try ProofFixture.success().prefix(3)), key: key)
        for index in files[1].bytes.indices {
            for bit: UInt8 in [0x01, 0x20, 0x80] {
                var bytes = files[1].bytes
                bytes[index] ^= bit
                let changed = [files[0], ProofFile(name: files[1].name, bytes: bytes), files[2]]
                let report = ProofVerifier.verify(changed, key: key.verifyingKey)
                #expect(report.failure?.file == "2.json" && report.count == 1, "byte \(index), bit \(bit)")
            }
        }
    }

    @Test("A byte too many or too few at any place makes it fail")
    func lengths() throws {
        let key = SigningKey()
        let file = try #require(try ProofFixture.chain([try ProofFixture.transition()], key: key).first)
        for index in file.bytes.indices {
            var shorter = file.bytes
            shorter.remove(at: index)
            var longer = file.bytes
            longer.insert(file.bytes[index], at: index)
            for bytes in [shorter, longer] {
                #expect(!ProofVerifier.verify([ProofFile(name: "1.json", bytes: bytes)], key: key.verifyingKey).holds, "byte \(index)")
            }
        }
    }

    @Test("Another key's log fails at its first file")
    func otherKey() throws {
        let files = try ProofFixture.chain(try ProofFixture.success(), key: SigningKey())
        let other = SigningKey().verifyingKey
        let report = ProofVerifier.verify(files, key: other)
        #expect(report.failure?.what == .key)
        #expect(report.failure?.expected == other.id.text)
        #expect(report.failure?.file == "1.json")
    }

    @Test("A forged signature under the right key id fails as a signature")
    func forged() throws {
        let key = SigningKey()
        let real = try Envelope(signing: Statement(try ProofFixture.transition(), sequence: 1, previous: nil), with: key)
        let other = try Envelope(signing: Statement(try ProofFixture.transition("loaded"), sequence: 1, previous: nil), with: key)
        let forged = Envelope(payload: real.payload, keyID: real.keyID, signature: other.signature)
        let report = ProofVerifier.verify([ProofFile(name: "f", bytes: forged.bytes)], key: key.verifyingKey)
        #expect(report.failure?.what == .signature)
    }

    @Test("A missing, doubled, swapped or first file shows as a gap in the sequence")
    func gaps() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain(try ProofFixture.success(), key: key)
        let cases: [([ProofFile], String, String)] = [
            ([files[0], files[2]], "3.json", "2"),
            ([files[0], files[0]], "1.json", "2"),
            ([files[1], files[0]], "2.json", "1"),
            (Array(files.dropFirst()), "2.json", "1"),
        ]
        for (given, file, expected) in cases {
            let failure = ProofVerifier.verify(given, key: key.verifyingKey).failure
            #expect(failure?.what == .sequence)
            #expect(failure?.file == file)
            #expect(failure?.expected == expected)
        }
    }

    @Test("A chain whose middle was signed anew fails where the digests part")
    func resigned() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain(try ProofFixture.success(), key: key)
        var transitions = try ProofFixture.success()
        transitions[1] = try ProofFixture.transition("ready", observed: "something else")
        let forged = try ProofFixture.chain(transitions, key: key)
        let failure = ProofVerifier.verify([files[0], forged[1], files[2]], key: key.verifyingKey).failure
        #expect(failure?.what == .previous)
        #expect(failure?.file == "3.json")
        #expect(failure?.expected == Digest(of: forged[1].bytes).text)
        #expect(failure?.got == Digest(of: files[1].bytes).text)
    }

    @Test("A log of another environment fails when one is expected")
    func environment() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain([try ProofFixture.transition()], key: key)
        let expectations = ProofExpectations(environment: try EnvironmentName("prod"))
        #expect(ProofVerifier.verify(files, key: key.verifyingKey, expectations: expectations).failure?.what == .environment)
    }

    @Test("A log cut short at its end shows by the digests that records name")
    func cutShort() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain(try ProofFixture.success(), key: key)
        let expectations = ProofExpectations(envelopes: files.map { Digest(of: $0.bytes) })
        #expect(ProofVerifier.verify(files, key: key.verifyingKey, expectations: expectations).holds)
        let failure = ProofVerifier.verify(files.dropLast(), key: key.verifyingKey, expectations: expectations).failure
        #expect(failure?.what == .presence)
        #expect(failure?.expected == "the proof \(Digest(of: try #require(files.last).bytes))")
    }

    @Test("An artifact with another digest than the proof's fails; one that no proof names fails too")
    func subjects() throws {
        let key = SigningKey()
        let files = try ProofFixture.chain([try ProofFixture.transition()], key: key)
        func failure(_ digests: [String: Digest], version: Int = 3) throws -> ProofFailure? {
            let given = ProofExpectations.Artifacts(model: try ModelName("tumor"), version: try ModelVersion(version), digests: digests)
            return ProofVerifier.verify(files, key: key.verifyingKey, expectations: ProofExpectations(artifacts: [given])).failure
        }
        #expect(try failure(["model.onnx": Digest(of: "graph".utf8)]) == nil)
        let other = Digest(of: "another".utf8)
        let changed = try failure(["model.onnx": other])
        #expect(changed?.what == .subject)
        #expect(changed?.file == "1.json")
        #expect(changed?.expected == "\(Digest(of: "graph".utf8)) for 'model.onnx'")
        #expect(changed?.got == other.text)
        #expect(try failure(["extra.json": other])?.what == .presence)
        #expect(try failure(["model.onnx": Digest(of: "graph".utf8)], version: 4)?.what == .presence)
    }

    @Test("A successful run has each of the six", arguments: ProofVerifier.successKinds.indices)
    func conditions(missing: Int) throws {
        let key = SigningKey()
        var transitions = try ProofFixture.success()
        let expectations = ProofExpectations(runs: [try RunID("run-1")])
        #expect(ProofVerifier.verify(try ProofFixture.chain(transitions, key: key), key: key.verifyingKey, expectations: expectations).holds)

        let kind = transitions.remove(at: missing).kind
        let without = ProofVerifier.verify(try ProofFixture.chain(transitions, key: key), key: key.verifyingKey, expectations: expectations)
        #expect(without.failure?.what == .condition)
        #expect(without.failure?.expected == "'\(kind)' of run 'run-1' with verdict pass")
        #expect(without.failure?.got == "no such proof")

        transitions.append(try ProofFixture.transition(kind, verdict: .inconclusive))
        let doubtful = ProofVerifier.verify(try ProofFixture.chain(transitions, key: key), key: key.verifyingKey, expectations: expectations)
        #expect(doubtful.failure?.got == "verdict inconclusive")
        #expect(doubtful.failure?.file == "6.json")

        transitions.append(try ProofFixture.transition(kind))
        let repaired = ProofVerifier.verify(try ProofFixture.chain(transitions, key: key), key: key.verifyingKey, expectations: expectations)
        #expect(repaired.holds)
    }

    @Test("Proofs of another run or another version do not count; a rollback counts against the run")
    func otherRuns() throws {
        let key = SigningKey()
        let expectations = ProofExpectations(runs: [try RunID("run-2")])
        func failure(_ transitions: [Transition]) throws -> ProofFailure? {
            ProofVerifier.verify(try ProofFixture.chain(transitions, key: key), key: key.verifyingKey, expectations: expectations).failure
        }
        #expect(try failure(try ProofFixture.success(run: "run-1"))?.got == "no such proof")
        var mixed = try ProofFixture.success(run: "run-2")
        mixed[3] = try ProofFixture.transition("smoke-passed", run: "run-2", version: 9)
        #expect(try failure(mixed)?.got == "one for version 9 of 'tumor'")
        let rolledBack = try ProofFixture.success(run: "run-2") + [try ProofFixture.transition("rolled-back", run: "run-2")]
        #expect(try failure(rolledBack)?.expected == "no 'rolled-back' of run 'run-2'")
    }

    @Test("Any bytes at all are refused with a reason, never trusted and never a trap")
    func garbage() {
        let key = SigningKey().verifyingKey
        for bytes: [UInt8] in [[], [0], Array("{}".utf8), Array("[1]".utf8), Array("null".utf8), [UInt8](repeating: 0x5B, count: 100_000)] {
            let failure = ProofVerifier.verify([ProofFile(name: "x", bytes: bytes)], key: key).failure
            #expect(failure?.what == .envelope)
        }
    }

    @Test("A failure reads as one sentence with file, check, expected and got")
    func sentence() {
        let failure = ProofFailure(file: "3.json", what: .sequence, expected: "3", got: "4")
        #expect(failure.description == "'3.json': sequence does not hold: expected 3, got 4")
    }
}
