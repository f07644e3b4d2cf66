import Atomics

/// Counters of one version, in Triton's sense. Relaxed: each is right, a set of them is not one moment's.
final class VersionCounters: Sendable {
    let successes = ManagedAtomic<Int>(0)
    let clientFailures = ManagedAtomic<Int>(0)
    let modelFailures = ManagedAtomic<Int>(0)
    /// Rows of answered requests: Triton's inference count.
    let rows = ManagedAtomic<Int>(0)
    /// Runs of the model: fewer than requests where they are gathered.
    let executions = ManagedAtomic<Int>(0)
    let successNanoseconds = ManagedAtomic<Int>(0)
    let failureNanoseconds = ManagedAtomic<Int>(0)
    let queueNanoseconds = ManagedAtomic<Int>(0)
    /// Gathering the inputs of several requests; 0 where each runs alone, as its tensor is used in place.
    let inputNanoseconds = ManagedAtomic<Int>(0)
    let computeNanoseconds = ManagedAtomic<Int>(0)
    /// Giving each request its part of the outputs.
    let outputNanoseconds = ManagedAtomic<Int>(0)
    let lastInferenceMilliseconds = ManagedAtomic<Int64>(0)
    let batches = BatchCounters()
    /// Of answered requests.
    let latency = LatencyBuckets()

    var failures: Int { clientFailures.load(ordering: .relaxed) + modelFailures.load(ordering: .relaxed) }

    /// Counts one run of the model over `rows` rows, however many requests it answered.
    @inline(__always)
    func ran(rows: Int, inputNanoseconds: Int = 0, computeNanoseconds: Int, outputNanoseconds: Int = 0) {
        executions.wrappingIncrement(ordering: .relaxed)
        batches.ran(rows: rows, input: inputNanoseconds, compute: computeNanoseconds, output: outputNanoseconds)
    }

    /// Counts one answered request.
    ///
    /// - Parameters:
    ///   - inputNanoseconds: And the two after it: of the run that answered it, shared with its company.
    ///   - now: Milliseconds since 1970.
    @inline(__always)
    func answered(
        rows: Int,
        queueNanoseconds: Int,
        inputNanoseconds: Int = 0,
        computeNanoseconds: Int,
        outputNanoseconds: Int = 0,
        now: Int64
    ) {
        successes.wrappingIncrement(ordering: .relaxed)
        self.rows.wrappingIncrement(by: rows, ordering: .relaxed)
        self.queueNanoseconds.wrappingIncrement(by: queueNanoseconds, ordering: .relaxed)
        if inputNanoseconds > 0 { self.inputNanoseconds.wrappingIncrement(by: inputNanoseconds, ordering: .relaxed) }
        self.computeNanoseconds.wrappingIncrement(by: computeNanoseconds, ordering: .relaxed)
        if outputNanoseconds > 0 { self.outputNanoseconds.wrappingIncrement(by: outputNanoseconds, ordering: .relaxed) }
        let whole = queueNanoseconds + inputNanoseconds + computeNanoseconds + outputNanoseconds
        successNanoseconds.wrappingIncrement(by: whole, ordering: .relaxed)
        latency.saw(nanoseconds: whole)
        lastInferenceMilliseconds.store(now, ordering: .relaxed)
    }
}

/// Runs by batch size: the small sizes each for themselves, the rest by powers of two.
///
/// A fixed number of counters, so that a client cannot grow them with odd sizes.
final class BatchCounters: Sendable {
    /// Up to here every size has its own counters.
    static let exactMax = 64
    private static let places = exactMax + 32

    private struct Cell: Sendable {
        let count = ManagedAtomic<Int>(0)
        let input = ManagedAtomic<Int>(0)
        let compute = ManagedAtomic<Int>(0)
        let output = ManagedAtomic<Int>(0)
    }

    /// Made by the first run of a size: a version that nobody asks costs nothing.
    private final class Page: AtomicReference, Sendable {
        let cell = Cell()
    }

    private let pages: [ManagedAtomicLazyReference<Page>]

    init() {
        pages = (0..<Self.places).map { _ in ManagedAtomicLazyReference<Page>() }
    }

    /// The counter's place, and the size that it stands for: above ``exactMax`` the power of two not above it.
    private static func place(of rows: Int) -> Int {
        guard rows > exactMax else { return max(rows, 1) - 1 }
        return min(exactMax + (Int.bitWidth - 1 - rows.leadingZeroBitCount) - 6, places - 1)
    }

    private static func rows(at place: Int) -> Int {
        place < exactMax ? place + 1 : 1 << (place - exactMax + 6)
    }

    @inline(__always)
    func ran(rows: Int, input: Int, compute: Int, output: Int) {
        let page = pages[Self.place(of: rows)]
        let cell = (page.load() ?? page.storeIfNilThenLoad(Page())).cell
        cell.count.wrappingIncrement(ordering: .relaxed)
        cell.compute.wrappingIncrement(by: compute, ordering: .relaxed)
        if input > 0 { cell.input.wrappingIncrement(by: input, ordering: .relaxed) }
        if output > 0 { cell.output.wrappingIncrement(by: output, ordering: .relaxed) }
    }

    func snapshot() -> [VersionStatistics.Batch] {
        pages.enumerated().compactMap { place, page in
            guard let cell = page.load()?.cell else { return nil }
            let count = cell.count.load(ordering: .relaxed)
            func duration(_ value: ManagedAtomic<Int>) -> VersionStatistics.Duration {
                VersionStatistics.Duration(count: count, nanoseconds: value.load(ordering: .relaxed))
            }
            return VersionStatistics.Batch(
                rows: Self.rows(at: place),
                computeInput: duration(cell.input),
                computeInfer: duration(cell.compute),
                computeOutput: duration(cell.output)
            )
        }
    }
}
