import Foundation
import SlipwayCore
import SlipwayPipeline
import SlipwayTesting
import Testing

@testable import shakedown

@Suite("The platform's log", .serialized)
struct LogProcessTests {
    private let graph = packageRoot.appending(path: "Tests/Inference/Models/affine.onnx").path

    @Test("A run is told in JSON lines that carry run, model, version and release: one a step, one at the end")
    func run() async throws {
        try await withScratchFolder { folder in
            try await withChildren { try self.check(folder) }
        }
    }

    private func check(_ folder: URL) throws {
        let platform = try PlatformUnderTest.start(home: folder, log: folder.appending(path: "up.log"))
        let record = try platform.run("Benchmarks/soak", ["graph=\(graph)", "factor=2"], isShown: false)
        #expect(record.state == .succeeded, "\(record.summary)")
        #expect(try platform.up.stop() == 0)
        let lines = platform.up.text.split(separator: "\n").compactMap { try? JSONValue(parsing: String($0)) }
        let own = lines.filter { $0[LogKey.runID.rawValue]?.stringValue == record.id.text }
        let passed = Set(record.steps.filter { $0.state == .passed }.map(\.name.rawValue))
        let named = Set(own.compactMap { $0[LogKey.stepName.rawValue]?.stringValue })
        #expect(named.isSuperset(of: passed), "\(own)")
        #expect(own.allSatisfy { $0[LogKey.modelName.rawValue] == "soak" && $0["level"] != nil && $0["time"] != nil })
        let end = try #require(own.last { $0["message"]?.stringValue?.hasPrefix("run succeeded") == true })
        #expect(end[LogKey.modelVersion.rawValue] == "1")
        #expect(end[LogKey.releaseCommit.rawValue]?.stringValue?.count == 40)
    }
}
