import Foundation
import SlipwayCore
import SlipwayGit
import SlipwayPipeline
import SlipwayRelease
import SlipwayStorage
import SlipwayTesting
import Testing

@testable import shakedown

/// Real Feast and Redis under the built program: `make test-engines`.
@Suite("The feature store as processes", .serialized, .enabled(if: ProcessInfo.processInfo.environment["SLIPWAY_FEAST"] != nil))
struct FeatureStoreProcessTests {
    private static let servingSeconds = 240.0
    private let graph = packageRoot.appending(path: "Tests/Inference/Models/affine.onnx").path

    @Test("Features of the real store are joined, survive detaching and kill -9, and are refused with a reason while it is off")
    func life() async throws {
        try await withScratchFolder { folder in
            let release = try await withChildren { try self.begin(folder) }
            try await self.addFeatures(release, folder)
            try await withChildren { try self.live(folder) }
        }
    }

    /// A model of three numbers in service; answers the text of its release.
    private func begin(_ folder: URL) throws -> String {
        let platform = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "up.log"))
        let record = try platform.run("Benchmarks/soak", ["graph=\(graph)", "factor=2"], isShown: false)
        try require(record.state == .succeeded, record.summary)
        let release = try platform.release(of: "soak").release
        try require(try platform.up.stop() == 0, "'slipway up' did not stop cleanly")
        return ReleaseFile.text(release)
    }

    private func addFeatures(_ text: String, _ folder: URL) async throws {
        let repository = try await GitReleaseRepository.openOrCreate(path: folder.appending(path: "release.git"))
        let features = """
              features:
                service: tumor
                entities: [patient_id]
                columns: [texture, radius, area]
                policy: default
                defaults: { texture: 1, radius: 2, area: 3 }
                timeoutMilliseconds: 2000

            """
        let path = "envs/dev/models/soak.yaml"
        _ = try await repository.commit([path: text + features], on: try await repository.head(), message: "Take features\n")
    }

    private func live(_ folder: URL) throws {
        var platform = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "up2.log"))
        let status = try platform.command(["status"])
        #expect(status.output.contains("takes features of service 'tumor', and Optional is detached"), "\(status.output)")

        #expect(try platform.command(["optional", "on", "--local"]).status == 0)
        var drill = FeatureDrill(platform: platform, tree: packageRoot)
        try drill.awaitServing(seconds: Self.servingSeconds)
        try drill.fill()
        let values = try drill.values()
        var answer = try predict(platform, [1, 3, 99])
        #expect(answer.status == 200, "\(answer.text)")
        #expect(answer.headers["x-slipway-features"] == "missing")
        #expect(answer.headers["x-slipway-features-missing"] == "texture, radius, area")
        answer = try predict(platform, [1, 2])
        #expect(answer.headers["x-slipway-features"] == "fresh")
        let fresh = answer.text

        // Detaching ends the processes; the reason is told; attaching finds everything.
        #expect(try platform.command(["optional", "off", "--local"]).status == 0)
        try drill.awaitDetached(seconds: Self.servingSeconds)
        answer = try predict(platform, [1])
        #expect(answer.status == 503)
        #expect(answer.text.contains("Optional is detached in 'dev'") && answer.text.contains("slipway optional on"), "\(answer.text)")
        #expect(try platform.command(["optional", "on", "--local"]).status == 0)
        try drill.awaitServing(seconds: Self.servingSeconds)
        #expect(try drill.values() == values)

        // Killed, its children live on for a moment: the next start ends them, and loses nothing.
        platform.up.kill()
        _ = try platform.up.wait(seconds: 10)
        platform = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "up3.log"))
        drill = FeatureDrill(platform: platform, tree: packageRoot)
        try drill.awaitServing(seconds: Self.servingSeconds)
        #expect(try drill.values() == values)
        #expect(try predict(platform, [1, 2]).text == fresh)
        #expect(try platform.up.stop() == 0)
    }

    private func predict(_ platform: PlatformUnderTest, _ patients: [Int]) throws -> (status: Int, headers: [String: String], text: String) {
        let body: JSONValue = ["entities": ["patient_id": .array(patients.map { .int(Int64($0)) })]]
        let deadline = Date().addingTimeInterval(60)
        while true {
            let socket = try HTTPSocket(url: platform.endpoints.gateway ?? "")
            let answer = try socket.post("/models/soak/predict", headers: [:], body: body.canonicalBytes)
            let text = String(decoding: answer.body, as: UTF8.self)
            // Routes follow Git within seconds of a start.
            if answer.status != 404, !text.contains("no model is released"), !text.contains("names no 'entities'"), !text.contains("neither 'instances'") {
                return (answer.status, answer.headers, text)
            }
            try require(Date() < deadline, "the model has no routes: \(text)")
            Thread.sleep(forTimeInterval: 0.1)
        }
    }
}
