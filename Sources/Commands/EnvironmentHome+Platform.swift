import Foundation
import SlipwayCore
import SlipwayReconciler
import SlipwayRelease
import SlipwayStorage

extension EnvironmentHome {
    /// The releases accepted last, in `accepted.json`.
    var acceptedState: AcceptedState {
        let file = AtomicFile("\(folder)/accepted.json")
        return AcceptedState(
            load: {
                guard let bytes = try file.contents(bytesMax: Limits.jsonBytesMax) else { return AcceptedReleases() }
                return try JSONValue(parsing: bytes, depthMax: 128).decoded(as: AcceptedReleases.self)
            },
            save: { try file.write(try JSONValue(encoding: $0).prettyText + "\n") }
        )
    }

    /// What `envs/<env>/platform.yaml` said last, in `platform.json`.
    var platformState: PlatformState {
        let file = AtomicFile("\(folder)/platform.json")
        return PlatformState(
            load: {
                guard let bytes = try file.contents(bytesMax: Limits.jsonBytesMax) else { return PlatformFile() }
                return try JSONValue(parsing: bytes).decoded(as: PlatformFile.self)
            },
            save: { try file.write(try JSONValue(encoding: $0).prettyText + "\n") }
        )
    }
}

extension Endpoints {
    /// The engines and their addresses, in the order in which people look for them.
    var table: [(String, String)] {
        [
            ("console", console), ("gateway", gateway), ("gateway gRPC", gatewayGRPC), ("tracking", tracking),
            ("model server", modelServer), ("model gRPC", modelServerGRPC), ("metrics", metrics),
        ]
        .compactMap { name, address in address.map { (name, $0) } }
    }
}
