import ArgumentParser
import Logging
import SlipwayInferenceServer
import SlipwayPyfunc

/// Which Python serves the models that cannot be exported.
struct PyfuncOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The Python that serves MLflow's pyfunc models; it needs mlflow. Without it they are refused.",
            valueName: "path"
        )
    )
    var python: String?

    static func backend(python: String?, logger: Logger) -> ModelBackend {
        .pyfunc(PyfuncRuntime(python: python) { line in logger.info("pyfunc worker", metadata: ["line": .string(line)]) })
    }
}
