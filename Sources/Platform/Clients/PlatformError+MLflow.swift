import SlipwayCore

extension PlatformError {
    /// What an MLflow server's error answer means to us.
    ///
    /// - Parameter doing: What was asked, as in "could not \(doing)".
    static func mlflow(_ answer: PeerAnswer, doing: String) -> PlatformError {
        let json = try? JSONValue(parsing: answer.body)
        guard let name = json?["error_code"]?.stringValue else { return plain(answer, doing: doing) }
        let said = (json?["message"]?.stringValue ?? name).prefix(ClientLimits.saidCharactersMax)
        return PlatformError(code(mlflow: name, status: answer.status), "could not \(doing): \(said)")
    }

    /// MLflow's names, those of Databricks' API among them; an unknown name goes by the status.
    static func code(mlflow name: String, status: Int) -> Code {
        switch name {
        case "INVALID_PARAMETER_VALUE", "BAD_REQUEST", "MALFORMED_REQUEST", "INVALID_REQUEST": .invalidArgument
        case "RESOURCE_DOES_NOT_EXIST", "ENDPOINT_NOT_FOUND", "NOT_FOUND": .notFound
        case "RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS": .alreadyExists
        case "INVALID_STATE", "INVALID_STATE_TRANSITION", "RESOURCE_CONFLICT", "ABORTED", "FEATURE_DISABLED":
            .failedPrecondition
        case "PERMISSION_DENIED": .permissionDenied
        case "UNAUTHENTICATED": .unauthenticated
        case "RESOURCE_EXHAUSTED", "REQUEST_LIMIT_EXCEEDED", "QUOTA_EXCEEDED", "RESOURCE_LIMIT_EXCEEDED": .exhausted
        case "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "WORKSPACE_TEMPORARILY_UNAVAILABLE": .unavailable
        case "DATA_LOSS": .corrupt
        case "INTERNAL_ERROR": .unexpected
        default: code(status: status)
        }
    }

    /// An answer that is not MLflow's: a proxy's, or another program's.
    private static func plain(_ answer: PeerAnswer, doing: String) -> PlatformError {
        switch answer.status {
        case 401, 403:
            PlatformError(
                .failedPrecondition,
                "could not \(doing): the tracking server answered \(answer.status)",
                remedy: "put user:password@ into the tracking server's address"
            )
        case 404, 405, 200..<400:
            PlatformError(
                .failedPrecondition,
                "could not \(doing): what answers is no MLflow server (\(answer.status): \(answer.said))",
                remedy: "check the tracking server's address"
            )
        default:
            PlatformError(code(status: answer.status), "could not \(doing): \(answer.status) \(answer.said)")
        }
    }
}
