public import SlipwayCore
public import SlipwayInference
public import SlipwayInferenceMessages

extension Inference_ModelMetadataResponse.TensorMetadata {
    public init(_ spec: TensorSpec) {
        self.init()
        name = spec.name
        datatype = spec.type.rawValue
        shape = spec.shape.map(Int64.init)
    }
}

extension ModelVersion {
    /// A version as requests name it: an empty text is none.
    public init?(wire text: String) throws(PlatformError) {
        guard !text.isEmpty else { return nil }
        self = try ModelVersion(text)
    }
}
