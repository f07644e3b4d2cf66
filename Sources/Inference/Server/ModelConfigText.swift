import SlipwayCore
import SlipwayInferenceMessages
import SwiftProtobuf

/// Model configurations as people write them: `config.pbtxt`, or JSON in a load.
enum ModelConfigText {
    static let bytesMax = 1 << 20

    /// - Parameter text: Protobuf's text format.
    static func parse(text: String, model: String) throws(PlatformError) -> Inference_ModelConfig {
        try checkSize(text, model: model)
        do {
            return try Inference_ModelConfig(textFormatString: text)
        } catch {
            throw PlatformError(
                .invalidArgument,
                "config.pbtxt of '\(model)' is not a model configuration: \(reason(error))",
                remedy: "compare it with the fields of Triton's model configuration",
                cause: error
            )
        }
    }

    /// - Parameter json: Protobuf's JSON form, with field names as in the text format or in camel case.
    static func parse(json: String, model: String) throws(PlatformError) -> Inference_ModelConfig {
        try checkSize(json, model: model)
        do {
            return try Inference_ModelConfig(jsonString: json)
        } catch {
            throw PlatformError(.invalidArgument, "'config' is not a model configuration: \(reason(error))", cause: error)
        }
    }

    private static func checkSize(_ text: String, model: String) throws(PlatformError) {
        guard text.utf8.count <= bytesMax else {
            throw PlatformError(.exhausted, "the configuration of '\(model)' has more than \(bytesMax) bytes")
        }
    }

    private static func reason(_ error: any Error) -> String {
        switch error {
        case JSONDecodingError.unknownField(let name): "unknown field '\(name.prefix(100))'"
        case TextFormatDecodingError.unknownField: "it has an unknown field"
        default: "\(error)"
        }
    }
}
