import Foundation

/// libFuzzer's loop. It comes with the compiler and is linked by `ops/fuzz.sh` alone.
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
    _ one: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// `slipway-fuzz list`; `slipway-fuzz unpack|pack TARGET FOLDER`; `slipway-fuzz add TARGET FILE`; `slipway-fuzz TARGET [libFuzzer's own arguments]`.
@main
struct Fuzz {
    /// What libFuzzer's callback, which takes no context, looks at. Set once, before its loop begins.
    nonisolated(unsafe) private static var target: FuzzTarget?

    /// How the processes that libFuzzer starts for a merge, with its own arguments only, know the target.
    private static let variable = "FUZZ_TARGET"

    static func main() throws {
        if let name = ProcessInfo.processInfo.environment[variable] { try loop(try named(name), count: CommandLine.argc, CommandLine.unsafeArgv) }
        let arguments = CommandLine.arguments
        switch arguments.dropFirst().first {
        case nil, "list"?: FuzzTarget.all.forEach { print($0.name) }
        case "unpack"? where arguments.count == 4: try unpack(try named(arguments[2]), URL(filePath: arguments[3]))
        case "pack"? where arguments.count == 4: try pack(try named(arguments[2]), URL(filePath: arguments[3]))
        case "add"? where arguments.count == 4: try add(URL(filePath: arguments[3]), to: try named(arguments[2]))
        case let name?:
            let target = try named(name)
            setenv(variable, name, 1)
            // Without the target's name, but with the program's, which libFuzzer starts again.
            CommandLine.unsafeArgv[1] = CommandLine.unsafeArgv[0]
            try loop(target, count: CommandLine.argc - 1, CommandLine.unsafeArgv + 1)
        }
    }

    private static func named(_ name: String) throws -> FuzzTarget {
        guard let target = FuzzTarget.all.first(where: { $0.name == name }) else { throw BrokenRule("there is no target '\(name)'") }
        return target
    }

    private static func loop(
        _ target: FuzzTarget,
        count: CInt,
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) throws {
        self.target = target
        var count = count
        var arguments = arguments
        exit(
            runDriver(&count, &arguments) { start, count in
                do {
                    _ = try Fuzz.target?.check(Array(UnsafeBufferPointer(start: start, count: count)))
                } catch {
                    FileHandle.standardError.write(Data("broken rule: \(error)\n".utf8))
                    // libFuzzer writes the input into a file at any signal like this one.
                    abort()
                }
                return 0
            }
        )
    }

    /// Every kept input as a file of its own, as libFuzzer wants them; and the words, as its dictionary.
    private static func unpack(_ target: FuzzTarget, _ folder: URL) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (number, input) in try Corpus.inputs(of: target).enumerated() {
            try Data(input).write(to: folder.appending(path: "kept-\(number)"))
        }
        let words = target.words.map { word in "\"" + word.utf8.map { "\\x" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() + "\"" }
        try Data(words.joined(separator: "\n").utf8).write(to: folder.appendingPathExtension("dict"))
    }

    /// Keeps one more input.
    private static func add(_ file: URL, to target: FuzzTarget) throws {
        let bytes = [UInt8](try Data(contentsOf: file))
        guard try !bytes.isEmpty && !Corpus.inputs(of: target).contains(bytes) else { return }
        let kept = (try? String(contentsOf: Corpus.file(of: target), encoding: .utf8)) ?? ""
        try Data((kept + Corpus.line(bytes) + "\n").utf8).write(to: Corpus.file(of: target))
    }

    /// Keeps what a folder holds instead of what was kept; the seeds are in the code already.
    private static func pack(_ target: FuzzTarget, _ folder: URL) throws {
        let seeds = Set(target.seeds.map { Array($0.utf8) })
        var lines: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            let bytes = [UInt8](try Data(contentsOf: file))
            guard !bytes.isEmpty, bytes.count <= FuzzTarget.inputBytesMax, !seeds.contains(bytes) else { continue }
            lines.insert(Corpus.line(bytes))
        }
        // Evenly of short and long ones, as many as there is room for.
        let all = lines.sorted { ($0.utf8.count, $0) < ($1.utf8.count, $1) }
        var step = 1
        var kept = all
        while kept.count > Corpus.linesMax || kept.reduce(0, { $0 + $1.utf8.count + 1 }) > Corpus.bytesMax {
            step += 1
            kept = stride(from: 0, to: all.count, by: step).map { all[$0] }
            guard step < all.count else { break }
        }
        guard !kept.isEmpty else { return }
        try Data((kept.joined(separator: "\n") + "\n").utf8).write(to: Corpus.file(of: target))
    }
}
