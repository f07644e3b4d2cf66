import SlipwayTesting

/// Injures inputs, the same way for the same seed.
struct Mutation {
    private var random: SeededGenerator
    private let words: [[UInt8]]
    private let inputs: [[UInt8]]

    private static let injuriesMax = 5
    private static let pieceBytesMax = 16

    init(seed: UInt64, words: [[UInt8]], inputs: [[UInt8]]) {
        random = SeededGenerator(seed: seed)
        self.words = words.isEmpty ? [[0]] : words
        self.inputs = inputs.isEmpty ? [[]] : inputs
    }

    mutating func next() -> [UInt8] {
        var input = one(of: inputs)
        for _ in 0..<Int.random(in: 1...Self.injuriesMax, using: &random) {
            let place = Int.random(in: 0...input.count, using: &random)
            let end = min(input.count, place + Int.random(in: 1...Self.pieceBytesMax, using: &random))
            switch Int.random(in: 0..<7, using: &random) {
            case 0 where place < input.count: input[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 1 where place < input.count: input[place] = UInt8.random(in: .min ... .max, using: &random)
            case 2: input.removeSubrange(place..<end)
            case 3: input.insert(contentsOf: input[place..<end], at: place)
            case 4:
                // The rest of another input.
                let other = one(of: inputs)
                input.replaceSubrange(place..., with: other.suffix(Int.random(in: 0...other.count, using: &random)))
            case 5: input.replaceSubrange(place..<end, with: one(of: words))
            default: input.insert(contentsOf: one(of: words), at: place)
            }
        }
        return Array(input.prefix(FuzzTarget.inputBytesMax))
    }

    private mutating func one(of items: [[UInt8]]) -> [UInt8] {
        items[Int.random(in: 0..<items.count, using: &random)]
    }
}
