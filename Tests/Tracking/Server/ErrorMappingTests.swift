import HTTPTypes
import SlipwayCore
import SlipwayTrackingServer
import Testing

@Suite("MLflow error mapping")
struct ErrorMappingTests {
    /// The table of the style guide; the client's exceptions depend on it.
    private static let table: [PlatformError.Code: (name: String, status: Int)] = [
        .invalidArgument: ("INVALID_PARAMETER_VALUE", 400),
        .notFound: ("RESOURCE_DOES_NOT_EXIST", 404),
        .alreadyExists: ("RESOURCE_ALREADY_EXISTS", 400),
        .failedPrecondition: ("INVALID_STATE", 500),
        .permissionDenied: ("PERMISSION_DENIED", 403),
        .unauthenticated: ("UNAUTHENTICATED", 401),
        .exhausted: ("RESOURCE_EXHAUSTED", 429),
        .unavailable: ("TEMPORARILY_UNAVAILABLE", 503),
        .corrupt: ("DATA_LOSS", 500),
        .unexpected: ("INTERNAL_ERROR", 500),
    ]

    @Test("Every code has MLflow's name and status", arguments: PlatformError.Code.allCases)
    func mapping(code: PlatformError.Code) throws {
        let expected = try #require(Self.table[code])
        #expect(code.mlflow.name == expected.name)
        #expect(code.mlflow.status.code == expected.status)
    }
}
