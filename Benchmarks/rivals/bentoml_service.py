"""An ONNX graph behind BentoML.

MODEL: the ONNX file. Run: bentoml serve bentoml_service:Classifier --port P
"""
import os

import bentoml
import numpy as np
import onnxruntime


@bentoml.service(workers=1, traffic={"timeout": 30})
class Classifier:
    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
        self.names = [output.name for output in self.session.get_outputs()]

    @bentoml.api
    def predict(self, instances: list[list[float]]) -> dict:
        results = self.session.run(self.names, {"input": np.array(instances, dtype=np.float32)})
        return {name: result.tolist() for name, result in zip(self.names, results)}
