public import HTTPTypes
public import Hummingbird
public import SlipwayCore
import SlipwayHTTP

extension PlatformError.Code {
    /// MLflow's name for the code and the status it answers with.
    public var mlflow: (name: String, status: HTTPResponse.Status) {
        switch self {
        case .invalidArgument: ("INVALID_PARAMETER_VALUE", .badRequest)
        case .notFound: ("RESOURCE_DOES_NOT_EXIST", .notFound)
        case .alreadyExists: ("RESOURCE_ALREADY_EXISTS", .badRequest)
        case .failedPrecondition: ("INVALID_STATE", .internalServerError)
        case .permissionDenied: ("PERMISSION_DENIED", .forbidden)
        case .unauthenticated: ("UNAUTHENTICATED", .unauthorized)
        case .exhausted: ("RESOURCE_EXHAUSTED", .tooManyRequests)
        case .unavailable: ("TEMPORARILY_UNAVAILABLE", .serviceUnavailable)
        case .corrupt: ("DATA_LOSS", .internalServerError)
        case .unexpected: ("INTERNAL_ERROR", .internalServerError)
        }
    }
}

extension PlatformError {
    /// `{"error_code":…,"message":…}`, which MLflow's client turns into its exception.
    var mlflowAnswer: (status: HTTPResponse.Status, body: JSONValue) {
        (code.mlflow.status, ["error_code": .string(code.mlflow.name), "message": .string(message)])
    }

    /// ``mlflowAnswer`` for the router.
    public var mlflowResponse: Response {
        var response = Response(json: mlflowAnswer.body, status: mlflowAnswer.status)
        if code == .unauthenticated { response.headers[.wwwAuthenticate] = AccessPolicy.challenge }
        return response
    }
}
