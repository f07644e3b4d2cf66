import SlipwayCore
import SlipwayTesting
import Testing

@testable import SlipwayProof

@Suite("Statement")
struct StatementTests {
    @Test("A statement is written as an in-toto Statement v1, always the same bytes")
    func written() throws {
        let statement = Statement(try ProofFixture.transition(), sequence: 2, previous: Digest(of: "before".utf8))
        try expectSnapshot(try JSONValue(parsing: statement.payload).prettyText + "\n", named: "statement.json")
        #expect(statement.payload == statement.payload)
    }

    @Test("What was written reads back equal: all members, none of the optional ones, no subject")
    func roundTrip() throws {
        let full = Statement(try ProofFixture.transition(), sequence: 7, previous: Digest(of: [1]))
        #expect(try Statement(parsing: full.payload) == full)
        let bare = Statement(
            try ProofFixture.transition("refused", run: nil, version: nil, subjects: [:], observed: .null, verdict: .fail),
            sequence: 1,
            previous: nil
        )
        #expect(try Statement(parsing: bare.payload) == bare)
    }

    @Test("A statement about no artifact is about what was observed, and that is recomputed")
    func observedSubject() throws {
        let statement = Statement(try ProofFixture.transition(subjects: [:], observed: ["count": 3]), sequence: 1, previous: nil)
        let text = String(decoding: statement.payload, as: UTF8.self)
        #expect(text.contains(Digest(of: #"{"count":3}"#.utf8).hex))
        let changed = text.replacing(#""count":3"#, with: #""count":4"#)
        #expect(throws: PlatformError.self) { try Statement(parsing: Array(changed.utf8)) }
    }

    @Test(
        "Anything but the canonical form is corrupt: another order, space, type, member or value",
        arguments: [
            (#""_type":"https://in-toto.io/Statement/v1""#, #""_type":"https://in-toto.io/Statement/v0.1""#),
            (#""verdict":"pass""#, #""verdict":"ok""#),
            (#""sequence":1"#, #""sequence":1.0"#),
            (#""sequence":1"#, #""sequence": 1"#),
            (#""sequence":1"#, #""sequence":1,"z":0"#),
            (#""kind":"registered","#, ""),
            (#""version":3"#, #""version":0"#),
            (#""environment":"dev""#, #""environment":"Dev""#),
            ("predicateType", "predicatetype"),
        ]
    )
    func refused(change: (from: String, to: String)) throws {
        let text = String(decoding: Statement(try ProofFixture.transition(), sequence: 1, previous: nil).payload, as: UTF8.self)
        let changed = text.replacing(change.from, with: change.to)
        #expect(changed != text)
        let error = #expect(throws: PlatformError.self) { try Statement(parsing: Array(changed.utf8)) }
        #expect(error?.code == .corrupt)
    }
}
