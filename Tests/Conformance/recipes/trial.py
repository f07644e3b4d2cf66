"""Each export recipe on the whole road of `slipway up`, and what is served held against ONNX Runtime: ops/recipes.sh.

Training ends with an error when a graph does not answer what its library does; `smoke` when the model server does not
answer what Python's onnxruntime does. Here a stock client asks the gateway the same, in binary.
"""
import json
import pathlib
import shutil
import subprocess
import sys
from importlib.metadata import version

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import numpy as np  # noqa: E402
import tritonclient.http as http  # noqa: E402
from stack import ROOT, SLIPWAY, Stack, expect, free_url, port, try_out  # noqa: E402

PACKAGES = {"sklearn": "scikit-learn", "xgboost": "xgboost", "lightgbm": "lightgbm", "pytorch": "torch"}
RUN_SECONDS_MAX = 600
NUMPY = {"FP32": np.float32, "INT64": np.int64}


class Platform(Stack):
    def begin(self):
        self.home, self.gateway = self.folder / "home", free_url()
        names = ["tracking", "model-server", "grpc", "metrics", "gateway-grpc", "console"]
        ports = [word for name in names for word in (f"--{name}-port", port(free_url()))]
        # Where it is started, `slipway up` finds the Python of the projects and ONNX Runtime's library.
        (self.folder / ".venv").symlink_to(ROOT / ".venv-recipes")
        self.start("up", SLIPWAY, "up", "--env", "dev", "--home", self.home, "--gateway-port", port(self.gateway), *ports, cwd=self.folder)
        self.wait_for(f"{self.gateway}/health")

    def project(self, library):
        """The example as a model of its own: each library's is the first release of its model."""
        folder = self.folder / library
        shutil.copytree(ROOT / "examples/recipes", folder, ignore=shutil.ignore_patterns("__pycache__"))
        file = folder / "pipeline.yaml"
        file.write_text(file.read_text().replace("name: recipes", f"name: {library}"))
        return folder


def trial(stack, libraries):
    for library in libraries:
        print(f"{PACKAGES[library]} {version(PACKAGES[library])}", flush=True)
        words = [SLIPWAY, "run", stack.project(library), "--env", "dev", "--home", stack.home, "--set", f"library={library}", "--output", "json"]
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=RUN_SECONDS_MAX, cwd=ROOT)
        expect(f"the road of a model of {library} passes", done.returncode == 0, done.returncode, done.stdout[-1500:], done.stderr[-1500:])
        if done.returncode == 0:
            golden = stack.home / "dev/runs" / json.loads(done.stdout)["id"] / "output/golden.json"
            expect(f"the gateway answers what onnxruntime does for {library}, bit for bit", answers_equal(stack.gateway, library, json.loads(golden.read_text())))


def answers_equal(gateway, model, golden):
    client = http.InferenceServerClient(gateway.removeprefix("http://"))
    rows = golden["inputs"][0]
    value = http.InferInput(rows["name"], rows["shape"], "FP32")
    value.set_data_from_numpy(np.array(rows["data"], np.float32).reshape(rows["shape"]))
    answer = client.infer(model, [value])
    for output in golden["outputs"]:
        expected = np.array(output["data"], NUMPY[output["datatype"]]).reshape(output["shape"])
        if answer.as_numpy(output["name"]).tobytes() != expected.tobytes():
            return False
    return True


if __name__ == "__main__":
    sys.exit(try_out(Platform, lambda stack: trial(stack, sys.argv[1:] or list(PACKAGES))))
