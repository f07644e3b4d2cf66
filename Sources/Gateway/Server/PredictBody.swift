import SlipwayCore
import SlipwayInference

/// The parts of a `/predict` body, found without reading its numbers.
///
/// Numbers are read once, by the codec of the Open Inference Protocol: rows are handed to it as the
/// `data` of a tensor, byte for byte.
struct PredictBody {
    enum Content: Equatable {
        /// The body is one of the Open Inference Protocol.
        case tensors
        case instances(InstanceRows)
    }

    var model: String?
    let content: Content

    /// - Parameter wantsModel: Whether `model` must be looked for behind `inputs` too, which means going
    ///   through all of the tensors' text.
    /// - Throws: `invalid_argument` for broken JSON, uneven rows, or neither `instances` nor `inputs`.
    static func read(_ bytes: UnsafeRawBufferPointer, wantsModel: Bool) throws(PlatformError) -> PredictBody {
        var scanner = BodyScanner(bytes: bytes)
        var model: String?
        var content: Content?
        scanner.skipSpace()
        guard scanner.take(UInt8(ascii: "{")) else { throw scanner.mistake("expected an object") }
        scanner.skipSpace()
        if !scanner.take(UInt8(ascii: "}")) {
            while true {
                scanner.skipSpace()
                let key = try scanner.string()
                scanner.skipSpace()
                guard scanner.take(UInt8(ascii: ":")) else { throw scanner.mistake("expected ':'") }
                scanner.skipSpace()
                if key.elementsEqual("inputs".utf8) {
                    guard content == nil else { throw twoContents }
                    content = .tensors
                    guard wantsModel else { return PredictBody(model: model, content: .tensors) }
                    try scanner.skipValue()
                } else if key.elementsEqual("instances".utf8) {
                    guard content == nil else { throw twoContents }
                    content = .instances(try scanner.rows())
                } else if key.elementsEqual("model".utf8) {
                    guard scanner.current == UInt8(ascii: "\"") else {
                        throw PlatformError(.invalidArgument, "'model' must be a text")
                    }
                    model = String(decoding: try scanner.string(), as: UTF8.self)
                } else {
                    try scanner.skipValue()
                }
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: "}")) { break }
                guard scanner.take(UInt8(ascii: ",")) else { throw scanner.mistake("expected ',' or '}'") }
            }
        }
        scanner.skipSpace()
        guard scanner.isAtEnd else { throw scanner.mistake("something follows the object") }
        guard let content else {
            throw PlatformError(
                .invalidArgument,
                "the body has neither 'instances' nor 'inputs'",
                remedy: "send {\"instances\":[[…],…]}, or a body of the Open Inference Protocol"
            )
        }
        return PredictBody(model: model, content: content)
    }

    private static var twoContents: PlatformError {
        PlatformError(.invalidArgument, "the body has more than one of 'instances' and 'inputs'")
    }

    /// Whether the text `"model"` stands anywhere: a cheap no for the many bodies that do not name one.
    static func mayNameModel(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scanner = BodyScanner(bytes: bytes)
        return scanner.find("\"model\"")
    }
}

/// The value of `instances`: where its text is, and how its rows are nested.
struct InstanceRows: Equatable {
    let range: Range<Int>
    let shape: [Int]

    /// Writes the body of the Open Inference Protocol that holds these rows as its only tensor.
    ///
    /// - Parameters:
    ///   - start: ``ServingTarget/instancesStart``.
    ///   - body: What the rows were found in.
    ///   - space: At least ``bytesMax(start:)`` bytes.
    /// - Returns: The bytes written.
    func writeInference(
        start: [UInt8],
        body: UnsafeRawBufferPointer,
        into space: UnsafeMutableRawBufferPointer
    ) -> Int {
        var count = 0
        func put(_ bytes: UnsafeRawBufferPointer) {
            UnsafeMutableRawBufferPointer(rebasing: space[count...]).copyMemory(from: bytes)
            count += bytes.count
        }
        start.withUnsafeBytes { put($0) }
        var dimensions = shape.map { "\($0)" }.joined(separator: ",") + "],\"data\":"
        dimensions.withUTF8 { put(UnsafeRawBufferPointer($0)) }
        put(UnsafeRawBufferPointer(rebasing: body[range]))
        var end = "}]}"
        end.withUTF8 { put(UnsafeRawBufferPointer($0)) }
        return count
    }

    func bytesMax(start: [UInt8]) -> Int { start.count + shape.count * 21 + range.count + 32 }
}
