"""Dynamic batching behind the stock tritonclient. SLIPWAY_MODEL_SERVER: host:port.

Models: heavy and other (gather up to 16 rows), single (the same graph, gathers nothing), narrow (gathers; two requests may
wait, each for 20 s unless it says less), tiny (y = 2x + 1 in microseconds, waits half a second for company), lonely (as tiny).
"""
import concurrent.futures
import http.client
import json
import os
import socket
import threading
import time
import unittest

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

URL = os.environ["SLIPWAY_MODEL_SERVER"]
CLIENTS = 24


def infer(client, model, rows, **more):
    value = triton.InferInput("x", rows.shape, "FP32")
    value.set_data_from_numpy(rows)
    return client.infer(model, [value], **more).as_numpy("y")


def statistics(model):
    with triton.InferenceServerClient(URL) as client:
        (found,) = client.get_inference_statistics(model)["model_stats"]
        return found


class Counter:
    """What a model's statistics count, so that two readings can be compared."""

    def __init__(self, found):
        self.rows = int(found["inference_count"])
        self.runs = int(found["execution_count"])
        self.sizes = {int(entry["batch_size"]): int(entry["compute_infer"]["count"]) for entry in found["batch_stats"]}

    def __sub__(self, before):
        self.rows -= before.rows
        self.runs -= before.runs
        sizes = {size: count - before.sizes.get(size, 0) for size, count in self.sizes.items()}
        self.sizes = {size: count for size, count in sizes.items() if count}
        return self


class Batching(unittest.TestCase):
    def test_together_is_the_same_as_alone(self):
        generator = np.random.default_rng(3)
        tasks = [generator.standard_normal((1 + number % 3, 3)).astype(np.float32) for number in range(10 * CLIENTS)]
        # The client is bound to the thread that made it.
        parts = [tasks[number::CLIENTS] for number in range(CLIENTS)]
        start = threading.Barrier(CLIENTS)
        before = Counter(statistics("heavy"))

        def ask(part):
            with triton.InferenceServerClient(URL) as client:
                client.is_server_live()
                start.wait()
                return [infer(client, "heavy", rows) for rows in part]

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            parted = list(pool.map(ask, parts))
        answers = [parted[number % CLIENTS][number // CLIENTS] for number in range(len(tasks))]
        with triton.InferenceServerClient(URL) as client:
            for rows, answer in zip(tasks[:20], answers):
                alone = infer(client, "single", rows)
                self.assertEqual(answer.tobytes(), alone.tobytes())
            for rows, answer in zip(tasks, answers):
                self.assertEqual(answer.tobytes(), (rows * np.float32(2)).tobytes())
        found = Counter(statistics("heavy")) - before
        self.assertEqual(found.rows, sum(len(rows) for rows in tasks))
        self.assertLess(found.runs, len(tasks) / 2)
        self.assertTrue(any(size > 3 for size in found.sizes), found.sizes)
        self.assertTrue(all(size <= 16 for size in found.sizes), found.sizes)
        self.assertEqual(sum(found.sizes.values()), found.runs)
        self.assertEqual(sum(size * count for size, count in found.sizes.items()), found.rows)
        self.assertTrue(all(int(entry["batch_size"]) <= 3 for entry in statistics("single")["batch_stats"]))

    def test_requests_of_different_outputs_and_shapes_are_answered(self):
        def ask(number):
            with triton.InferenceServerClient(URL) as client:
                if number % 4 == 0:
                    with self.assertRaises(InferenceServerException):
                        infer(client, "other", np.zeros((1, 4), np.float32))
                    return
                rows = np.full((1, 3), number, np.float32)
                self.assertTrue((infer(client, "other", rows, request_id=str(number)) == rows * 2).all())

        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(ask, range(2 * CLIENTS)))


    def test_company_is_waited_for(self):
        start = threading.Barrier(8)

        def ask(number):
            with triton.InferenceServerClient(URL) as client:
                client.is_server_live()
                start.wait()
                rows = np.full((1, 3), number, np.float32)
                self.assertTrue((infer(client, "tiny", rows) == rows * 2 + 1).all())

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(8)))
        found = statistics("tiny")
        self.assertEqual(found["inference_count"], 8)
        self.assertLess(found["execution_count"], 8)

    def test_one_client_never_waits(self):
        with triton.InferenceServerClient(URL) as client:
            began = time.monotonic()
            for _ in range(20):
                infer(client, "lonely", np.zeros((1, 3), np.float32))
            self.assertLess(time.monotonic() - began, 20 * 0.5)
        self.assertEqual(statistics("lonely")["execution_count"], 20)


class Waiting(unittest.TestCase):
    """A flood keeps `narrow` busy with two requests waiting; what else comes is refused."""

    def setUp(self):
        self.stop = threading.Event()
        self.flood = [threading.Thread(target=self.keep_asking) for _ in range(6)]
        for thread in self.flood:
            thread.start()

    def tearDown(self):
        self.stop.set()
        for thread in self.flood:
            thread.join()

    def keep_asking(self):
        with triton.InferenceServerClient(URL) as client:
            while not self.stop.is_set():
                try:
                    infer(client, "narrow", np.zeros((4, 3), np.float32))
                except InferenceServerException:
                    pass

    def until(self, what):
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if what():
                return
        self.fail("it never came")

    def post(self, parameters):
        connection = http.client.HTTPConnection(URL)
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}], "parameters": parameters}
        connection.request("POST", "/v2/models/narrow/infer", json.dumps(body))
        response = connection.getresponse()
        answer = response.status, response.getheader("Retry-After"), json.loads(response.read()).get("error", "")
        connection.close()
        return answer

    def test_a_full_line_refuses(self):
        self.until(lambda: self.post({}) == (503, "1", "Exceeds maximum queue size: model 'narrow' has all the waiting requests that it may have"))

    def test_a_deadline_is_kept(self):
        self.until(lambda: self.post({"timeout": 1})[::2] == (503, "Request timeout expired: model 'narrow' did not come to it in time"))

    def test_clients_that_leave_cost_no_run(self):
        body = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]})
        head = f"POST /v2/models/narrow/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        host, port = URL.split(":")
        for _ in range(50):
            with socket.create_connection((host, int(port))) as leaver:
                leaver.sendall((head + body).encode())
        with triton.InferenceServerClient(URL) as client:
            self.assertTrue(client.is_model_ready("narrow"))


if __name__ == "__main__":
    unittest.main()
