import Foundation
import SlipwayClients
import SlipwayCore
import SlipwayStorage

/// A running platform of one environment, found through its home.
struct PlatformConnection {
    let endpoints: Endpoints
    let control: ControlClient

    /// Runs `body` with a client of the platform whose home the options name.
    ///
    /// - Throws: `unavailable` with the command that starts it when it does not run.
    static func with<Result>(
        _ options: EnvironmentOptions,
        _ body: (PlatformConnection) async throws -> Result
    ) async throws -> Result {
        let home = EnvironmentHome(root: options.root.path, environment: try options.environmentName())
        guard let endpoints = try? home.endpoints(), let console = endpoints.console else {
            throw PlatformError(
                .unavailable,
                "the platform of '\(options.env)' does not run",
                remedy: "slipway up --env \(options.env)\(options.home == ".slipway" ? "" : " --home \(options.home)")"
            )
        }
        let connections = HTTPConnections()
        let control = ControlClient(url: console, token: try home.existingToken(), connections: connections)
        do {
            let result = try await body(PlatformConnection(endpoints: endpoints, control: control))
            try await connections.close()
            return result
        } catch {
            // The first error is the one to tell; closing idle connections can add nothing to it.
            try? await connections.close()
            throw error
        }
    }
}
