import Foundation
import SlipwayCore
import SlipwayGit

/// The root folder that all environments of one machine share.
struct PlatformHome {
    let root: URL

    /// The release repository: `SLIPWAY_REPOSITORY` (a URL or a path), else the bare one in the root.
    func repository() async throws -> GitReleaseRepository {
        if let url = ProcessInfo.processInfo.environment["SLIPWAY_REPOSITORY"], !url.isEmpty {
            return try await repository(url: url)
        }
        return try await GitReleaseRepository.openOrCreate(path: root.appending(path: "release.git"))
    }

    func repository(url: String?, branch: String = "main") async throws -> GitReleaseRepository {
        guard let url else { return try await repository() }
        // Two repositories must never share a mirror.
        let mirror = root.appending(path: "mirrors/\(Digest(of: url.utf8).hex.prefix(16)).git")
        return try await GitReleaseRepository.open(url: url, mirror: mirror, branch: branch)
    }
}
