import Logging
import SlipwayCore
import SlipwayRelease

extension Reconciler {
    /// Takes up `envs/<env>/platform.yaml` of a commit, once for each head.
    ///
    /// - Throws: What is wrong with the file, at every pass until it is right.
    func acceptPlatformFile(at head: CommitID) async throws {
        guard let state = ports.platform else { return }
        guard platformHead != head else {
            if let platformRefusal { throw platformRefusal }
            return
        }
        let text = try await ports.repository.file(PlatformFile.path(in: environment), at: head)
        do {
            let file = try text.map { try PlatformFile.parse($0, environment: environment) } ?? PlatformFile()
            if try state.load() != file { try state.save(file) }
            platformRefusal = nil
        } catch let error as PlatformError where error.code == .invalidArgument {
            logger.warning("platform file refused", metadata: ["reason": .string(error.message)])
            platformRefusal = error
        }
        platformHead = head
        if let platformRefusal { throw platformRefusal }
    }
}
