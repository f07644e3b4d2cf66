import SlipwayCore

/// An output, as plain numbers.
public struct SmokeTensor: Sendable, Hashable {
    public enum Elements: Sendable, Hashable {
        case numbers([Double])
        case texts([[UInt8]])
    }

    public let name: String
    /// The protocol's name of the type, `FP32`.
    public let type: String
    public let shape: [Int]
    public let elements: Elements

    public init(name: String, type: String, shape: [Int], elements: Elements) {
        self.name = name
        self.type = type
        self.shape = shape
        self.elements = elements
    }
}

/// What one replica answered to the golden inputs.
public struct SmokeAnswer: Sendable {
    public let replica: String
    /// Why there was no answer.
    public let failure: String?
    public let servedVersion: Int?
    public let outputs: [SmokeTensor]
    public let latency: Duration

    public init(replica: String, servedVersion: Int, outputs: [SmokeTensor], latency: Duration) {
        self.replica = replica
        self.failure = nil
        self.servedVersion = servedVersion
        self.outputs = outputs
        self.latency = latency
    }

    public init(replica: String, failure: String) {
        self.replica = replica
        self.failure = failure
        self.servedVersion = nil
        self.outputs = []
        self.latency = .zero
    }
}

/// Compares each replica's answer with the golden outputs: served version, names, types, shapes, values
/// within tolerance, latency.
public struct SmokeGate: Sendable {
    private let policy: SmokePolicy
    private let version: Int
    private let expected: [SmokeTensor]

    public init(_ policy: SmokePolicy, version: Int, expected: [SmokeTensor]) {
        self.policy = policy
        self.version = version
        self.expected = expected
    }

    /// No golden outputs, or no replica, is inconclusive.
    public func judge(_ answers: [SmokeAnswer]) -> GateReport {
        var checks = GateChecks()
        if expected.isEmpty { checks.add(.inconclusive, "there are no golden outputs to compare with") }
        for answer in answers {
            let place = "replica '\(answer.replica)'"
            if let failure = answer.failure {
                checks.add(.fail, "\(place) did not answer: \(failure)")
                continue
            }
            checks.check(
                answer.servedVersion == version,
                "\(place) answered with version \(answer.servedVersion.map(String.init) ?? "none"), wanted \(version)"
            )
            for tensor in expected { compare(tensor, with: answer, place, &checks) }
            checks.check(
                answer.latency <= policy.latencyMax,
                "\(place) took \(readable(answer.latency.seconds * 1000)) ms, allowed \(readable(policy.latencyMax.seconds * 1000)) ms"
            )
        }
        return checks.report
    }

    private func compare(
        _ wanted: SmokeTensor,
        with answer: SmokeAnswer,
        _ place: String,
        _ checks: inout GateChecks
    ) {
        let name = "\(place) output '\(wanted.name)'"
        guard let found = answer.outputs.first(where: { $0.name == wanted.name }) else {
            return checks.add(.fail, "\(name) is missing")
        }
        guard found.type == wanted.type else {
            return checks.add(.fail, "\(name) is \(found.type), wanted \(wanted.type)")
        }
        guard found.shape == wanted.shape else {
            return checks.add(.fail, "\(name) has shape \(found.shape), wanted \(wanted.shape)")
        }
        switch (wanted.elements, found.elements) {
        case (.numbers(let wanted), .numbers(let found)): compare(wanted, found, name, &checks)
        case (.texts(let wanted), .texts(let found)):
            checks.check(
                wanted == found,
                "\(name): \(zip(wanted, found).count { $0 == $1 }) of \(wanted.count) texts are equal"
            )
        default: checks.add(.fail, "\(name) mixes numbers and texts")
        }
    }

    private func compare(_ wanted: [Double], _ found: [Double], _ name: String, _ checks: inout GateChecks) {
        guard wanted.count == found.count, !wanted.isEmpty else {
            return checks.add(.fail, "\(name) has \(found.count) values, wanted \(wanted.count)")
        }
        var worst = 0.0
        var wrong = 0
        for (want, got) in zip(wanted, found) where !(want == got || (want.isNaN && got.isNaN)) {
            let difference = abs(want - got)
            let isClose =
                difference.isFinite
                && difference <= policy.absoluteTolerance + policy.relativeTolerance * abs(want)
            if !isClose { wrong += 1 }
            worst = difference.isNaN ? .infinity : max(worst, difference)
        }
        checks.check(
            wrong == 0,
            "\(name): \(wanted.count - wrong) of \(wanted.count) values equal, largest difference \(readable(worst)), "
                + "allowed \(readable(policy.absoluteTolerance)) + \(readable(policy.relativeTolerance)) of the value"
        )
    }
}
