import Foundation
import SlipwayTesting

/// The inputs that are kept: one file a target, one input a line, readable, so that a change can be reviewed.
///
/// Printable ASCII stands for itself; `\n`, `\r`, `\t`, `\\` and `\xHH` for the rest.
enum Corpus {
    /// The corpus stays small enough to run with every test.
    static let linesMax = 400
    /// Of one target's file, as `slipway-fuzz pack` writes it.
    static let bytesMax = 8 << 10

    static let folder = packageRoot.appending(path: "Tests/Fuzz/corpus")

    static func file(of target: FuzzTarget) -> URL { folder.appending(path: "\(target.name).txt") }

    /// The target's seeds, then what is kept.
    static func inputs(of target: FuzzTarget) throws -> [[UInt8]] {
        let seeds = target.seeds.map { Array($0.utf8) }
        guard FileManager.default.fileExists(atPath: file(of: target).path) else { return seeds }
        let text = try String(contentsOf: file(of: target), encoding: .utf8)
        return try seeds + text.split(separator: "\n").map { try read(line: $0) }
    }

    static func read(line: Substring) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = Array(line.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            switch rest.popFirst() {
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "\\"): bytes.append(UInt8(ascii: "\\"))
            case UInt8(ascii: "x"):
                guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                    throw BrokenRule("the corpus has an escape that is none: \(line.prefix(200))")
                }
                rest = rest.dropFirst(2)
                bytes.append(value)
            default: throw BrokenRule("the corpus has an escape that is none: \(line.prefix(200))")
            }
        }
        return bytes
    }

    static func line(_ bytes: [UInt8]) -> String {
        var line = ""
        for byte in bytes {
            switch byte {
            case 0x0A: line += "\\n"
            case 0x0D: line += "\\r"
            case 0x09: line += "\\t"
            case UInt8(ascii: "\\"): line += "\\\\"
            case 0x20..<0x7F: line.unicodeScalars.append(Unicode.Scalar(byte))
            default: line += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return line
    }
}
