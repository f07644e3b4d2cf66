import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayProof
import SlipwayStorage

struct ProofCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "proof",
        abstract: "Signed evidence of every transition.",
        subcommands: [ProofShow.self, ProofVerify.self, ProofCapture.self, ProofCheck.self]
    )
}

struct ProofVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Recompute every proof offline, and name the first thing that does not hold.",
        discussion: """
            Needs the folder of proofs and the public key, and no running platform. With the run store of the
            same home it also checks that every run recorded as succeeded has its six proofs. Exit code 8
            when something does not hold.
            """
    )

    @OptionGroup var options: EnvironmentOptions

    @Option(help: ArgumentHelp("The proofs; those of the environment when left out.", valueName: "folder"))
    var folder: String?

    @Option(help: ArgumentHelp("The public key in PEM; the environment's when left out.", valueName: "file"))
    var key: String?

    func run() async throws {
        let environment = try options.environmentName()
        let home = EnvironmentHome(root: options.root.path, environment: environment)
        let verifyingKey = try key.map { try VerifyingKey(pem: try String(contentsOfFile: $0, encoding: .utf8)) } ?? home.verifyingKey()
        var expectations = ProofExpectations(environment: environment)
        if folder == nil, FileManager.default.fileExists(atPath: home.runsDatabase) {
            let runs = try await SQLiteRunStore(file: home.runsDatabase).runs(limit: 100_000)
            // Two platforms never share a home, so its runs and its proofs belong together.
            expectations.runs = runs.filter { $0.state == .succeeded && $0.conditions.count == SuccessCondition.allCases.count }.map(\.id)
            expectations.envelopes = try runs.flatMap(\.proofs).map { try Digest($0) }
        }
        let report = try ProofFolder(folder ?? home.proofsFolder).verify(key: verifyingKey, expectations: expectations)
        if options.output == .json {
            Talk.data(JSONValue.object([
                "holds": .bool(report.holds), "count": .int(Int64(report.count)),
                "head": report.head.map { .string($0.text) } ?? .null,
                "failure": report.failure.map { .string($0.description) } ?? .null,
            ]).canonicalText)
        } else if report.holds {
            Talk.data("\(report.count) proofs hold, \(expectations.runs.count) successful runs have all six; key \(verifyingKey.id.hex.prefix(16))…")
        }
        if let failure = report.failure {
            throw PlatformError(.corrupt, failure.description, remedy: "compare the file with a copy; nothing after it can be trusted")
        }
    }
}

struct ProofShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "show", abstract: "The proofs in order: what happened, to what, with which verdict.")

    @Option(help: "Only those of this run.")
    var run: String?

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        let home = EnvironmentHome(root: options.root.path, environment: try options.environmentName())
        let folder = ProofFolder(home.proofsFolder)
        var table = TextTable(header: ["PROOF", "TIME", "KIND", "MODEL", "VERSION", "RUN", "VERDICT"])
        var all: [JSONValue] = []
        for name in try folder.names() {
            let envelope = try Envelope(parsing: try folder.file(name).bytes)
            let transition = try Statement(parsing: envelope.payload).transition
            guard run == nil || transition.run?.text == run else { continue }
            all.append(try JSONValue(encoding: transition))
            table.rows.append([
                String(name.dropLast(5)), String(transition.time.description.prefix(19)), transition.kind, transition.model.text,
                transition.version.map { "\($0)" } ?? "-", transition.run?.text ?? "-", transition.verdict.rawValue,
            ])
        }
        Talk.data(options.output == .json ? JSONValue.array(all).canonicalText : table.text)
    }
}
