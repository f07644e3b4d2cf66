import ArgumentParser
import Foundation
import SlipwayCore
import SlipwayInference
import SlipwayONNXRuntime
import SlipwayPipeline

struct ModelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "model",
        abstract: "Look into a model file.",
        subcommands: [ModelProbeCommand.self]
    )
}

struct ModelProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Load an ONNX file in this process alone and say what it takes and gives.",
        discussion: "The step 'ready' runs this, so that a file that breaks the runtime breaks nothing else."
    )

    @Argument(help: "The ONNX file.")
    var file: String

    @Option(name: .long, help: "text for people, json for programs.")
    var output: OutputFormat = .text

    func run() throws {
        let session = try Runtime.onnx().open(file: URL(filePath: file).path)
        let report = ModelProbeReport(
            inputs: session.signature.inputs.map(Self.text),
            outputs: session.signature.outputs.map(Self.text)
        )
        if output == .json { return Talk.data(try JSONValue(encoding: report).canonicalText) }
        for input in report.inputs { Talk.data("input   \(input)") }
        for result in report.outputs { Talk.data("output  \(result)") }
    }

    private static func text(_ spec: TensorSpec) -> String {
        "\(spec.name) \(spec.type.rawValue)[\(spec.shape.map { "\($0)" }.joined(separator: ","))]"
    }
}

/// The one model runtime of this build.
enum Runtime {
    static func onnx() -> ONNXRuntime {
        ONNXRuntime(libraryPath: libraryPath)
    }

    static var libraryPath: String? { ONNXRuntime.locateLibrary(folders: folders) }

    /// Where a virtual environment may be: here, and above the program (`.build/release/slipway`).
    private static var folders: [URL] {
        var folders = [URL(filePath: FileManager.default.currentDirectoryPath, directoryHint: .isDirectory)]
        var place = Self.executable.deletingLastPathComponent()
        for _ in 0..<4 where place.path != "/" {
            folders.append(place)
            place = place.deletingLastPathComponent()
        }
        return folders
    }

    /// This program.
    static var executable: URL {
        URL(filePath: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0])
    }
}
