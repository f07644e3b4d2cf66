"""Triton's classification extension, over HTTP and, where SLIPWAY_MODEL_SERVER_GRPC says where it is, gRPC."""
import os
import shutil
import unittest

import numpy as np
import tritonclient.grpc as grpc
import tritonclient.http as http
from support import REPOSITORY, URL, infer, install
from tritonclient.utils import InferenceServerException

GRPC_URL = os.environ.get("SLIPWAY_MODEL_SERVER_GRPC", "")
X = np.array([[3, -1, 2], [0, 5, 5]], np.float32)
LABELLED = """
max_batch_size: 8
input [ { name: "x" data_type: TYPE_FP32 dims: [ 3 ] } ]
output [ { name: "y" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" } ]
"""


def setUpModule():
    install("classes", "affine", LABELLED)
    (REPOSITORY / "classes" / "labels.txt").write_text("cat\ndog\n")
    install("plain", "affine", "max_batch_size: 0\n")
    client = http.InferenceServerClient(URL)
    client.load_model("classes")
    client.load_model("plain")


class Classification(unittest.TestCase):
    def classes(self, library, url, model, count, **output):
        with library.InferenceServerClient(url) as client:
            value = library.InferInput("x", list(X.shape), "FP32")
            value.set_data_from_numpy(X)
            result = client.infer(model, [value], outputs=[library.InferRequestedOutput("y", class_count=count, **output)])
            head = result.get_output("y")
            self.assertEqual(head["datatype"] if library is http else head.datatype, "BYTES")
            return result.as_numpy("y")

    # The model answers 2x + 1.
    def test_each_row_has_its_largest_with_their_labels(self):
        wanted = [[b"7.000000:0:cat", b"5.000000:2"], [b"11.000000:1:dog", b"11.000000:2"]]
        answers = [
            self.classes(http, URL, "classes", 2, binary_data=True),
            np.char.encode(self.classes(http, URL, "classes", 2, binary_data=False).astype(str)),
        ]
        if GRPC_URL:
            answers.append(self.classes(grpc, GRPC_URL, "classes", 2))
        for answer in answers:
            np.testing.assert_array_equal(answer, wanted)

    def test_there_are_never_more_than_elements(self):
        self.assertEqual(self.classes(http, URL, "classes", 10).shape, (2, 3))

    def test_without_a_batch_dimension_all_elements_are_one_row(self):
        np.testing.assert_array_equal(self.classes(http, URL, "plain", 3), [b"11.000000:4", b"11.000000:5", b"7.000000:0"])

    def test_what_is_no_number_of_classes_is_refused(self):
        for count in (-1, "two", 1.5):
            status, _, answer = infer("classes", {
                "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}],
                "outputs": [{"name": "y", "parameters": {"classification": count}}],
            })
            self.assertIn(status, (400, 500), answer)

    def test_a_label_file_that_is_not_there_fails_the_load(self):
        install("unlabelled", "affine", LABELLED)
        client = http.InferenceServerClient(URL)
        with self.assertRaisesRegex(InferenceServerException, "labels.txt"):
            client.load_model("unlabelled")
        shutil.rmtree(REPOSITORY / "unlabelled")


if __name__ == "__main__":
    unittest.main()
