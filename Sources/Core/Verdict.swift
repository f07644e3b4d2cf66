/// What a gate says.
///
/// No data is ``inconclusive``: it holds, it never passes.
public enum Verdict: String, Codable, Sendable, CaseIterable, Hashable {
    case pass
    case fail
    case inconclusive

    /// The verdict over several checks: any failure fails, any doubt (or no check at all) holds.
    public static func all(_ verdicts: some Sequence<Verdict>) -> Verdict {
        var result: Verdict?
        for verdict in verdicts {
            switch (verdict, result) {
            case (.fail, _): return .fail
            case (.inconclusive, _): result = .inconclusive
            case (.pass, nil): result = .pass
            case (.pass, .some): break
            }
        }
        return result ?? .inconclusive
    }
}
