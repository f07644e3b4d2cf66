import ArgumentParser
import SlipwayClients
import SlipwayCore

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Releases, what really serves, and whether they agree.",
        discussion: "Exit code 0 when everything is synced, 5 when something is not, 7 when the platform does not run."
    )

    @OptionGroup var options: EnvironmentOptions

    func run() async throws {
        try await PlatformConnection.with(options) { platform in
            let status = try await platform.control.get("status")
            if options.output == .json {
                Talk.data(status.canonicalText)
            } else {
                Talk.data(StatusView(ink: .standard).text(status))
            }
            let models = status["models"]?.arrayValue ?? []
            guard models.allSatisfy({ $0["sync"] == "Synced" }) else { throw ExitCode(5) }
        }
    }
}

/// `slipway status` for people.
struct StatusView {
    let ink: Ink

    func text(_ status: JSONValue) -> String {
        var lines = [ink.bold("environment \(status["environment"]?.stringValue ?? "")") + "  repository \(status["repository"]?.stringValue ?? "")"]
        if let problem = status["problem"]?.stringValue, !problem.isEmpty { lines.append(ink.yellow("  \(problem)")) }
        var table = TextTable(header: ["MODEL", "VARIANT", "VERSION", "WEIGHT", "SERVES", "SYNC", "COMMIT"])
        for model in status["models"]?.arrayValue ?? [] {
            let sync = model["sync"]?.stringValue ?? ""
            for variant in model["variants"]?.arrayValue ?? [] {
                let version = variant["version"]?.intValue ?? 0
                table.rows.append([
                    model["model"]?.stringValue ?? "", variant["alias"]?.stringValue ?? "", "\(version)",
                    "\(variant["weight"]?.canonicalText ?? "") %", serves(version, model), sync,
                    String((model["commit"]?.stringValue ?? "").prefix(8)),
                ])
            }
            if let shadow = model["shadow"], let version = shadow["version"]?.intValue {
                table.rows.append([
                    model["model"]?.stringValue ?? "", "shadow", "\(version)",
                    "\(shadow["percent"]?.canonicalText ?? "") % copied", serves(version, model), Self.comparison(shadow),
                    String((model["commit"]?.stringValue ?? "").prefix(8)),
                ])
            }
            if let reason = model["reason"]?.stringValue, !reason.isEmpty { lines.append(ink.yellow("  \(model["model"]?.stringValue ?? ""): \(reason)")) }
        }
        lines.append(table.rows.isEmpty ? "Nothing is released yet: slipway run PROJECT" : table.text)
        let engines = status["engines"]?.objectValue ?? [:]
        var addresses = TextTable(header: ["ENGINE", "ADDRESS"])
        for (name, address) in engines.sorted(by: { $0.key < $1.key }) { addresses.rows.append([name, address.stringValue ?? ""]) }
        return (lines + ["", addresses.text]).joined(separator: "\n")
    }

    /// `match 97, differ 3`: what came of the copies so far.
    private static func comparison(_ shadow: JSONValue) -> String {
        guard shadow["mirrored"]?.boolValue == true else { return "not ready" }
        let counts = shadow["counts"]?.objectValue ?? [:]
        let parts = ["match", "differ", "incomparable", "error", "dropped"].compactMap { name -> String? in
            guard let count = counts[name]?.intValue, count > 0 else { return nil }
            return "\(name) \(count)"
        }
        return parts.isEmpty ? "no copies yet" : parts.joined(separator: ", ")
    }

    /// On how many replicas of the model server the version is ready.
    private func serves(_ version: Int64, _ model: JSONValue) -> String {
        let servers = model["servers"]?.objectValue ?? [:]
        let ready = servers.values.filter { $0.arrayValue?.contains(.int(version)) == true }.count
        return "\(ready)/\(servers.count)"
    }
}
