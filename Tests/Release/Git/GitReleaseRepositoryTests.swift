import Foundation
import SlipwayCore
import SlipwayGit
import SlipwayRelease
import SlipwayTesting
import Testing

@Suite("Git release repository")
struct GitReleaseRepositoryTests {
    enum Access: CaseIterable {
        case inPlace
        case mirrored
    }

    private let path = "envs/dev/models/tumor.yaml"

    private func withRepository(_ access: Access, _ body: (GitReleaseRepository, URL) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            let bare = folder.appending(path: "release.git")
            let inPlace = try await GitReleaseRepository.openOrCreate(path: bare)
            switch access {
            case .inPlace: try await body(inPlace, folder)
            case .mirrored:
                let mirror = try await GitReleaseRepository.open(url: bare.path, mirror: folder.appending(path: "mirror.git"))
                try await body(mirror, folder)
            }
        }
    }

    @Test("What was committed is read back at that commit, and deletions too", arguments: Access.allCases)
    func roundTrip(access: Access) async throws {
        let dev = try EnvironmentName("dev")
        try await withRepository(access) { repository, _ in
            let first = try await repository.head()
            let second = try await repository.commit([path: "one\n", "envs/prod/models/tumor.yaml": "other\n"], on: first, message: "Attach\n\nSlipway-Run: r1")
            #expect(try await repository.head() == second)
            #expect(try await repository.releaseFiles(of: dev, at: second) == [path: "one\n"])
            #expect(try await repository.releaseFiles(of: dev, at: first) == [:])
            #expect(try await repository.file(path, at: first) == nil)
            let third = try await repository.commit([path: nil], on: second, message: "Remove")
            #expect(try await repository.file(path, at: third) == nil)
            #expect(try await repository.file(path, at: second) == "one\n")
            let history = try await repository.history(of: path, limit: 10)
            #expect(history.map(\.message) == ["Remove", "Attach\n\nSlipway-Run: r1"])
            #expect(history.map(\.id) == [third, second])
        }
    }

    @Test("A commit on a head that has moved is refused and changes nothing", arguments: Access.allCases)
    func lostRace(access: Access) async throws {
        try await withRepository(access) { repository, _ in
            let first = try await repository.head()
            let second = try await repository.commit([path: "one\n"], on: first, message: "One")
            let error = await #expect(throws: PlatformError.self) {
                try await repository.commit([path: "two\n"], on: first, message: "Two")
            }
            #expect(error?.code == .failedPrecondition)
            #expect(try await repository.head() == second)
        }
    }

    @Test("Of many commits at once on one head, exactly one wins")
    func concurrent() async throws {
        try await withRepository(.inPlace) { _, folder in
            let bare = folder.appending(path: "release.git")
            let head = try await GitReleaseRepository.openOrCreate(path: bare).head()
            let path = path
            let wins = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<6 {
                    group.addTask {
                        guard let repository = try? await GitReleaseRepository.openOrCreate(path: bare) else { return false }
                        return (try? await repository.commit([path: "\(index)\n"], on: head, message: "\(index)")) != nil
                    }
                }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(wins == 1)
        }
    }

    @Test("A repository that cannot be reached is unavailable, and no credential is shown")
    func unreachable() async throws {
        try await withScratchFolder { folder in
            let repository = try await GitReleaseRepository.open(
                url: "http://user:secret@127.0.0.1:1/none.git",
                mirror: folder.appending(path: "mirror.git")
            )
            #expect(repository.address == "http://127.0.0.1:1/none.git")
            let error = await #expect(throws: PlatformError.self) { try await repository.head() }
            #expect(error?.code == .unavailable)
            #expect(error?.message.contains("secret") == false)
        }
    }
}
