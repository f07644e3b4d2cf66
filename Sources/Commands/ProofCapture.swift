import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayProof
import SlipwayStorage

struct ProofCapture: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "capture",
        abstract: "Observe a whole platform, judge what was seen, and sign it.",
        discussion: """
            Kinds: core_only, optional_on, e2e_success. Writes facts.json, the signed envelope, the public key
            and a page of verdicts into a folder that it replaces. Exit code 0 when every check passes, 5 when
            one fails or had no data; the capture is written in both cases.

            With --cluster the facts are the cluster's, through kubectl. Facts that only a drill knows (traffic
            meanwhile, features before and after) come from --facts.

              slipway proof capture core_only --predict row.json --into docs/proof/latest/core_only
            """
    )

    @Argument(help: "core_only, optional_on or e2e_success.") var kind: String
    @OptionGroup var options: EnvironmentOptions

    @Option(help: ArgumentHelp("Where the capture goes; a capture that is there is replaced.", valueName: "folder")) var into: String
    @Option(help: ArgumentHelp("The GitOps tree; the one of the working folder when left out.", valueName: "folder")) var tree: String?
    @Option(help: ArgumentHelp("A JSON object of facts to add.", valueName: "file")) var facts: String?
    @Option(help: ArgumentHelp("A body for the gateway's predict route.", valueName: "file")) var predict: String?
    @Option(help: ArgumentHelp("The model that it is for; the only one when left out.", valueName: "name")) var model: String?
    @Option(help: ArgumentHelp("The run that e2e_success is about; the newest that succeeded when left out.", valueName: "id")) var run: String?
    @Flag(help: "Ask the cluster of the current kubectl context.") var cluster = false

    func run() async throws {
        guard let kind = CaptureKind(rawValue: kind) else {
            throw PlatformError(
                .invalidArgument, "'\(kind)' is not a kind of capture",
                remedy: "use one of \(CaptureKind.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        let environment = try options.environmentName()
        let home = EnvironmentHome(root: options.root.path, environment: environment)
        let tree = try GitOpsTree.find(tree)
        let added = try facts.map { try JSONValue(parsing: try Array(Data(contentsOf: URL(filePath: $0)))) } ?? [:]
        let body = try predict.map { try Array(Data(contentsOf: URL(filePath: $0))) }
        var observed: [String: JSONValue]
        if cluster {
            observed = try await ClusterFacts(tree: tree, environment: environment).observe(body: body, model: model)
        } else {
            observed = try await MachineFacts(options: options, home: home, tree: tree).observe(body: body, model: model)
            if kind == .endToEnd { observed["run"] = try await RunFacts(home: home).observe(run) }
        }
        observed["environment"] = .string(environment.text)
        guard let members = added.objectValue else { throw PlatformError(.invalidArgument, "the file of --facts is no JSON object") }
        for (name, value) in members {
            // What was seen here counts; a drill only adds.
            guard observed[name] == nil else { throw PlatformError(.invalidArgument, "fact '\(name)' of --facts is observed by the capture itself") }
            observed[name] = value
        }
        try home.create()
        let capture = Capture(kind: kind, facts: .object(observed))
        let commit = try await tree.commit().map { try CommitID($0) }
        try await CaptureFolder(URL(filePath: into)).write(capture, environment: environment, commit: commit, key: try home.signingKey())
        CaptureView.show(capture, options.output)
        guard capture.verdict == .pass else { throw ExitCode(5) }
    }
}

struct ProofCheck: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Judge a capture again, offline: signature, facts, every check.",
        discussion: "Exit code 0 when it holds and its verdict is pass, 5 when it holds with another verdict, 8 when it does not hold."
    )

    @Argument(help: "The folder of the capture.") var folder: String
    @Option(help: ArgumentHelp("The public key in PEM that you trust; the one beside the capture when left out.", valueName: "file")) var key: String?
    @Option(name: .long, help: "text for people, json for programs.") var output: OutputFormat = .text

    func run() async throws {
        let trusted = try key.map { try VerifyingKey(pem: try String(contentsOfFile: $0, encoding: .utf8)) }
        let capture = try CaptureFolder(URL(filePath: folder)).verify(key: trusted)
        CaptureView.show(capture, output)
        if trusted == nil { Talk.note("signed by the key beside it: pass --key to say which one you trust") }
        guard capture.verdict == .pass else { throw ExitCode(5) }
    }
}

enum CaptureView {
    static func show(_ capture: Capture, _ output: OutputFormat) {
        if output == .json {
            return Talk.data(JSONValue.object([
                "kind": .string(capture.kind.rawValue), "verdict": .string(capture.verdict.rawValue),
                "checks": .array(capture.checks.map { ["name": .string($0.name), "verdict": .string($0.verdict.rawValue), "finding": .string($0.finding)] }),
            ]).canonicalText)
        }
        var table = TextTable(header: ["CHECK", "VERDICT", "FINDING"])
        for check in capture.checks { table.rows.append([check.name, check.verdict.rawValue, check.finding]) }
        Talk.data("\(table.text)\n\(capture.kind.rawValue): \(capture.verdict.rawValue)")
    }
}
