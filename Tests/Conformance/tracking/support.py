"""What the suites share: the server under test, refusals, and the record of the calls that were made."""
import os
import re
import time
import unittest
import urllib.parse
import uuid
import warnings

# A server that is down must fail a suite in seconds, not minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")

import logging

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

for name in ("mlflow", "alembic", "py.warnings"):
    logging.getLogger(name).setLevel(logging.ERROR)
warnings.simplefilter("ignore")

URI = os.environ.get("SLIPWAY_TRACKING_URI", "")
GENERATION = int(mlflow.__version__.split(".")[0])

#: (method, path) → statuses seen; docs/reference/mlflow-api.md is made of it.
SEEN = {}
#: Off while a route is only asked whether it is there.
RECORDING = [True]


def record_route(method, path, status):
    if RECORDING[0]:
        SEEN.setdefault((method, urllib.parse.unquote(path)), set()).add(status)


_send = requests.Session.send


def _recording_send(session, request, **options):
    response = _send(session, request, **options)
    record_route(request.method, urllib.parse.urlsplit(request.url).path, response.status_code)
    return response


requests.Session.send = _recording_send


def unique(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def now():
    return int(time.time() * 1000)


def since(generation):
    return unittest.skipIf(GENERATION < generation, f"clients before {generation} have no such thing")


class Base(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        mlflow.set_tracking_uri(URI)
        mlflow.set_registry_uri(URI)
        self.client = MlflowClient(URI)
        while mlflow.active_run():
            mlflow.end_run()

    def tearDown(self):
        mlflow.autolog(disable=True, silent=True)
        while mlflow.active_run():
            mlflow.end_run()

    def refused(self, code, pattern, call, *arguments, **named):
        """`call` fails with this error class and exactly these words somewhere in the message."""
        with self.assertRaises(MlflowException) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.error_code, code, str(caught.exception))
        self.assertRegex(str(caught.exception), pattern if pattern.startswith("(?") else re.escape(pattern))
        return caught.exception

    def experiment(self, **options):
        return self.client.create_experiment(unique("experiment"), **options)

    def run_in(self, experiment, **options):
        return self.client.create_run(experiment, **options).info.run_id
