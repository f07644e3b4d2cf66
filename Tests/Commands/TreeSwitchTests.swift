import Foundation
import SlipwayApps
import SlipwayCore
import SlipwayProcesses
import SlipwayProof
import SlipwayTesting
import Testing

@testable import SlipwayCommands

@Suite("Optional's switch in a Git work tree")
struct TreeSwitchTests {
    private static let parts = ["apps", "baseline", "bootstrap", "charts", "envs", "optional"]

    @Test("On and off are a commit each, of one file; off again is byte for byte what it was")
    func onAndOff() async throws {
        try await withTree { tree in
            let dev = try EnvironmentName("dev")
            let begin = try await tree.commit()
            let first = try #require(begin)
            let on = try await TreeSwitch(tree: tree, environment: dev).set(true)
            let attached = try tree.attached()
            #expect(attached == [dev])
            #expect(on != nil && on != first)
            let paths = try await changed(tree, first, "HEAD")
            #expect(paths == "envs/dev/optional.yaml\n")
            let repeated = try await TreeSwitch(tree: tree, environment: dev).set(true)
            #expect(repeated == nil)
            _ = try await TreeSwitch(tree: tree, environment: dev).set(false)
            let pathsAfter = try await changed(tree, first, "HEAD")
            #expect(pathsAfter == "")
            let attachedAfter = try tree.attached()
            #expect(attachedAfter.isEmpty)
        }
    }

    @Test("A tree with changes that are not committed is refused, and stays as it is", arguments: ["envs/dev/values/gateway.yaml", "unknown.txt"])
    func dirty(path: String) async throws {
        try await withTree { tree in
            let first = try await tree.commit()
            try Data("environment: dev\nmore: true\n".utf8).write(to: tree.folder.appending(path: path))
            let error = try await #require(throws: PlatformError.self) { try await TreeSwitch(tree: tree, environment: try EnvironmentName("dev")).set(true) }
            #expect(error.code == .failedPrecondition)
            #expect(error.message.contains("'\(path)'"))
            let head = try await tree.commit()
            #expect(head == first)
            let attached = try tree.attached()
            #expect(attached.isEmpty)
        }
    }

    @Test("When something of Core would change with it, nothing is committed and nothing is left behind")
    func touchesCore() async throws {
        try await withTree { tree in
            let values = tree.folder.appending(path: "envs/dev/values/gateway.yaml")
            try FileManager.default.removeItem(at: values)
            try FileManager.default.createSymbolicLink(atPath: values.path, withDestinationPath: "../optional.yaml")
            try await commitAll(tree)
            let first = try await tree.commit()
            let error = try await #require(throws: PlatformError.self) { try await TreeSwitch(tree: tree, environment: try EnvironmentName("dev")).set(true) }
            #expect(error.message.contains("Core or Baseline"))
            let head = try await tree.commit()
            #expect(head == first)
            let changes = try await tree.changes()
            #expect(changes.isEmpty)
            let attached = try tree.attached()
            #expect(attached.isEmpty)
        }
    }

    @Test("An environment that the catalogue does not name, and a folder without Git, are refused")
    func refusals() async throws {
        try await withTree { tree in
            await #expect(throws: PlatformError.self) { try await TreeSwitch(tree: tree, environment: try EnvironmentName("stage")).set(true) }
            try FileManager.default.removeItem(at: tree.folder.appending(path: ".git"))
            await #expect(throws: PlatformError.self) { try await TreeSwitch(tree: tree, environment: try EnvironmentName("dev")).set(true) }
        }
    }

    private func changed(_ tree: GitOpsTree, _ from: String, _ to: String) async throws -> String {
        try await tree.git(["diff", "--name-only", from, to]).text
    }

    private func commitAll(_ tree: GitOpsTree) async throws {
        _ = try await tree.git(["add", "--all"])
        let made = try await tree.git(["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "--quiet", "--message", "x"])
        #expect(made.status == 0, "\(made.messages)")
    }

    /// A copy of this repository's GitOps half, with one commit and Optional detached.
    private func withTree(_ body: @escaping @Sendable (GitOpsTree) async throws -> Void) async throws {
        try await withScratchFolder { folder in
            for part in Self.parts {
                try FileManager.default.copyItem(at: packageRoot.appending(path: part), to: folder.appending(path: part))
            }
            let tree = try GitOpsTree.find(folder.path)
            for environment in try tree.catalogue().environments {
                let path = OptionalSwitch.path(in: environment)
                let text = try OptionalSwitch.setting(false, in: try tree.text(path), environment: environment)
                try Data(text.utf8).write(to: folder.appending(path: path))
            }
            let made = try await tree.git(["init", "--quiet", "--initial-branch=main"])
            #expect(made.status == 0, "\(made.messages)")
            try await commitAll(tree)
            try await body(tree)
        }
    }
}

@Suite("A capture as files")
struct CaptureFolderTests {
    @Test("The proofs in the repository hold, with verdict pass")
    func committed() throws {
        let latest = packageRoot.appending(path: "docs/proof/latest")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: latest.path)) ?? []
        for name in names where !name.hasPrefix(".") {
            let capture = try CaptureFolder(latest.appending(path: name)).verify(key: nil)
            #expect(capture.kind.rawValue == name)
            #expect(capture.verdict == .pass, "\(name): \(capture.checks)")
        }
    }

    @Test("One flipped byte in any file of a capture is found; so is another key")
    func flipped() async throws {
        try await withScratchFolder { folder in
            let capture = Capture(kind: .coreOnly, facts: ["shape": "machine", "engines": ["mlflow": 500]])
            let place = folder.appending(path: "core_only")
            let key = SigningKey()
            let dev = try EnvironmentName("dev")
            try await CaptureFolder(place).write(capture, environment: dev, commit: nil, key: key)
            let read = try CaptureFolder(place).verify(key: key.verifyingKey)
            #expect(read == capture)
            #expect(read.verdict == .fail)
            #expect(throws: PlatformError.self) { try CaptureFolder(place).verify(key: SigningKey().verifyingKey) }
            for name in ["facts.json", "0000000001.json"] {
                let file = place.appending(path: name)
                let whole = try Data(contentsOf: file)
                for index in stride(from: 0, to: whole.count, by: 37) {
                    var bytes = whole
                    bytes[index] ^= 1
                    try bytes.write(to: file)
                    #expect(throws: PlatformError.self, "\(name) at \(index)") { try CaptureFolder(place).verify(key: nil) }
                }
                try whole.write(to: file)
            }
            try await CaptureFolder(place).write(capture, environment: dev, commit: nil, key: key)
            try Data().write(to: place.appending(path: "notes.txt"))
            await #expect(throws: PlatformError.self) { try await CaptureFolder(place).write(capture, environment: dev, commit: nil, key: key) }
        }
    }
}
