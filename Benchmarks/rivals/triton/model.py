"""An ONNX graph behind Triton's Python backend: the only backend that can be had without a container.

Requests that Triton has gathered are joined by row and run as one.
"""
import json
import os

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        graph = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self.outputs = [output["name"] for output in json.loads(args["model_config"])["output"]]

    def execute(self, requests):
        parts = [pb.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
        results = self.session.run(self.outputs, {"input": rows})
        answers, start = [], 0
        for part in parts:
            end = start + len(part)
            tensors = [pb.Tensor(name, result[start:end].reshape(len(part), -1)) for name, result in zip(self.outputs, results)]
            answers.append(pb.InferenceResponse(output_tensors=tensors))
            start = end
        return answers
