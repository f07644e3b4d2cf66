"""Breaks a copy of baseline/, optional/ and docs/ in each way that a check is there for, and asks that it says so.

    Tests/Cluster/test_baseline.py
"""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
STACK = "baseline/kube-prometheus-stack"

# What is broken, the check, the file, what stands there, what then stands there, what is said.
BREAKAGES = [
    ("an alert without a page", "rules", "docs/runbook/alerts/TargetMissing.md", None, None, "'docs/runbook/alerts/TargetMissing.md' is missing"),
    ("a page without remedy", "rules", "docs/runbook/alerts/TargetMissing.md", "## Remedy", "## Repair", "lacks one of"),
    ("a page about another alert", "rules", "docs/runbook/alerts/TargetMissing.md", "# TargetMissing", "# Targets", "has another title"),
    ("an alert that the index forgets", "rules", "docs/runbook/alerts/README.md", "(TargetMissing.md)", "(PodRestarting.md)", "lists ['TargetMissing'] wrongly"),
    ("an expression that does not parse", "rules", f"{STACK}/rules/cluster.yaml", "expr: up == 0", "expr: up ==", "promtool check rules"),
    ("a threshold that no case agrees with", "rules", f"{STACK}/rules/cluster.yaml", "expr: up == 0", "expr: up == 1", "promtool test rules"),
    ("an alert that always fires", "rules", f"{STACK}/rules/cluster.yaml", "expr: up == 0", "expr: up >= 0", "promtool test rules"),
    ("an alert that waits for ever", "rules", f"{STACK}/rules/cluster.yaml", "expr: up == 0\n          for: 10m", "expr: up == 0\n          for: 10h", "promtool test rules"),
    ("a summary with a label that is not there", "rules", f"{STACK}/rules/cluster.yaml", "{{ $labels.job }} in", "{{ $labels.jobb }} in", "promtool test rules"),
    ("no case that fires", "rules", f"{STACK}/tests/cluster.yaml", "alertname: TargetMissing\n        exp_alerts", "alertname: PodRestarting\n        exp_alerts", "no case fires 'TargetMissing'"),
    ("a metric that nobody exports", "rules", f"{STACK}/rules/rollout.yaml", "slipway_gateway_routing_generation", "slipway_gateway_release_generation", "nobody is known to export 'slipway_gateway_release_generation'"),
    ("no severity", "rules", f"{STACK}/rules/cluster.yaml", "for: 10m\n          labels: { severity: warning }", "for: 10m\n          labels: { severity: bad }", "has no severity"),
    ("a rule that is none", "rules", f"{STACK}/rules/cluster.yaml", "kind: PrometheusRule", "kind: Rule", "is no PrometheusRule"),
    ("no runbook_url", "rules", f"{STACK}/templates/rules.yaml", "runbook_url", "runbook", "no runbook_url"),
    ("a query of a dashboard that does not parse", "rules", f"{STACK}/dashboards/serving.json", "sum by (outcome) (", "sum by (outcome) ((", "check queries of dashboards"),
    ("a dashboard with another's uid", "rules", f"{STACK}/dashboards/serving.json", '"uid": "slipway-serving"', '"uid": "slipway-rollout"', "has no uid of its own"),
    ("a dashboard that asks for what is not exported", "rules", f"{STACK}/dashboards/engines.json", "nv_inference_exec_count", "nv_inference_executions", "nobody is known to export 'nv_inference_executions'"),
    ("a component that is not there", "alloy", "baseline/alloy/config.alloy", "loki.process.lines.receiver", "loki.process.line.receiver", "names nothing that a component gives"),
    ("a run as a label", "alloy", "baseline/alloy/config.alloy", 'level = "",', 'run_id = "",', "'run_id' as a label"),
    ("an attribute that is not there", "alloy", "baseline/alloy/config.alloy", "max_backoff_retries", "max_retries", "has no attribute 'max_retries'"),
    ("a block that is not closed", "alloy", "baseline/alloy/config.alloy", "\tattach_metadata {\n\t\tnamespace = true\n\t}\n", "\tattach_metadata {\n\t\tnamespace = true\n", "a block is not closed"),
    ("a string's escape that Alloy does not know", "alloy", "baseline/alloy/config.alloy", '"\\\\s(?P', '"\\s(?P', "is no escape in a string"),
    ("an id that is not extracted", "alloy", "baseline/alloy/config.alloy", 'request_id     = "\\"request.id\\"",', "", "no stage before this one extracts 'request_id'"),
    ("a pin that moves", "values", "baseline/loki/Chart.yaml", "version: 18.11.0", "version: 18.x", "is not pinned"),
    ("an overlay of another environment", "values", "envs/prod/values/loki.yaml", "environment: prod", "environment: dev", "names the environment 'dev'"),
    ("no overlay", "values", "envs/prod/values/loki.yaml", None, None, "is missing"),
    ("a feature store that values.yaml does not hold", "values", "optional/feast/feature_store.yaml", "project: slipway", "project: other", "is not feature_store.yaml"),
    ("a key that the chart does not know", "values-copy", "baseline/loki/values.yaml", "deploymentMode:", "deployMode:", "the chart has no 'deployMode'"),
]


