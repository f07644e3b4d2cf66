"""A pyfunc model behind the stock tritonclient: columns are tensors. SLIPWAY_MODEL_SERVER names the server."""
import os
import unittest

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


class PyfuncTest(unittest.TestCase):
    def setUp(self):
        self.client = triton.InferenceServerClient(os.environ["SLIPWAY_MODEL_SERVER"])

    def tearDown(self):
        self.client.close()

    def inputs(self, binary, words=("ab", "cé")):
        rows = len(words)
        columns = [
            ("a", "FP64", np.arange(rows, dtype=np.float64).reshape(rows, 1) + 0.25),
            ("b", "INT64", np.full((rows, 1), 10, dtype=np.int64)),
            ("word", "BYTES", np.array([[word.encode()] for word in words], dtype=object)),
        ]
        made = []
        for name, datatype, values in columns:
            given = triton.InferInput(name, values.shape, datatype)
            given.set_data_from_numpy(values, binary_data=binary)
            made.append(given)
        return made

    def test_metadata(self):
        metadata = self.client.get_model_metadata("table")
        self.assertEqual(metadata["platform"], "mlflow_pyfunc")
        self.assertEqual([tensor["name"] for tensor in metadata["inputs"]], ["a", "b", "word"])
        self.assertEqual({tensor["name"]: tensor["datatype"] for tensor in metadata["outputs"]}, {"total": "FP64", "label": "BYTES", "big": "BOOL"})

    def test_infer(self):
        for binary in (False, True):
            with self.subTest(binary=binary):
                wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "total", "big")]
                result = self.client.infer("table", self.inputs(binary), outputs=wanted)
                self.assertEqual([output["name"] for output in result.get_response()["outputs"]], ["label", "total", "big"])
                np.testing.assert_array_equal(result.as_numpy("total"), [[10.25], [11.25]])
                np.testing.assert_array_equal(result.as_numpy("big"), [[True], [True]])
                labels = [item.decode() if isinstance(item, bytes) else item for item in result.as_numpy("label").reshape(-1)]
                self.assertEqual(labels, ["AB", "CÉ"])

    def test_only_what_is_asked_for(self):
        result = self.client.infer("table", self.inputs(True), outputs=[triton.InferRequestedOutput("total")])
        self.assertIsNone(result.as_numpy("label"))

    def test_bytes_that_are_no_text(self):
        inputs = self.inputs(True, words=("x",))
        inputs[2].set_data_from_numpy(np.array([[b"\xff"]], dtype=object))
        with self.assertRaises(InferenceServerException) as caught:
            self.client.infer("table", inputs)
        self.assertIn("input 'word' has an element that is no UTF-8 text", caught.exception.message())

    def test_statistics(self):
        self.client.infer("table", self.inputs(True))
        (statistics,) = self.client.get_inference_statistics("table")["model_stats"]
        self.assertGreater(statistics["execution_count"], 0)


if __name__ == "__main__":
    unittest.main()
