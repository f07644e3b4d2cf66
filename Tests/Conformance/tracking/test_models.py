"""Models logged, registered, loaded: sklearn, ONNX, pyfunc, autolog; logged models and searches for them."""
import os
import sys
import tempfile

import mlflow
import numpy
from support import Base, GENERATION, since, unique

GRAPH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Inference/Models/affine.onnx")


def named(name):
    """How this client is told what a model is called."""
    return {"name": name} if GENERATION >= 3 else {"artifact_path": name}


def pickled():
    return {"serialization_format": "cloudpickle"}


class Adder(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [x + 1 for x in model_input]


class Models(Base):
    def setUp(self):
        super().setUp()
        from sklearn.linear_model import LogisticRegression

        self.x = numpy.array([[0.0], [1.0], [2.0], [3.0]])
        self.model = LogisticRegression().fit(self.x, [0, 0, 1, 1])
        self.here = mlflow.set_experiment(unique("models")).experiment_id
        self.name = unique("sk")

    def log(self, **options):
        import mlflow.sklearn

        return mlflow.sklearn.log_model(self.model, **named("classifier"), **pickled(), **options)

    def same(self, loaded):
        self.assertEqual(list(loaded.predict(self.x)), list(self.model.predict(self.x)))

    def test_sklearn(self):
        with mlflow.start_run() as run:
            mlflow.log_metric("auc", 0.9)
            info = self.log(input_example=self.x[:1], registered_model_name=self.name)
        self.client.set_registered_model_alias(self.name, "A", "1")
        for uri in [info.model_uri, f"models:/{self.name}@A", f"models:/{self.name}/1", f"models:/{self.name}/latest", f"runs:/{run.info.run_id}/classifier"]:
            with self.subTest(uri):
                self.same(mlflow.pyfunc.load_model(uri))
        self.same(mlflow.sklearn.load_model(f"models:/{self.name}/1"))
        version = self.client.get_model_version(self.name, "1")
        self.assertEqual(version.run_id, run.info.run_id)
        self.assertEqual(mlflow.models.get_model_info(f"models:/{self.name}/1").flavors["sklearn"]["serialization_format"], "cloudpickle")
        second = mlflow.register_model(f"runs:/{run.info.run_id}/classifier", self.name, tags={"t": "1"})
        self.assertEqual((str(second.version), second.tags), ("2", {"t": "1"}))
        self.same(mlflow.pyfunc.load_model(f"models:/{self.name}/2"))

    def test_a_copied_version_loads(self):
        if not hasattr(self.client, "copy_model_version"):
            self.skipTest("this client cannot")
        with mlflow.start_run():
            self.log(registered_model_name=self.name)
        copy = self.client.copy_model_version(f"models:/{self.name}/1", unique("copy"))
        self.same(mlflow.pyfunc.load_model(f"models:/{copy.name}/{copy.version}"))

    def test_onnx(self):
        import mlflow.onnx
        import onnx

        graph = onnx.load(GRAPH)
        name = unique("affine")
        with mlflow.start_run():
            info = mlflow.onnx.log_model(graph, **named("affine"), registered_model_name=name)
        loaded = mlflow.onnx.load_model(info.model_uri)
        self.assertEqual(loaded.graph.input[0].name, "x")
        self.assertEqual(mlflow.onnx.load_model(f"models:/{name}/1").graph.output[0].name, loaded.graph.output[0].name)

    def test_pyfunc(self):
        name = unique("adder")
        with mlflow.start_run() as run, tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "data.txt")
            with open(path, "w") as file:
                file.write("data")
            info = mlflow.pyfunc.log_model(**named("adder"), python_model=Adder(), artifacts={"data": path}, registered_model_name=name)
        self.assertEqual(mlflow.pyfunc.load_model(info.model_uri).predict([1, 2]), [2, 3])
        self.assertEqual(mlflow.pyfunc.load_model(f"models:/{name}/1").predict([5]), [6])
        with tempfile.TemporaryDirectory() as folder:
            files = mlflow.artifacts.download_artifacts(f"models:/{name}/1", dst_path=folder)
            self.assertTrue({"MLmodel", "python_model.pkl", "artifacts"} <= set(os.listdir(files)))
        self.assertTrue(mlflow.artifacts.list_artifacts(artifact_uri=f"runs:/{run.info.run_id}/adder"))

    def test_autolog(self):
        from sklearn.tree import DecisionTreeClassifier

        mlflow.sklearn.autolog(silent=True, serialization_format="cloudpickle")
        with mlflow.start_run() as run:
            DecisionTreeClassifier(max_depth=2, random_state=1).fit(self.x, [0, 0, 1, 1])
        mlflow.sklearn.autolog(disable=True, silent=True)
        run = mlflow.get_run(run.info.run_id)
        self.assertEqual((run.data.params["max_depth"], run.data.metrics["training_accuracy_score"]), ("2", 1.0))
        self.assertEqual(run.data.tags["estimator_name"], "DecisionTreeClassifier")
        uri = f"models:/{run.outputs.model_outputs[0].model_id}" if GENERATION >= 3 else f"runs:/{run.info.run_id}/model"
        self.assertEqual(list(mlflow.sklearn.load_model(uri).predict(self.x)), [0, 0, 1, 1])

    def test_get_artifact_of_a_version(self):
        import requests
        from support import URI

        with mlflow.start_run() as run:
            self.log(registered_model_name=self.name)
            mlflow.log_text("hello", "a/b.txt")
        answer = requests.get(f"{URI}/model-versions/get-artifact", params={"name": self.name, "version": "1", "path": "MLmodel"}, timeout=60)
        self.assertEqual(answer.status_code, 200)
        self.assertIn("sklearn", answer.text)
        answer = requests.get(f"{URI}/get-artifact", params={"run_id": run.info.run_id, "path": "a/b.txt"}, timeout=60)
        self.assertEqual((answer.status_code, answer.text, answer.headers["X-Content-Type-Options"]), (200, "hello", "nosniff"))


