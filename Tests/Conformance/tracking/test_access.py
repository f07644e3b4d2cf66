"""The stock mlflow client, and raw requests, against a tracking server that wants tokens.

SLIPWAY_TRACKING_URI: the server; SLIPWAY_READ_TOKEN and SLIPWAY_WRITE_TOKEN: tokens of it.
"""
import http.client
import os
import unittest
import urllib.parse
import uuid
from unittest import mock

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException

URI = os.environ["SLIPWAY_TRACKING_URI"]
READ = os.environ["SLIPWAY_READ_TOKEN"]
WRITE = os.environ["SLIPWAY_WRITE_TOKEN"]
QUICK = ("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")
ROUTED = ("POST", "/api/2.0/mlflow/experiments/search")


def with_environment(**variables):
    return mock.patch.dict(os.environ, variables)


def raw(method, path, **headers):
    address = urllib.parse.urlsplit(URI)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
    headers = {"Authorization": f"Bearer {WRITE}", **headers}
    connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


class Access(unittest.TestCase):
    def test_bearer(self):
        with with_environment(MLFLOW_TRACKING_TOKEN=WRITE):
            client = MlflowClient(URI)
            run = client.create_run(client.create_experiment(uuid.uuid4().hex))
            client.log_metric(run.info.run_id, "m", 1.0)
            self.assertEqual(client.get_run(run.info.run_id).data.metrics, {"m": 1.0})

    def test_password(self):
        with with_environment(MLFLOW_TRACKING_USERNAME="me", MLFLOW_TRACKING_PASSWORD=WRITE):
            MlflowClient(URI).create_experiment(uuid.uuid4().hex)

    def test_reader(self):
        with with_environment(MLFLOW_TRACKING_TOKEN=READ):
            client = MlflowClient(URI)
            client.search_experiments()
            client.search_runs(["0"])
            client.search_registered_models()
            for change in (lambda: client.create_run("0"), lambda: client.create_registered_model("m")):
                with self.assertRaises(RestException) as caught:
                    change()
                self.assertEqual(caught.exception.error_code, "PERMISSION_DENIED")
                self.assertIn("'write'", caught.exception.message)

    def test_nobody(self):
        client = MlflowClient(URI)
        for call in (lambda: client.get_experiment("0"), lambda: client.search_experiments()):
            with self.assertRaises(MlflowException) as caught:
                call()
            self.assertEqual(caught.exception.error_code, "UNAUTHENTICATED")
        with with_environment(MLFLOW_TRACKING_TOKEN=WRITE[:-1] + ("0" if WRITE[-1] != "0" else "1")):
            with self.assertRaises(MlflowException):
                MlflowClient(URI).get_experiment("0")

    def test_hosts(self):
        for call in (QUICK, ROUTED):
            self.assertEqual(raw(*call)[0], 200)
            self.assertEqual(raw(*call, Host="localhost:1234")[0], 200)
            for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1"):
                status, body = raw(*call, Host=host)
                self.assertEqual(status, 403)
                self.assertIn(b"PERMISSION_DENIED", body)
        self.assertEqual(raw("GET", "/health", Host="probe.example")[0], 200)

    def test_origins(self):
        for path in ("/api/2.0/mlflow/runs/create", "/api/2.0/mlflow/experiments/delete"):
            self.assertEqual(raw("POST", path, Origin="https://evil.example")[0], 403)


if __name__ == "__main__":
    unittest.main()
