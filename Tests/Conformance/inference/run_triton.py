"""The suites of the model server against a real Triton: `ops/with-triton.sh .venv/bin/python Tests/Conformance/inference/run_triton.py`.

What its Python backend cannot do, or does otherwise on purpose, is skipped where the suite says why. Arguments: the
names of suites; without any, all of them.
"""
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
SUITES = ["http", "grpc", "types", "encodings", "models", "classification"]
SUITE_SECONDS_MAX = 600
READY_SECONDS_MAX = 60

os.environ |= {
    "SLIPWAY_MODEL_ENGINE": "triton",
    "SLIPWAY_MODEL_SERVER": os.environ["SLIPWAY_TRITON"],
    "SLIPWAY_MODEL_SERVER_GRPC": os.environ["SLIPWAY_TRITON_GRPC"],
    "SLIPWAY_MODEL_METRICS": os.environ["SLIPWAY_TRITON_METRICS"],
    "SLIPWAY_MODEL_REPOSITORY": os.environ["SLIPWAY_TRITON_REPOSITORY"],
}
sys.path.insert(0, str(HERE))

import tritonclient.http as http  # noqa: E402
from support import GRAPHS, REPOSITORY, URL, install  # noqa: E402


def prepare(client):
    """What test_http.py and test_grpc.py expect to be served; a server that a failed load made unready is mended."""
    install("affine", "affine", "version_policy { all { } }\n", versions=(1, 2))
    shutil.copy(GRAPHS / "affine3.onnx", REPOSITORY / "affine" / "2" / "model.onnx")
    install("identity", "identity")
    install("log", "log")
    install("broken", "affine")
    for name in ("affine", "identity", "log", "broken"):
        client.load_model(name)
    client.unload_model("broken")
    # Not before it is gone: an unload is answered when it begins.
    end = time.monotonic() + READY_SECONDS_MAX
    while not client.is_server_ready():
        if time.monotonic() > end:
            sys.exit(f"Triton is not ready: {client.get_model_repository_index()}")
        time.sleep(0.1)
    (REPOSITORY / "broken" / "1" / "model.onnx").write_text("not a model")


if __name__ == "__main__":
    server = http.InferenceServerClient(URL, network_timeout=120.0, connection_timeout=120.0)
    failed = []
    for suite in sys.argv[1:] or SUITES:
        prepare(server)
        print(f"== {suite}", flush=True)
        if subprocess.run([sys.executable, HERE / f"test_{suite}.py"], timeout=SUITE_SECONDS_MAX).returncode:
            failed.append(suite)
    if failed:
        sys.exit(f"against Triton: failed: {', '.join(failed)}")
