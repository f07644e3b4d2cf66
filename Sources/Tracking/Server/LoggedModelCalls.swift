import HTTPTypes
import SlipwayCore
import SlipwayTracking

struct LoggedModelCalls: Sendable {
    let store: any LoggedModelStore

    private static let statuses: Set = [
        "LOGGED_MODEL_STATUS_UNSPECIFIED", "LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED",
    ]

    var all: [TrackingCall] {
        [
            TrackingCall(.post, "logged-models") { parameters in
                let name = try parameters.text("name").flatMap { $0.isEmpty ? nil : $0 }
                if let name { try NameRules.check(loggedModelName: name) }
                let model = try await store.createLoggedModel(
                    experiment: try parameters.required("experiment_id"),
                    name: name,
                    sourceRunID: try parameters.text("source_run_id"),
                    modelType: try parameters.text("model_type"),
                    tags: try parameters.pairs("tags"),
                    parameters: try parameters.pairs("params")
                )
                return ["model": TrackingJSON.loggedModel(model)]
            },
            TrackingCall(.get, "logged-models/:model_id") { parameters in
                ["model": TrackingJSON.loggedModel(try await store.loggedModel(id: try parameters.required("model_id")))]
            },
            TrackingCall(.patch, "logged-models/:model_id") { parameters in
                let status = try parameters.required("status")
                guard Self.statuses.contains(status) else {
                    throw PlatformError(.invalidArgument, "Invalid logged model status '\(status.prefix(100))'")
                }
                let model = try await store.finalizeLoggedModel(id: try parameters.required("model_id"), status: status)
                return ["model": TrackingJSON.loggedModel(model)]
            },
            TrackingCall(.delete, "logged-models/:model_id") { parameters in
                try await store.deleteLoggedModel(id: try parameters.required("model_id"))
                return [:]
            },
            TrackingCall(.patch, "logged-models/:model_id/tags") { parameters in
                _ = try await store.setLoggedModelTags(id: try parameters.required("model_id"), tags: try parameters.pairs("tags"))
                return [:]
            },
            TrackingCall(.delete, "logged-models/:model_id/tags/:tag_key") { parameters in
                try await store.deleteLoggedModelTag(id: try parameters.required("model_id"), key: try parameters.required("tag_key"))
                return [:]
            },
            TrackingCall(.post, "logged-models/:model_id/params") { parameters in
                try await store.logLoggedModelParameters(id: try parameters.required("model_id"), parameters: try parameters.pairs("params"))
                return [:]
            },
            TrackingCall(.post, "logged-models/search") { parameters in
                for dataset in try parameters.objects("datasets") where try dataset.text("dataset_name") == nil {
                    throw PlatformError(.invalidArgument, "`dataset_name` in the `datasets` clause must be specified.")
                }
                // Here the order is a list of objects instead of texts.
                let order = try parameters.objects("order_by").map { item in
                    let name = try item.required("field_name")
                    let field = try FilterParser.sortTerm(name).field
                    guard field.kind == .attribute || field.kind == .metric else {
                        throw PlatformError(.invalidArgument, "Invalid order by field name: \(name). Only metrics are supported.")
                    }
                    return SortTerm(field: field, isAscending: item.bool("ascending") ?? true)
                }
                var search = try Search(parameters.without("order_by"), defaultLimit: TrackingLimits.registrySearchDefault)
                search.order = order
                return try await store.searchLoggedModels(experiments: try parameters.texts("experiment_ids"), search)
                    .json("models", TrackingJSON.loggedModel)
            },
        ]
    }
}
