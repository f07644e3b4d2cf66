"""Runs `model.onnx` beside it with onnxruntime, in Triton's Python backend: the ONNX one is in no wheel."""
import json
from pathlib import Path
import numpy as np
import onnxruntime
import triton_python_backend_utils as pb

class TritonPythonModel:
    def initialize(self, args):
        folder = Path(args["model_repository"]) / args["model_version"]
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        self.outputs = [output["name"] for output in json.loads(args["model_config"])["output"]]

    def execute(self, requests):
        answers = []
        for request in requests:
            inputs = {}
            for tensor in request.inputs():
                array = tensor.as_numpy()
                inputs[tensor.name()] = np.char.decode(array.astype(bytes), "utf-8").astype(object) if array.dtype == object else array
            try:
                values = self.session.run(self.outputs, inputs)
                tensors = [pb.Tensor(n, np.char.encode(v.astype(str), "utf-8").astype(object) if v.dtype == object else v) for n, v in zip(self.outputs, values)]
                answers.append(pb.InferenceResponse(tensors))
            except Exception as error:
                answers.append(pb.InferenceResponse([], pb.TritonError(str(error))))
        return answers
