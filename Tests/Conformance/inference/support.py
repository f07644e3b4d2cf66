"""What the suites of the model server share: where it is, how models get into its repository, raw requests.

SLIPWAY_MODEL_SERVER      host:port of its HTTP
SLIPWAY_MODEL_REPOSITORY  its repository's folder
SLIPWAY_MODEL_METRICS     host:port of its metrics page; without it those tests are skipped
SLIPWAY_MODEL_ENGINE      'triton' for the real one; else ours
"""
import json
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime

URL = os.environ.get("SLIPWAY_MODEL_SERVER", "")
REPOSITORY = Path(os.environ.get("SLIPWAY_MODEL_REPOSITORY", "/nonexistent"))
METRICS = os.environ.get("SLIPWAY_MODEL_METRICS")
IS_TRITON = os.environ.get("SLIPWAY_MODEL_ENGINE") == "triton"
GRAPHS = Path(__file__).parents[2] / "Inference" / "Models"
SECONDS = 60

NUMPY = {
    "BOOL": np.bool_, "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64, "UINT8": np.uint8,
    "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64, "FP16": np.float16, "BF16": ml_dtypes.bfloat16,
    "FP32": np.float32, "FP64": np.float64, "BYTES": np.object_,
}


def session(graph):
    """The reference: Python's onnxruntime."""
    return onnxruntime.InferenceSession(str(GRAPHS / f"{graph}.onnx"))


def sent_files(graph):
    """-> config, files: what a load sends so that version 7 of a model is the graph."""
    return {"backend": "onnxruntime"}, {"file:7/model.onnx": (GRAPHS / f"{graph}.onnx").read_bytes()}


def install(name, graph, config="", versions=(1,)):
    """Puts a model into the repository in place of what was there; `config` is its config.pbtxt, if any."""
    folder = REPOSITORY / name
    shutil.rmtree(folder, ignore_errors=True)
    for version in versions:
        place = folder / str(version)
        place.mkdir(parents=True)
        shutil.copy(GRAPHS / f"{graph}.onnx", place / "model.onnx")
    if config:
        (folder / "config.pbtxt").write_text(config)


def install_types():
    """The model "types" with each datatype that the server can have."""
    install("types", "types")
    if IS_TRITON:
        place = REPOSITORY / "types" / "1" / "model.onnx"
        model = onnx.load(place)
        for part in (model.graph.node, model.graph.input, model.graph.output):
            kept = [one for one in part if "BF16" not in one.name and not any("BF16" in name for name in getattr(one, "input", ()))]
            del part[:]
            part.extend(kept)
        onnx.save(model, place)


def request(path, body=None, headers=(), method=None, host=URL):
    """-> status, headers, body."""
    call = urllib.request.Request(f"http://{host}{path}", data=body, headers=dict(headers), method=method or ("GET" if body is None else "POST"))
    try:
        with urllib.request.urlopen(call, timeout=SECONDS) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def infer(model, body, headers=()):
    """-> status, headers, parsed JSON."""
    status, head, answer = request(f"/v2/models/{model}/infer", json.dumps(body).encode(), headers)
    return status, head, json.loads(answer)
