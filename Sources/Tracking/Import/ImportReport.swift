public import SlipwayCore

/// What an import did, thing by thing.
public struct ImportReport: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, CaseIterable, Codable {
        case experiments
        case runs
        case loggedModels
        case models
        case versions
        case aliases
        case files
        case prompts
    }

    public struct Count: Sendable, Hashable, Codable {
        /// New here.
        public var copied = 0
        /// Here before, and changed at the source since.
        public var updated = 0
        /// Here before, and the same.
        public var unchanged = 0
        /// Not here, or not as at the source; why is in the notes.
        public var skipped = 0

        public init() {}
    }

    /// Why something was left out, or is here in another way.
    public struct Note: Sendable, Hashable, Codable {
        public enum Level: String, Sendable, Hashable, Codable {
            /// Nothing is missing: an experiment has another id here, for example.
            case remark
            /// It is never copied.
            case omission
            /// It could be here, and is not.
            case problem
        }

        public let level: Level
        /// `run '3f…'`
        public let what: String
        public let why: String

        public init(_ level: Level, _ what: String, _ why: String) {
            self.level = level
            self.what = what
            self.why = why
        }
    }

    public let source: String
    public internal(set) var sourceVersion: String?
    public internal(set) var counts: [String: Count] = [:]
    /// Bytes of the files that were copied.
    public internal(set) var bytes: Int64 = 0
    public internal(set) var notes: [Note] = []
    /// How many more notes there are than are kept.
    public internal(set) var notesLeftOut = 0
    /// How many things could be here and are not.
    public internal(set) var problems = 0
    /// How many of those because their bytes were not the ones announced.
    public internal(set) var corrupt = 0

    private static let notesMax = 1_000

    init(source: String) {
        self.source = source
    }

    public func count(_ kind: Kind) -> Count { counts[kind.rawValue] ?? Count() }

    /// - Throws: `corrupt` or `failed_precondition` when something could be here and is not.
    public func check() throws(PlatformError) {
        guard problems > 0 else { return }
        throw PlatformError(
            corrupt > 0 ? .corrupt : .failedPrecondition,
            problems == 1 ? "one thing was not copied" : "\(problems) things were not copied",
            remedy: "see the reasons above; then run the same command again, which copies what is missing"
        )
    }

    mutating func change(_ kind: Kind, _ body: (inout Count) -> Void) {
        body(&counts[kind.rawValue, default: Count()])
    }

    mutating func add(_ note: Note) {
        if note.level == .problem { problems += 1 }
        // The table at the end would otherwise grow with the source.
        guard notes.count < Self.notesMax else {
            notesLeftOut += 1
            return
        }
        notes.append(note)
    }
}
