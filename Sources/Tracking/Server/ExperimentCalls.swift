import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct ExperimentCalls: Sendable {
    let store: any ExperimentStore

    var all: [TrackingCall] {
        [
            TrackingCall(.post, "experiments/create") { parameters in
                let experiment = try await store.createExperiment(
                    name: try parameters.required("name"),
                    artifactLocation: try parameters.text("artifact_location").flatMap { $0.isEmpty ? nil : $0 },
                    tags: try parameters.pairs("tags")
                )
                return ["experiment_id": .string("\(experiment.id)")]
            },
            TrackingCall(.get, "experiments/get") { parameters in
                ["experiment": TrackingJSON.experiment(try await store.experiment(id: try parameters.required("experiment_id")))]
            },
            TrackingCall(.get, "experiments/get-by-name") { parameters in
                ["experiment": TrackingJSON.experiment(try await store.experiment(name: try parameters.required("experiment_name")))]
            },
            TrackingCall(.post, "experiments/update") { parameters in
                try await store.renameExperiment(id: try parameters.required("experiment_id"), to: try parameters.required("new_name"))
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
                try await store.setExperimentTag(id: id, key: try parameters.required("key"), value: try parameters.text("value") ?? "")
                return [:]
            },
            TrackingCall(.post, "experiments/delete-experiment-tag") { parameters in
                let id = try parameters.required("experiment_id")
                try await store.setExperimentTag(id: id, key: try parameters.required("key"), value: nil)
                return [:]
            },
            TrackingCall(.post, "experiments/search", search),
            TrackingCall(.get, "experiments/search", search),
        ]
    }

    @Sendable private func search(_ parameters: Parameters) async throws -> JSONValue {
        let search = try Search(parameters, defaultLimit: TrackingLimits.searchResultsDefault, view: "view_type")
        return try await store.searchExperiments(search).json("experiments", TrackingJSON.experiment)
    }
}