class Breakages(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.root = Path(work.name) / "tree"
        for folder in ("baseline", "optional", "docs/runbook", "docs/security", "Sources/Gateway/Server", "Sources/Inference/Server", "Sources/Release/Reconciler", "Sources/Commands"):
            shutil.copytree(REPOSITORY / folder, self.root / folder)
        for environment in ("dev", "prod"):
            shutil.copytree(REPOSITORY / "envs" / environment / "values", self.root / "envs" / environment / "values")
        # Hours of pretended time that no breakage below is about.
        cases = self.root / STACK / "tests/serving.yaml"
        content = yaml.safe_load(cases.read_text())
        content["tests"] = [case for case in content["tests"] if "slow burn" not in case["name"]]
        cases.write_text(yaml.safe_dump(content, sort_keys=False))
        self.copy = Path(work.name) / "loki-values.yaml"
        # A chart that knows exactly what we set.
        known = yaml.safe_load((REPOSITORY / "baseline/loki/values.yaml").read_text())["loki"]
        known["commonLabels"] = known["singleBinary"]["persistence"]["labels"] = {}
        self.copy.write_text(yaml.safe_dump(known))

    def look(self, check):
        script, arguments = {
            # Commands are the business of a case of their own.
            "rules": ("check_rules.py", ["--root", self.root, "--no-commands"]),
            "alloy": ("check_alloy.py", [self.root / "baseline/alloy/config.alloy"]),
            "values": ("check_values.py", ["--root", self.root]),
            "values-copy": ("check_values.py", ["--root", self.root, f"baseline/loki={self.copy}"]),
        }[check]
        done = subprocess.run([sys.executable, REPOSITORY / "Tests/Cluster" / script, *map(str, arguments)], capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    def test_the_tree_as_it_is_passes(self):
        for check in ("rules", "alloy", "values", "values-copy"):
            with self.subTest(check=check):
                self.assertEqual(0, self.look(check)[0], self.look(check)[1])

    def test_each_breakage_is_said(self):
        for what, check, name, old, new, said in BREAKAGES:
            with self.subTest(what=what):
                path = self.root / name
                text = path.read_text()
                try:
                    if old is None:
                        path.unlink()
                    else:
                        self.assertIn(old, text, "the breakage itself no longer fits")
                        path.write_text(text.replace(old, new, 1))
                    code, output = self.look(check)
                    self.assertNotEqual(0, code, output)
                    self.assertIn(said, output)
                finally:
                    path.write_text(text)

    def test_a_command_that_does_not_exist_is_said(self):
        program = self.root / "slipway"
        program.write_text("#!/bin/sh\ncase \"$1\" in\nrelease) [ \"$2\" = rollback ] && echo '  --env <env>' || printf 'SUBCOMMANDS:\\n  rollback   Back.\\n' ;;\n*) printf 'SUBCOMMANDS:\\n  release   What serves.\\n' ;;\nesac\n")
        program.chmod(0o755)
        for page in (self.root / "docs").rglob("*.md"):
            if "alerts" not in page.parts:
                page.write_text("")
        for page in (self.root / "docs/runbook/alerts").glob("*.md"):
            if page.name != "README.md":
                page.write_text(page.read_text().replace("slipway ", "other "))
        page = self.root / "docs/runbook/alerts/TargetMissing.md"
        for command, said in (("slipway release rollback M --env ENV", None), ("slipway releases", "is no command"), ("slipway release rollback M --force", "no option --force")):
            with self.subTest(command=command):
                page.write_text(page.read_text().partition("\n\nTry ")[0] + f"\n\nTry `{command}`.\n")
                done = subprocess.run([sys.executable, REPOSITORY / "Tests/Cluster/check_rules.py", "--root", str(self.root), "--slipway", str(program)], capture_output=True, text=True, timeout=300)
                self.assertEqual(said is None, done.returncode == 0, done.stdout)
                self.assertIn(said or "rules:", done.stdout)

    def test_dashboards_are_as_their_maker_writes_them(self):
        for path in (REPOSITORY / STACK / "dashboards").glob("*.json"):
            with self.subTest(path=path.name):
                board = json.loads(path.read_text())
                self.assertEqual(json.dumps(board, indent=2, ensure_ascii=False) + "\n", path.read_text())
                self.assertEqual(len(board["panels"]), len({panel["id"] for panel in board["panels"]}))


if __name__ == "__main__":
    unittest.main()
