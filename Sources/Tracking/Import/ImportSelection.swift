/// What of a source is copied.
///
/// Names of one kind leave out all of the other kind that are not named; a chosen model's versions bring the
/// runs and logged models along that they are made of.
public struct ImportSelection: Sendable, Hashable {
    /// All when both are empty.
    public var experiments: Set<String>
    public var models: Set<String>

    public init(experiments: Set<String> = [], models: Set<String> = []) {
        self.experiments = experiments
        self.models = models
    }

    private var isEverything: Bool { experiments.isEmpty && models.isEmpty }

    func includes(experiment name: String) -> Bool { isEverything || experiments.contains(name) }

    func includes(model name: String) -> Bool { isEverything || models.contains(name) }
}

/// What one import may do.
public struct ImportOptions: Sendable, Hashable {
    public var selection: ImportSelection
    /// How many runs and models are read at a time.
    public var concurrency: Int
    /// Reads also files that are here already, and compares.
    public var verifiesAll: Bool

    public static let concurrencyMax = 32

    public init(selection: ImportSelection = ImportSelection(), concurrency: Int = 4, verifiesAll: Bool = false) {
        self.selection = selection
        self.concurrency = concurrency
        self.verifiesAll = verifiesAll
    }
}
