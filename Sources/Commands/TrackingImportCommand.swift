import ArgumentParser
import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayStorage
import SlipwayTrackingImport
import SlipwayTrackingSQLite
import Synchronization

struct TrackingImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Copy experiments, runs, models and artifacts from a running MLflow server.",
        discussion: """
            Into an environment that is not up. Ids of runs and logged models and numbers of versions stay the
            same. May be ended at any point and run again: what is here already is not copied twice, and what
            has changed at the source since is brought up to date.

              slipway tracking import http://mlflow.example.org:5000 --env dev
              MLFLOW_TRACKING_TOKEN=… slipway tracking import https://mlflow.example.org --models tumor,churn

            Exit code 0: all of it is here; 5 or 8: something could not be copied, and is listed.
            """
    )

    @Argument(help: ArgumentHelp("The MLflow server to copy from; 'user:password@' in it is used to log in.", valueName: "url"))
    var url: String

    @OptionGroup var options: EnvironmentOptions

    @Option(help: ArgumentHelp("Only these experiments, by name, separated by commas; may be repeated.", valueName: "names"))
    var experiments: [String] = []

    @Option(help: ArgumentHelp("Only these models, with the runs that their versions come from.", valueName: "names"))
    var models: [String] = []

    @Option(help: ArgumentHelp("A bearer token for the source; MLFLOW_TRACKING_TOKEN when left out.", valueName: "token"))
    var token: String?

    @Option(help: ArgumentHelp("How many runs and models are read at a time.", valueName: "number"))
    var concurrency: Int = ImportOptions().concurrency

    @Flag(help: "Read also the files that are here already, and compare their digests.")
    var verify = false

    func run() async throws {
        guard (1...ImportOptions.concurrencyMax).contains(concurrency) else {
            throw PlatformError(.invalidArgument, "--concurrency \(concurrency) is not between 1 and \(ImportOptions.concurrencyMax)")
        }
        let home = EnvironmentHome(root: options.root.path, environment: try options.environmentName())
        try home.create()
        // Nobody else writes there while this runs, and 'slipway up' says who does.
        let lock = try home.lock()
        let report = try await copy(
            into: URL(filePath: home.trackingFolder, directoryHint: .isDirectory), protection: try AliasProtection(home: home)
        )
        withExtendedLifetime(lock) {}
        if options.output == .json {
            Talk.data(try JSONValue(encoding: report).canonicalText)
        } else {
            Talk.data(ImportView.table(report))
        }
        for line in ImportView.notes(report) { Talk.note(line) }
        try report.check()
    }

    private func copy(into folder: URL, protection: AliasProtection) async throws -> ImportReport {
        let place = TrackingHome(folder: folder)
        let store = try SQLiteTrackingStore(path: place.database.path, protected: { protection.current }, lock: try place.lock())
        let artifacts = try FileArtifactStore(root: place.artifacts)
        let connections = HTTPConnections()
        let progress = ImportProgress()
        let importer = TrackingImporter(
            source: MLflowSource(url: url, token: bearer, connections: connections),
            store: store,
            intake: StoreArtifactIntake(artifacts),
            options: ImportOptions(
                selection: ImportSelection(experiments: Self.names(experiments), models: Self.names(models)),
                concurrency: concurrency,
                verifiesAll: verify
            )
        )
        let result: Result<ImportReport, any Error>
        do {
            result = .success(try await importer.run { progress.show($0) })
        } catch {
            result = .failure(error)
        }
        try? await connections.close()
        return try result.get()
    }

    private var bearer: String? {
        let text = token ?? ProcessInfo.processInfo.environment["MLFLOW_TRACKING_TOKEN"]
        return text.flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func names(_ lists: [String]) -> Set<String> {
        Set(lists.flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty })
    }
}

/// A line on stderr now and then while an import runs.
private final class ImportProgress: Sendable {
    private let shown = Mutex(ContinuousClock.now)

    private static let pause = Duration.seconds(2)

    func show(_ report: ImportReport) {
        let now = ContinuousClock.now
        let isDue = shown.withLock { shown in
            guard now - shown >= Self.pause else { return false }
            shown = now
            return true
        }
        if isDue { Talk.note(ImportView.progress(report)) }
    }
}
