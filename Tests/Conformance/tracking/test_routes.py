"""Every route of MLflow: answered, or missing as on a server that has no such thing; and the page that lists them.

Runs last: what the other suites called is what the page calls supported.
"""
import os
import re
import time
import unittest

import requests

import mlflow
from support import Base, GENERATION, RECORDING, SEEN, URI

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = os.path.join(HERE, "../../../docs/reference/mlflow-api.md")
#: A client that asks for what is missing must hear it at once.
SECONDS = 30
ENGINE = os.environ.get("SLIPWAY_TRACKING_ENGINE") == "mlflow"

#: Served, though no service of the protocol's definition has them.
OTHERS = [
    ("GET", "/health"), ("GET", "/version"), ("GET", "/api/3.0/mlflow/server-info"), ("GET", "/get-artifact"),
    ("GET", "/model-versions/get-artifact"), ("GET", "/api/2.0/mlflow/metrics/get-history-bulk"),
]

#: What is left out where a route is not as whole as MLflow's.
PARTLY = {
    "POST /api/2.0/mlflow/runs/log-metric": "the dataset that a value was measured on is not kept",
    "POST /api/2.0/mlflow/runs/log-batch": "the dataset that a value was measured on is not kept",
    "POST /api/2.0/mlflow/logged-models/search": "`datasets` is checked and does not narrow the search",
}


def routes():
    """(group, method, path, name) of each route that MLflow defines."""
    group = ""
    with open(os.path.join(HERE, "routes.txt")) as file:
        for line in file:
            if line.startswith("## "):
                group = line[3:].rsplit(" ", 1)[0].strip()
            elif line.strip():
                method, path, name = line.split()
                yield group, method, path, name


def example(path):
    return re.sub(r"\{[^}]*\}", "x", re.sub(r"<path:[^>]*>", "no/such/file", path))


def matcher(path):
    pattern = re.escape(path).replace(r"<path:artifact_path>", ".+")
    return re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", pattern) + "$")


def ask(method, path):
    """Whether the server under test has the route, and how long it took to say so."""
    began = time.monotonic()
    RECORDING[0] = False
    try:
        answer = requests.request(method, URI + example(path), json=None if method == "GET" else {}, timeout=SECONDS)
    finally:
        RECORDING[0] = True
    return not (answer.status_code in (404, 405) and "error_code" not in answer.text), time.monotonic() - began, answer


def exercised(method, path):
    """Whether a suite called it and got what it asked for."""
    pattern = matcher(path)
    return any(
        m == method and pattern.match(p.replace("/ajax-api/", "/api/", 1)) and min(statuses) < 400 for (m, p), statuses in SEEN.items()
    )


class Routes(Base):
    @unittest.skipIf(ENGINE, "MLflow's own server has them all")
    def test_what_is_missing_is_missing_at_once(self):
        for _, method, path, _ in routes():
            has, seconds, answer = ask(method, path)
            self.assertLess(seconds, SECONDS / 2, path)
            if not has:
                self.assertEqual(answer.status_code, 404, f"{method} {path}")
            else:
                self.assertNotIn(answer.status_code, (404, 405) if "no/such" not in example(path) and "{" not in path else (405,), f"{method} {path}")
                self.assertLess(answer.status_code, 500, f"{method} {path}: {answer.text[:200]}")

    @unittest.skipIf(ENGINE, "MLflow's own server has them all")
    def test_both_spellings(self):
        for _, method, path, _ in routes():
            if path.startswith("/api/2.0/"):
                self.assertEqual(ask(method, path)[0], ask(method, path.replace("/api/", "/ajax-api/", 1))[0], path)

    @unittest.skipIf(ENGINE, "MLflow's own server has them all")
    def test_clients_go_on_without(self):
        """Traces and webhooks are not kept: the client says so, and does not hang."""
        began = time.monotonic()
        experiment = self.experiment()
        if GENERATION >= 3:
            mlflow.set_experiment(experiment_id=experiment)
            with mlflow.start_span("span") as span:
                span.set_inputs({"a": 1})
            mlflow.flush_trace_async_logging(terminate=True) if hasattr(mlflow, "flush_trace_async_logging") else None
            with self.assertRaises(mlflow.exceptions.MlflowException):
                self.client.list_webhooks()
            with self.assertRaises(mlflow.exceptions.MlflowException):
                self.client.search_traces(locations=[experiment])
        self.assertEqual(self.client.get_experiment(experiment).lifecycle_stage, "active")
        self.assertLess(time.monotonic() - began, SECONDS)

    def test_plain_routes(self):
        self.assertEqual(requests.get(f"{URI}/health", timeout=SECONDS).text, "OK")
        self.assertRegex(requests.get(f"{URI}/version", timeout=SECONDS).text, r"^3\.\d+\.\d+$")
        info = requests.get(f"{URI}/api/3.0/mlflow/server-info", timeout=SECONDS).json()
        self.assertEqual((info["store_type"], info["workspaces_enabled"]), ("SqlStore", False))

    @unittest.skipIf(ENGINE or GENERATION < 3 or not os.environ.get("SLIPWAY_SUITE_WHOLE"), "only the whole suite shows what is supported")
    def test_zz_page(self):
        lines, silent = page()
        self.assertFalse(silent, "the server has these, and no test called them")
        if os.environ.get("SNAPSHOTS") == "update":
            with open(PAGE, "w") as file:
                file.write(lines)
        with open(PAGE) as file:
            self.assertEqual(file.read(), lines, "docs/reference/mlflow-api.md is out of date: run this suite with --page")


def page():
    """The page, and the routes that the server has and nothing tried."""
    groups, silent, counts = {}, [], {"supported": 0, "partly": 0, "no": 0}
    for group, method, path, _ in [*routes(), *(("Others", m, p, "") for m, p in OTHERS)]:
        called = exercised(method, path)
        has = ask(method, path)[0]
        if has and not called:
            silent.append(f"{method} {path}")
        partly = PARTLY.get(f"{method} {path}")
        state = "no" if not has else f"partly: {partly}" if partly else "supported"
        counts[state.split(":")[0]] += 1
        groups.setdefault(group, []).append(f"| {method} | `{path}` | {state} |")
    text = [
        "# MLflow's REST API",
        "",
        "Which routes of MLflow 3.17 the embedded tracking server has. Written by `Tests/Conformance/tracking/run.py --page`",
        "from what the server knows and what the suite called; do not edit. Every route is also under `/ajax-api`. What is",
        "not here is answered 404, as by a server that never had it, so that clients go on without.",
        "",
        f"{counts['supported']} supported, {counts['partly']} partly, {counts['no']} not.",
    ]
    for group, rows in groups.items():
        text += ["", f"## {group}", "", "| method | path | |", "|---|---|---|", *rows]
    return "\n".join(text) + "\n", silent