@since(3)
class LoggedModels(Base):
    def setUp(self):
        super().setUp()
        self.here = mlflow.set_experiment(unique("logged")).experiment_id

    def make(self, name, **options):
        return mlflow.initialize_logged_model(name=name, **options)

    def test_life(self):
        with mlflow.start_run() as run:
            model = self.make("clf", params={"p": "1"}, tags={"t": "1"}, model_type="classifier")
        self.assertEqual((model.name, model.params, model.model_type, model.source_run_id), ("clf", {"p": "1"}, "classifier", run.info.run_id))
        self.assertEqual(model.tags["t"], "1")
        self.assertEqual(str(model.status), "PENDING")
        self.assertEqual(model.artifact_location, f"mlflow-artifacts:/{self.here}/models/{model.model_id}/artifacts")
        self.assertEqual(str(mlflow.finalize_logged_model(model.model_id, "READY").status), "READY")
        mlflow.set_logged_model_tags(model.model_id, {"u": "2", "t": "3"})
        mlflow.delete_logged_model_tag(model.model_id, "u")
        self.refused("RESOURCE_DOES_NOT_EXIST", "No tag with key 'u' found for model with ID", mlflow.delete_logged_model_tag, model.model_id, "u")
        mlflow.log_model_params({"q": "2"}, model_id=model.model_id)
        found = mlflow.get_logged_model(model.model_id)
        self.assertEqual((found.tags["t"], "u" in found.tags, found.params), ("3", False, {"p": "1", "q": "2"}))
        self.client.delete_logged_model(model.model_id)
        self.refused("RESOURCE_DOES_NOT_EXIST", f"Logged model with ID '{model.model_id}' not found.", mlflow.get_logged_model, model.model_id)
        self.refused("RESOURCE_DOES_NOT_EXIST", "Logged model with ID 'm-absent' not found.", self.client.delete_logged_model, "m-absent")
        self.refused("INVALID_PARAMETER_VALUE", "Invalid model name ('a/b') provided.", self.make, "a/b")

    def test_a_name_is_found_for_one_without(self):
        self.assertRegex(self.client.create_logged_model(self.here).name, r"^[a-z]+-[a-z]+-\d+$")

    def test_metrics(self):
        with mlflow.start_run() as run:
            model = self.make("clf")
            mlflow.log_metric("auc", 0.5, step=1, model_id=model.model_id)
            mlflow.log_metric("auc", 0.75, step=2, model_id=model.model_id)
            mlflow.log_metrics({"loss": 0.25}, model_id=model.model_id)
        metrics = {m.key: m.value for m in mlflow.get_logged_model(model.model_id).metrics}
        self.assertEqual(metrics, {"auc": 0.75, "loss": 0.25})
        self.assertEqual(mlflow.get_run(run.info.run_id).data.metrics, {"auc": 0.75, "loss": 0.25})

    def test_outputs_and_inputs(self):
        from mlflow.entities import LoggedModelInput, LoggedModelOutput

        model = self.make("clf")
        run = self.run_in(self.here)
        self.client.log_outputs(run, [LoggedModelOutput(model.model_id, 3)])
        self.client.log_inputs(run, models=[LoggedModelInput(model.model_id)])
        found = self.client.get_run(run)
        self.assertEqual([(m.model_id, m.step) for m in found.outputs.model_outputs], [(model.model_id, 3)])
        self.assertEqual([m.model_id for m in found.inputs.model_inputs], [model.model_id])

    def test_search(self):
        with mlflow.start_run():
            models = [self.make(f"m{index}", params={"p": str(index % 2)}, tags={"n": str(index)}) for index in range(4)]
            for index, model in enumerate(models):
                mlflow.log_metric("auc", index / 10, model_id=model.model_id)
                mlflow.finalize_logged_model(model.model_id, "READY" if index else "FAILED")

        def found(query=None, **options):
            return [m.name for m in mlflow.search_logged_models([self.here], query, output_format="list", **options)]

        self.assertEqual(sorted(found()), ["m0", "m1", "m2", "m3"])
        self.assertEqual(found("name = 'm1'"), ["m1"])
        self.assertEqual(sorted(found("params.p = '1'")), ["m1", "m3"])
        self.assertEqual(sorted(found("metrics.auc > 0.15")), ["m2", "m3"])
        self.assertEqual(sorted(found("tags.n != '2' AND metrics.auc >= 0.1")), ["m1", "m3"])
        self.assertEqual(found(order_by=[{"field_name": "metrics.auc", "ascending": False}]), ["m3", "m2", "m1", "m0"])
        self.assertEqual(found(order_by=[{"field_name": "name", "ascending": True}], max_results=2), ["m0", "m1"])
        first = self.client.search_logged_models([self.here], max_results=3, order_by=[{"field_name": "name"}])
        second = self.client.search_logged_models([self.here], max_results=3, order_by=[{"field_name": "name"}], page_token=first.token)
        self.assertEqual([m.name for m in [*first, *second]], ["m0", "m1", "m2", "m3"])
        self.assertEqual(len(mlflow.search_logged_models([self.here])), 4)
        for bad in ["name > 'a'", "nothing = 'x'", "name"]:
            self.refused("INVALID_PARAMETER_VALUE", "(?s).", found, bad)
        self.client.delete_logged_model(models[0].model_id)
        self.assertEqual(sorted(found()), ["m1", "m2", "m3"])

    def test_artifacts(self):
        model = self.make("clf")
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "a.txt"), "w") as file:
                file.write("hello")
            self.client.log_model_artifacts(model.model_id, folder)
            self.client.log_model_artifact(model.model_id, os.path.join(folder, "a.txt"))
        self.assertEqual([(f.path, f.file_size) for f in self.client.list_logged_model_artifacts(model.model_id)], [("a.txt", 5)])
        self.assertEqual(mlflow.artifacts.load_text(f"{model.artifact_location}/a.txt"), "hello")
