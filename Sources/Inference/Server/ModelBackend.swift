public import SlipwayInference

/// A kind of model that the server can serve: what a configuration calls it, and the runtime behind it.
///
/// The server looks a model's backend up by name; what is not registered is refused by its name.
public struct ModelBackend: Sendable {
    /// `backend` of a configuration.
    public let name: String
    /// `platform` of a configuration, and of a model's metadata.
    public let platform: String
    /// More names that configurations use for it.
    public let otherNames: Set<String>
    /// The file or folder of a version that ``ModelRuntime/open(file:options:)`` gets unless the configuration
    /// names another. A version without configuration has the backend whose file it holds.
    public let modelFilename: String
    public let runtime: any ModelRuntime

    public init(
        name: String,
        platform: String,
        otherNames: Set<String> = [],
        modelFilename: String,
        runtime: any ModelRuntime
    ) {
        self.name = name
        self.platform = platform
        self.otherNames = otherNames
        self.modelFilename = modelFilename
        self.runtime = runtime
    }

    /// ONNX graphs, under Triton's names for them.
    public static func onnx(_ runtime: any ModelRuntime) -> ModelBackend {
        ModelBackend(name: "onnxruntime", platform: "onnxruntime_onnx", modelFilename: "model.onnx", runtime: runtime)
    }

    /// MLflow models, as MLflow's own interface runs them: `backend: "pyfunc"`, or a folder with a file `MLmodel`.
    public static func pyfunc(_ runtime: any ModelRuntime) -> ModelBackend {
        ModelBackend(
            name: "pyfunc",
            platform: "mlflow_pyfunc",
            otherNames: ["mlflow", "python_function"],
            modelFilename: "MLmodel",
            runtime: runtime
        )
    }

    func isCalled(_ text: String) -> Bool {
        text == name || text == platform || otherNames.contains(text)
    }
}
