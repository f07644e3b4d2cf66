import SlipwayInference
import Testing

@Suite("Tensor writer")
struct TensorWriterTests {
    @Test("Elements are nested by the shape, and the space that was asked for is enough", arguments: [
        ([2, 1], #"[["a"],["b"]]"#), ([2], #"["a","b"]"#), ([1, 1, 2], #"[[["a","b"]]]"#), ([0], "[]"), ([3, 0], "[[],[],[]]"), ([0, 3], "[]"),
        ([2, 0, 5], "[[],[]]"),
    ])
    func nested(shape: [Int], text: String) {
        #expect(written(shape) == text)
    }

    @Test("A few bytes of a request that ask for millions of empty lists get one")
    func emptyLists() {
        #expect(written([64 << 20, 0]) == "[]")
        #expect(written([1 << 10, 1 << 10, 0]) == "[]")
    }

    private func written(_ shape: [Int]) -> String {
        let items: [[UInt8]] = [[0x61], [0x62]]
        let count = shape.reduce(1, *)
        let tensor = Tensor(name: "y", type: .bytes, shape: shape, storage: .strings(Array(items.prefix(count))))
        let space = UnsafeMutableRawBufferPointer.allocate(byteCount: TensorWriter.bytesMax(of: tensor), alignment: 1)
        defer { space.deallocate() }
        let bytes = TensorWriter.write(tensor, into: space)
        return String(decoding: space[..<bytes], as: UTF8.self)
    }
}
