import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayTrackingSQLite

struct TrackingBackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Copy database and artifacts into a new folder, also while the server runs.",
        discussion: "  slipway tracking backup /backups/tracking-2026-01-31 --home .slipway/dev/tracking"
    )

    @Argument(help: "The folder to make.") var folder: String
    @Flag(help: "Copy artifacts also where a hard link would do: for a backup that shares nothing with the original.") var copy = false
    @OptionGroup var home: TrackingHomeOption
    @Option(help: "text for people, json for programs.") var output: OutputFormat = .text

    func run() async throws {
        let progress = BackupTalk("backup")
        let report = try TrackingBackup(home: TrackingHome(folder: home.folder))
            .write(to: URL(filePath: folder), copies: copy) { progress.say($0) }
        progress.end(report, output)
    }
}

struct TrackingRestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore",
        abstract: "Check a backup and put it back; the server must not run.",
        discussion: "  slipway tracking restore /backups/tracking-2026-01-31 --home .slipway/dev/tracking --replace"
    )

    @Argument(help: "A folder that 'slipway tracking backup' made.") var folder: String
    @Flag(help: "Replace what the home holds; it is kept aside in the home's folder 'replaced-…'.") var replace = false
    @Flag(help: "Copy artifacts also where a hard link would do.") var copy = false
    @OptionGroup var home: TrackingHomeOption
    @Option(help: "text for people, json for programs.") var output: OutputFormat = .text

    func run() async throws {
        let progress = BackupTalk("restore")
        let report = try TrackingRestore(home: TrackingHome(folder: home.folder))
            .read(from: URL(filePath: folder), replace: replace, copies: copy) { progress.say($0) }
        progress.end(report, output)
    }
}

/// How far it is, on stderr, at most once a second.
private final class BackupTalk {
    private let what: String
    private var last = ContinuousClock.now

    init(_ what: String) {
        self.what = what
    }

    func say(_ progress: BackupProgress) {
        let now = ContinuousClock.now
        guard now - last >= .seconds(1) else { return }
        last = now
        Talk.note("\(what): \(progress.phase.rawValue), \(progress.files) files, \(Self.size(progress.bytes))")
    }

    func end(_ report: BackupReport, _ output: OutputFormat) {
        switch output {
        case .text:
            Talk.note("\(what): \(report.files) files, \(Self.size(report.bytes)), as of \(report.created)")
            if let aside = report.keptAside { Talk.note("what was there before is in \(aside)") }
            Talk.data(report.manifest.text)
        case .json:
            Talk.data(JSONValue.object([
                "created": .string(report.created.description), "files": .int(Int64(report.files)), "bytes": .int(report.bytes),
                "linked": .int(Int64(report.linked)), "manifest": .string(report.manifest.text),
                "kept_aside": report.keptAside.map { .string($0) } ?? .null,
            ]).canonicalText)
        }
    }

    private static func size(_ bytes: Int64) -> String {
        bytes < 10 << 20 ? "\(bytes >> 10) KiB" : "\(bytes >> 20) MiB"
    }
}
