import Foundation
import SlipwayCore
import SlipwayInference

/// Triton's classification extension: in place of an output its largest elements, as texts.
///
/// A text is `value:index`, with `:label` behind it where the configuration names a `label_filename`.
struct Classification: Sendable {
    /// Output → the label of each element, in order.
    let labels: [String: [String]]
    /// Whether each row is a classification of its own.
    let isBatching: Bool

    /// - Parameter classes: Output → how many elements are wanted; outputs that are not in it stay as they are.
    func classified(_ outputs: [Tensor], classes: [String: Int]) throws(PlatformError) -> [Tensor] {
        var result: [Tensor] = []
        for output in outputs {
            guard let count = classes[output.name], count > 0 else {
                result.append(output)
                continue
            }
            result.append(try classified(output, count: count))
        }
        return result
    }

    private func classified(_ output: Tensor, count: Int) throws(PlatformError) -> Tensor {
        let rows = isBatching ? output.shape.first ?? 1 : 1
        let elements = isBatching ? output.shape.dropFirst().reduce(1, *) : output.elementCount
        let wanted = min(count, elements)
        let values = try values(of: output)
        let labels = labels[output.name] ?? []
        var texts: [[UInt8]] = []
        texts.reserveCapacity(rows * wanted)
        for row in 0..<rows {
            let first = row * elements
            // The lower index first among equals; what is no number last.
            let order = (0..<elements).sorted { left, right in
                let (a, b) = (values.number(first + left), values.number(first + right))
                return a == b || (a.isNaN && b.isNaN) ? left < right : b.isNaN || a > b
            }
            for index in order.prefix(wanted) {
                var text = "\(values.text(first + index)):\(index)"
                if index < labels.count { text += ":\(labels[index])" }
                texts.append(Array(text.utf8))
            }
        }
        return Tensor(name: output.name, type: .bytes, shape: isBatching ? [rows, wanted] : [wanted], storage: .strings(texts))
    }

    private struct Values {
        /// For comparing. Integers of 64 bits that only their last bits tell apart count as equal.
        let number: (Int) -> Double
        let text: (Int) -> String
    }

    private func values(of output: Tensor) throws(PlatformError) -> Values {
        let type = output.type
        guard case .fixed(let storage) = output.storage else { throw unsupported(type) }
        func integers<Element: FixedWidthInteger>(_: Element.Type) -> Values {
            func element(_ index: Int) -> Element { storage.bytes.load(fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self) }
            return Values(number: { Double(element($0)) }, text: { "\(element($0))" })
        }
        func floats<Element: BinaryFloatingPoint>(_: Element.Type) -> Values {
            func element(_ index: Int) -> Double { Double(storage.bytes.load(fromByteOffset: index * MemoryLayout<Element>.size, as: Element.self)) }
            return Values(number: element, text: { String(format: "%f", element($0)) })
        }
        return switch type {
        case .int8: integers(Int8.self)
        case .int16: integers(Int16.self)
        case .int32: integers(Int32.self)
        case .int64: integers(Int64.self)
        case .uint8: integers(UInt8.self)
        case .uint16: integers(UInt16.self)
        case .uint32: integers(UInt32.self)
        case .uint64: integers(UInt64.self)
        case .fp32: floats(Float.self)
        case .fp64: floats(Double.self)
        case .bool, .fp16, .bf16, .bytes: throw unsupported(type)
        }
    }

    private func unsupported(_ type: DataType) -> PlatformError {
        PlatformError(.invalidArgument, "class result not available for output due to unsupported type '\(type.rawValue)'")
    }
}
