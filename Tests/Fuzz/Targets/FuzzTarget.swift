import SlipwayCore

/// A parser of outside bytes, and what must hold whatever they are.
struct FuzzTarget: Sendable {
    enum Verdict: Sendable {
        case accepted
        case refused
    }

    let name: String
    /// Inputs that reach the parser's branches; what a run has found beside them is in `corpus`.
    let seeds: [String]
    /// Texts that the parser knows, for mutations.
    var words: [String] = []
    /// - Throws: ``BrokenRule`` when something that must hold does not.
    let check: @Sendable (_ input: [UInt8]) throws -> Verdict

    /// The longest input that is tried.
    static let inputBytesMax = 4096
    /// An input that takes longer is a defect. Very generous: it waits with all other tests for the machine's few cores.
    /// libFuzzer, which is alone, waits for 10 s.
    static let inputSecondsMax = 120
}

/// Something that must hold for every input did not hold for one.
struct BrokenRule: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension FuzzTarget {
    /// What the parser made of the input: a refusal must be ours and have one of these codes.
    static func verdict(_ codes: Set<PlatformError.Code> = [.invalidArgument], _ body: () throws -> Void) throws -> Verdict {
        do {
            try body()
            return .accepted
        } catch let error as PlatformError {
            guard codes.contains(error.code) else { throw BrokenRule("refused with the code '\(error.code.rawValue)': \(error)") }
            guard !error.message.isEmpty else { throw BrokenRule("refused without a word") }
            return .refused
        }
    }

    static func expect(_ holds: Bool, _ rule: @autoclosure () -> String) throws {
        guard holds else { throw BrokenRule(rule()) }
    }

    /// Runs what follows an accepted input: here, a refusal breaks the rule too.
    static func mustHold<Result>(_ rule: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as BrokenRule {
            throw error
        } catch {
            throw BrokenRule("\(rule): \(error)")
        }
    }
}
