import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct ExperimentCalls: Sendable {
    let store: any ExperimentStore

    var all: [TrackingCall] {
        [
            TrackingCall(.post, "experiments/create") { parameters in
                let name = try parameters.required("name")
                let location = try parameters.text("artifact_location").flatMap { $0.isEmpty ? nil : $0 }
                if let location { try NameRules.check(artifactLocation: location) }
                try NameRules.check(length: name, NameRules.experimentNameMax, "name")
                let tags = try parameters.pairs("tags")
                for (key, value) in tags.sorted(by: { $0.key < $1.key }) { try NameRules.check(experimentTag: key, value: value) }
                let experiment = try await store.createExperiment(name: name, artifactLocation: location, tags: tags)
                return ["experiment_id": .string("\(experiment.id)")]
            },
            TrackingCall(.get, "experiments/get") { parameters in
                ["experiment": TrackingJSON.experiment(try await store.experiment(id: try parameters.required("experiment_id")))]
            },
            TrackingCall(.get, "experiments/get-by-name") { parameters in
                ["experiment": TrackingJSON.experiment(try await store.experiment(name: try parameters.required("experiment_name")))]
            },
            TrackingCall(.post, "experiments/update") { parameters in
                let name = try parameters.required("new_name")
                try NameRules.check(length: name, NameRules.experimentNameMax, "name")
                try await store.renameExperiment(id: try parameters.required("experiment_id"), to: name)
                return [:]
            },
            TrackingCall(.post, "experiments/delete") { parameters in
                try await store.setStage(.deleted, experiment: try parameters.required("experiment_id"))
                return [:]
            },
            TrackingCall(.post, "experiments/restore") { parameters in
                try await store.setStage(.active, experiment: try parameters.required("experiment_id"))
                return [:]
            },
            TrackingCall(.post, "experiments/set-experiment-tag") { parameters in
                let id = try parameters.required("experiment_id")
                let (key, value) = (try parameters.required("key"), try parameters.text("value") ?? "")
                try NameRules.check(experimentTag: key, value: value)
                try await store.setExperimentTag(id: id, key: key, value: value)
                return [:]
            },
            TrackingCall(.post, "experiments/delete-experiment-tag") { parameters in
                let id = try parameters.required("experiment_id")
                try await store.setExperimentTag(id: id, key: try parameters.required("key"), value: nil)
                return [:]
            },
            TrackingCall(.post, "experiments/search", search),
            TrackingCall(.get, "experiments/search", search),
            TrackingCall(.post, "experiments/search-datasets") { parameters in
                let ids = try parameters.texts("experiment_ids")
                guard !ids.isEmpty else {
                    throw PlatformError(.invalidArgument, "SearchDatasets request must specify at least one experiment_id.")
                }
                guard ids.count <= TrackingLimits.datasetExperimentsMax else {
                    throw PlatformError(
                        .invalidArgument,
                        "SearchDatasets request cannot specify more than \(TrackingLimits.datasetExperimentsMax) experiment_ids. "
                            + "Received \(ids.count) experiment_ids."
                    )
                }
                let found = try await store.datasets(experiments: ids, limit: TrackingLimits.datasetsFoundMax)
                return ["dataset_summaries": .array(found.map(TrackingJSON.dataset))]
            },
        ]
    }

    @Sendable private func search(_ parameters: Parameters) async throws -> JSONValue {
        let search = try Search(parameters, defaultLimit: TrackingLimits.searchResultsDefault, view: "view_type", words: .experiments)
        try SearchVocabulary.experiments.check(search)
        return try await store.searchExperiments(search).json("experiments", TrackingJSON.experiment)
    }
}
