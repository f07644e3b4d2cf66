"""Runs every suite of this folder against one tracking server.

    python Tests/Conformance/tracking/run.py --uri http://127.0.0.1:5000 [--only TEXT] [--record] [--page]

The same assertions hold for `mlflow server`; --record writes down what that one answers (answers.json), --page
writes docs/reference/mlflow-api.md from what the server under test knows and what was exercised.
"""
import argparse
import importlib
import os
import sys
import unittest

SUITES = ["test_wire", "test_experiments", "test_runs", "test_search", "test_registry", "test_models", "test_artifacts", "test_routes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uri", default=os.environ.get("SLIPWAY_TRACKING_URI"))
    parser.add_argument("--only", default="", help="tests whose name has this in it")
    parser.add_argument("--engine", action="store_true", help="the server is MLflow's own")
    parser.add_argument("--record", action="store_true", help="write answers.json from this server")
    parser.add_argument("--page", action="store_true", help="write docs/reference/mlflow-api.md")
    options = parser.parse_args()
    if not options.uri:
        parser.error("--uri or SLIPWAY_TRACKING_URI: the server to try")
    os.environ["SLIPWAY_TRACKING_URI"] = options.uri
    os.environ["MLFLOW_TRACKING_URI"] = options.uri
    if options.engine:
        os.environ["SLIPWAY_TRACKING_ENGINE"] = "mlflow"
    if options.page:
        os.environ["SNAPSHOTS"] = "update"
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    if options.record:
        importlib.import_module("test_wire").record(options.uri)
        return 0
    os.environ["SLIPWAY_SUITE_WHOLE"] = "" if options.only else "1"
    suite = unittest.TestSuite()
    for name in SUITES:
        for group in unittest.defaultTestLoader.loadTestsFromModule(importlib.import_module(name)):
            for test in group:
                if options.only in test.id():
                    suite.addTest(test)
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
