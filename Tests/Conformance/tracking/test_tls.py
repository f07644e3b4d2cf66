"""The stock mlflow client over TLS, its certificate checked (MLFLOW_TRACKING_SERVER_CERT_PATH)."""
import http.client
import os
import unittest
import urllib.parse

from mlflow import MlflowClient

URI = os.environ["SLIPWAY_TRACKING_URI"]


class TLS(unittest.TestCase):
    def test_client(self):
        client = MlflowClient(URI)
        run = client.create_run("0")
        client.log_param(run.info.run_id, "p", "x")
        self.assertEqual(client.get_run(run.info.run_id).data.params, {"p": "x"})
        self.assertTrue(client.search_experiments())
        client.log_text(run.info.run_id, "whole" * 100_000, "a/b.txt")
        self.assertEqual([file.path for file in client.list_artifacts(run.info.run_id, "a")], ["a/b.txt"])

    def test_plain(self):
        address = urllib.parse.urlsplit(URI)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=60)
        with self.assertRaises((http.client.HTTPException, OSError)):
            connection.request("GET", "/health")
            connection.getresponse()


if __name__ == "__main__":
    unittest.main()
