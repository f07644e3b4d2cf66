import SlipwayCore
import SlipwayTracking
import Synchronization

/// An experiment of the source and where it is here.
struct ImportedExperiment: Sendable, Hashable {
    let sourceID: String
    let name: String
    let sourceLocation: ArtifactLocation
    let id: Int64
    let location: String
}

/// The experiments of one import.
///
/// Some are there only because a version's run is in one that was not chosen.
final class ExperimentPlaces: Sendable {
    private struct State {
        var chosen: [ImportedExperiment] = []
        var known: [String: ImportedExperiment] = [:]
        var others: [String: SourceExperiment] = [:]
    }

    private let state = Mutex(State())

    var chosen: [ImportedExperiment] { state.withLock { $0.chosen } }

    func add(_ place: ImportedExperiment, isChosen: Bool) throws(PlatformError) {
        let isFull = state.withLock { state in
            guard state.known.count < ImportLimits.experimentsMax else { return true }
            // A page may show an experiment again that was changed meanwhile.
            guard state.known.updateValue(place, forKey: place.sourceID) == nil else { return false }
            if isChosen { state.chosen.append(place) }
            return false
        }
        guard !isFull else {
            throw PlatformError(.exhausted, "the source has more than \(ImportLimits.experimentsMax) experiments")
        }
    }

    /// Keeps what may be needed later without copying it.
    func remember(_ experiment: SourceExperiment) {
        state.withLock { state in
            guard state.others.count < ImportLimits.experimentsMax else { return }
            state.others[experiment.id] = experiment
        }
    }

    func place(ofSource id: String) -> ImportedExperiment? { state.withLock { $0.known[id] } }

    func other(ofSource id: String) -> SourceExperiment? { state.withLock { $0.others[id] } }

    /// The URI here of a place in an experiment's folder there, and the path in that folder.
    func translated(_ location: ArtifactLocation) -> (uri: String, path: String)? {
        state.withLock { state in
            // The longest: one experiment's folder may be in another's.
            let matches = state.known.values.compactMap { place -> (place: ImportedExperiment, path: String)? in
                guard !place.sourceLocation.uri.isEmpty, let path = location.path(in: place.sourceLocation) else { return nil }
                return (place, path)
            }
            guard let best = matches.max(by: { $0.place.sourceLocation.uri.utf8.count < $1.place.sourceLocation.uri.utf8.count }) else { return nil }
            return (best.path.isEmpty ? best.place.location : "\(best.place.location)/\(best.path)", best.path)
        }
    }
}

/// Names that several tasks have come across.
final class SeenNames: Sendable {
    private let seen = Mutex<Set<String>>([])

    var names: Set<String> { seen.withLock { $0 } }

    func insert(_ name: String) { seen.withLock { _ = $0.insert(name) } }
}
