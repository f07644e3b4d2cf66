"""The backend "onnxruntime" of a Triton that has only its Python backend: what the wheel brings.

As <backends>/onnxruntime/model.py it is one of Triton's Python-based backends, so that a model is configured as for the
real one; what a configuration leaves out is completed from the graph.
"""
import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb

KINDS = {"string": "STRING", "float": "FP32", "double": "FP64", "float16": "FP16", "bfloat16": "BF16"}


def session(graph, parameters):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", {}).get("string_value", 0))
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def spec(value, is_batching):
    """A graph's input or output as a configuration says it."""
    kind = value.type[len("tensor("):-1]
    dims = [size if isinstance(size, int) else -1 for size in value.shape][is_batching:]
    return {"name": value.name, "data_type": f"TYPE_{KINDS.get(kind, kind.upper())}", "dims": dims}


def is_missing(value, specs):
    return all(one["name"] != value.name for one in specs)


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        given = config.as_dict()
        # The model's path is the process's first argument: nothing else here tells it.
        with open("/proc/self/cmdline") as words:
            graph = session(words.read().split("\0")[1], given["parameters"])
        is_batching = given["max_batch_size"] > 0
        for value in graph.get_inputs():
            if is_missing(value, given["input"]):
                config.add_input(spec(value, is_batching))
        # A configuration may name fewer outputs than the graph has.
        for value in [] if given["output"] else graph.get_outputs():
            config.add_output(spec(value, is_batching))
        return config

    def initialize(self, args):
        config = json.loads(args["model_config"])
        folder = os.path.join(args["model_repository"], args["model_version"])
        self.session = session(os.path.join(folder, config["default_model_filename"]), config["parameters"])
        self.outputs = [output["name"] for output in config["output"]]

    def execute(self, requests):
        return [self.answer(request) for request in requests]

    def answer(self, request):
        try:
            inputs = {tensor.name(): decoded(tensor.as_numpy()) for tensor in request.inputs()}
            values = self.session.run(self.outputs, inputs)
            return pb.InferenceResponse([pb.Tensor(name, encoded(value)) for name, value in zip(self.outputs, values)])
        except Exception as error:
            return pb.InferenceResponse([], pb.TritonError(str(error)))


def decoded(array):
    return np.char.decode(array.astype(bytes), "utf-8").astype(object) if array.dtype == object else array


def encoded(value):
    return np.char.encode(value.astype(str), "utf-8").astype(object) if value.dtype == object else value
