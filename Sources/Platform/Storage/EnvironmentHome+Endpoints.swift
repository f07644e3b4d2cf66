import Foundation
public import SlipwayCore

extension EnvironmentHome {
    private static let endpointsBytesMax = 64 << 10

    /// Tells the command line where the engines listen. For whoever holds the lock.
    public func publish(_ endpoints: Endpoints) throws(PlatformError) {
        try AtomicFile(endpointsFile, isPrivate: true)
            .write(try JSONValue(encoding: endpoints).prettyText + "\n")
    }

    /// At a clean stop.
    public func removeEndpoints() throws(PlatformError) {
        try AtomicFile(endpointsFile).remove()
    }

    /// Where the engines of the running platform listen.
    ///
    /// - Throws: `unavailable` when no platform runs here: there is no file, or whoever wrote it is dead.
    public func endpoints() throws(PlatformError) -> Endpoints {
        guard let bytes = try AtomicFile(endpointsFile).contents(bytesMax: Self.endpointsBytesMax) else { throw notRunning }
        let endpoints: Endpoints
        do {
            endpoints = try JSONValue(parsing: bytes).decoded(as: Endpoints.self)
        } catch {
            throw PlatformError(.corrupt, "'endpoints.json' of environment '\(environment)' cannot be read", remedy: "start the platform again", cause: error)
        }
        // EPERM: it lives, and is somebody else's.
        guard endpoints.pid > 0, kill(endpoints.pid, 0) == 0 || errno == EPERM else { throw notRunning }
        return endpoints
    }

    private var notRunning: PlatformError {
        PlatformError(
            .unavailable,
            "environment '\(environment)' is not up",
            remedy: "slipway up --env \(environment)"
        )
    }
}
