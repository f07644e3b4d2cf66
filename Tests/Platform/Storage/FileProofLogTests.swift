import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayProof
import SlipwayTesting
import Testing

@testable import SlipwayStorage

@Suite("Proof log")
struct FileProofLogTests {
    @Test("Appended proofs verify from the folder and the public key alone, across restarts")
    func appends() async throws {
        try await withScratchFolder { folder in
            let key = SigningKey()
            var digests: [Digest] = []
            for round in 0..<3 {
                let log = try FileProofLog(folder: folder.path, key: key)
                for _ in 0..<2 { digests.append(try await log.append(try transition("released", round))) }
            }
            let reader = ProofFolder(folder.path)
            #expect(try reader.names() == (1...6).map { "000000000\($0).json" })
            let report = try reader.verify(key: key.verifyingKey, expectations: ProofExpectations(envelopes: digests))
            #expect(report == ProofReport(count: 6, head: digests.last, failure: nil))
        }
    }

    @Test("Appends at the same time are one chain")
    func concurrent() async throws {
        try await withScratchFolder { folder in
            let key = SigningKey()
            let log = try FileProofLog(folder: folder.path, key: key)
            try await withThrowingTaskGroup(of: Digest.self) { group in
                for number in 0..<20 { group.addTask { try await log.append(try transition("released", number)) } }
                var digests: Set<Digest> = []
                for try await digest in group { digests.insert(digest) }
                #expect(digests.count == 20)
            }
            #expect(try ProofFolder(folder.path).verify(key: key.verifyingKey).count == 20)
        }
    }

    @Test("At every file call, full disk or kill: what was acknowledged stays, the chain holds, and it goes on", arguments: FaultyDisk.Fault.allCases)
    func everyFault(fault: FaultyDisk.Fault) async throws {
        let key = SigningKey()
        let callsOfTwo = 14
        for step in 0..<callsOfTwo {
            try await withScratchFolder { folder in
                let first = try await FileProofLog(folder: folder.path, key: key).append(try transition("released", 0))
                var acknowledged = [first]
                let disk = FaultyDisk(failAt: step, fault)
                do {
                    let log = try FileProofLog(folder: folder.path, key: key, disk: disk)
                    for number in 1...2 { acknowledged.append(try await log.append(try transition("released", number))) }
                } catch let error as PlatformError {
                    if fault == .full, step > 1 { #expect([.exhausted, .unavailable].contains(error.code), "\(error)") }
                    // A full disk ends nothing: the same log goes on when there is room again.
                }
                let log = try FileProofLog(folder: folder.path, key: key)
                acknowledged.append(try await log.append(try transition("released", 3)))
                let report = try ProofFolder(folder.path).verify(key: key.verifyingKey, expectations: ProofExpectations(envelopes: acknowledged))
                #expect(report.holds, "step \(step): \(String(describing: report.failure))")
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).allSatisfy { $0.hasSuffix(".json") })
            }
        }
    }

    @Test("After a full disk the same log goes on without a gap")
    func goesOn() async throws {
        let key = SigningKey()
        for step in 0..<12 {
            try await withScratchFolder { folder in
                let log: FileProofLog
                do {
                    log = try FileProofLog(folder: folder.path, key: key, disk: FaultyDisk(failAt: step, .full))
                } catch { return }
                for number in 0..<4 { _ = try? await log.append(try transition("released", number)) }
                let report = try ProofFolder(folder.path).verify(key: key.verifyingKey)
                #expect(report.holds && report.count >= 3, "step \(step): \(report)")
            }
        }
    }

    @Test("A torn last write that only a broken disk can leave is refused by name, not continued")
    func torn() async throws {
        try await withScratchFolder { folder in
            let key = SigningKey()
            let log = try FileProofLog(folder: folder.path, key: key)
            for number in 0..<2 { _ = try await log.append(try transition("released", number)) }
            let last = folder.appending(path: "0000000002.json")
            try Data(contentsOf: last).dropLast(10).write(to: last)
            let error = #expect(throws: PlatformError.self) { try FileProofLog(folder: folder.path, key: key) }
            #expect(error?.code == .corrupt)
            #expect(error?.message.contains("0000000002.json") == true)
        }
    }

    @Test("A log of another key, or with a number missing, is not continued")
    func notContinued() async throws {
        try await withScratchFolder { folder in
            let key = SigningKey()
            let log = try FileProofLog(folder: folder.path, key: key)
            for number in 0..<3 { _ = try await log.append(try transition("released", number)) }
            let other = #expect(throws: PlatformError.self) { try FileProofLog(folder: folder.path, key: SigningKey()) }
            #expect(other?.message.contains("another key") == true)
            try FileManager.default.removeItem(at: folder.appending(path: "0000000002.json"))
            let gap = #expect(throws: PlatformError.self) { try FileProofLog(folder: folder.path, key: key) }
            #expect(gap?.code == .corrupt)
            let failure = try ProofFolder(folder.path).verify(key: key.verifyingKey).failure
            #expect(failure?.file == "0000000003.json")
            #expect(failure?.what == .sequence)
        }
    }

    @Test("A second writer never overwrites a proof")
    func twoWriters() async throws {
        try await withScratchFolder { folder in
            let key = SigningKey()
            let one = try FileProofLog(folder: folder.path, key: key)
            let two = try FileProofLog(folder: folder.path, key: key)
            let kept = try await one.append(try transition("released", 1))
            let error = await #expect(throws: PlatformError.self) { try await two.append(try transition("released", 2)) }
            #expect(error?.code == .failedPrecondition)
            #expect(try ProofFolder(folder.path).verify(key: key.verifyingKey).head == kept)
        }
    }

    @Test("Other files in the folder are not looked at; a name that is none is refused")
    func names() async throws {
        try await withScratchFolder { folder in
            for name in ["README", "1.json", "00000000001.json", "000000000x.json"] { try Data().write(to: folder.appending(path: name)) }
            let reader = ProofFolder(folder.path)
            #expect(try reader.names().isEmpty)
            #expect(throws: PlatformError.self) { try reader.file("../token") }
            let absent = #expect(throws: PlatformError.self) { try ProofFolder(folder.appending(path: "none").path).names() }
            #expect(absent?.code == .notFound)
        }
    }

    @Test("The verifier's six kinds are the pipeline's six conditions")
    func sameWords() {
        #expect(ProofVerifier.successKinds == SuccessCondition.allCases.map(\.rawValue))
    }
}

private func transition(_ kind: String, _ number: Int) throws -> Transition {
    Transition(
        kind: kind,
        environment: try EnvironmentName("dev"),
        model: try ModelName("tumor"),
        version: try ModelVersion(number + 1),
        run: nil,
        commit: nil,
        subjects: [:],
        observed: ["number": .int(Int64(number))],
        verdict: .pass,
        time: Timestamp(milliseconds: 1_700_000_000_000)
    )
}
