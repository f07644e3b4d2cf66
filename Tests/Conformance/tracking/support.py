"""What the suites share: the server under test, refusals, and the record of calls made."""
import os
import re
import unittest
import urllib.parse
import uuid

import mlflow
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

#: (method, path) → statuses seen, for docs/reference/mlflow-api.md.
SEEN = {}


def record_route(method, path, status):
    SEEN.setdefault((method, urllib.parse.unquote(path)), set()).add(status)


_send = requests.Session.send


def _recording_send(session, request, **options):
    response = _send(session, request, **options)
    record_route(request.method, urllib.parse.urlsplit(request.url).path, response.status_code)
    return response


requests.Session.send = _recording_send
