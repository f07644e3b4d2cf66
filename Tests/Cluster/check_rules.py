"""Runs promtool over our rules, their cases and the dashboards' queries; asks that every alert is complete.

    .tools/venv/bin/python Tests/Cluster/check_rules.py [--root DIR] [--slipway PROGRAM]

Each alert has a page below docs/runbook/alerts with all its headings, a case that fires it, one that does
not, and a `summary`; each dashboard names only metrics that a rule records or somebody is known to export.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
STACK = "baseline/kube-prometheus-stack"
PAGES = "docs/runbook/alerts"
HEADINGS = ["## What it means", "## What users notice", "## First look", "## Remedy", "## Escalation"]
SEVERITIES = {"critical", "warning"}
# What Grafana puts in place of its own variables before Prometheus sees a query.
GRAFANA_WORDS = [(r"\$__rate_interval", "5m"), (r"\$__range", "1h"), (r"\$\{?\w+(:\w+)?\}?", ".+")]


class Findings:
    def __init__(self):
        self.checked, self.failures, self.skipped = 0, [], []

    def check(self, holds, message):
        self.checked += 1
        if not holds:
            self.failures.append(message)
        return bool(holds)


def promtool(findings, arguments, what):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    return findings.check(done.returncode == 0, f"promtool {what}: {(done.stdout + done.stderr).strip()}")


def load_rules(findings, root):
    """File name → the groups of its PrometheusRule."""
    found = {}
    for path in sorted((root / STACK / "rules").glob("*.yaml")):
        manifest = yaml.safe_load(path.read_text())
        if findings.check(manifest.get("kind") == "PrometheusRule" and manifest["apiVersion"] == "monitoring.coreos.com/v1",
                          f"'{path.relative_to(root)}' is no PrometheusRule"):
            found[path.name] = manifest["spec"]["groups"]
            for group in found[path.name]:
                only_records = all("record" in rule for rule in group["rules"])
                findings.check(only_records == group["name"].endswith("-records"), f"group '{group['name']}' of '{path.name}': records stand in groups of their own, named …-records")
    findings.check(found, f"no rules in '{STACK}/rules'")
    return found


def without_prose(groups):
    """Rules as promtool takes them; of the annotations only what the cases state."""
    result = json.loads(json.dumps(groups))
    for rule in (rule for group in result for rule in group["rules"]):
        if "annotations" in rule:
            rule["annotations"] = {"summary": rule["annotations"].get("summary", "")}
    return {"groups": result}


def run_cases(findings, root, rules, work):
    for name, groups in rules.items():
        whole, short = work / f"check-{name}", work / f"rules-{name}"
        whole.write_text(yaml.safe_dump({"groups": groups}, sort_keys=False))
        short.write_text(yaml.safe_dump(without_prose(groups), sort_keys=False))
        promtool(findings, ["check", "rules", whole], f"check rules {name}")
    fires, quiet = set(), set()
    # Without an order promtool evaluates groups as they come, and alerts see records of a minute ago.
    order = [group["name"] for groups in rules.values() for group in groups]
    order.sort(key=lambda name: not name.endswith("-records"))
    for name in rules:
        cases = root / STACK / "tests" / name
        if not findings.check(cases.exists(), f"'{STACK}/tests/{name}' is missing"):
            continue
        content = yaml.safe_load(cases.read_text())
        used = [other for other in rules if other == name or records_of(rules[other]) & metrics_in(expressions_of(rules[name]))]
        content["rule_files"] = [f"rules-{other}" for other in used]
        content["group_eval_order"] = [group for group in order if any(group == held["name"] for other in used for held in rules[other])]
        for case in content["tests"]:
            for expected in case.get("alert_rule_test", []):
                (fires if expected.get("exp_alerts") else quiet).add(expected["alertname"])
        (work / f"cases-{name}").write_text(yaml.safe_dump(content, sort_keys=False))
        promtool(findings, ["test", "rules", work / f"cases-{name}"], f"test rules {name}")
    return fires, quiet


def records_of(groups):
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def expressions_of(groups):
    return " ".join(str(rule["expr"]) for group in groups for rule in group["rules"])


def check_alerts(findings, root, rules, fires, quiet):
    alerts = {}
    for name, groups in rules.items():
        for rule in (rule for group in groups for rule in group["rules"] if "alert" in rule):
            alert = rule["alert"]
            findings.check(alerts.setdefault(alert, name) == name, f"alert '{alert}' stands in two files")
            findings.check(rule.get("labels", {}).get("severity") in SEVERITIES, f"alert '{alert}' has no severity of {sorted(SEVERITIES)}")
            notes = rule.get("annotations", {})
            findings.check(notes.get("summary") and notes.get("description"), f"alert '{alert}' has no summary or no description")
            findings.check("runbook_url" not in notes, f"alert '{alert}' writes its runbook_url itself; the chart adds it")
            findings.check(rule.get("for"), f"alert '{alert}' fires at the first sample: it has no 'for'")
    for alert in alerts:
        findings.check(alert in fires, f"no case fires '{alert}'")
        findings.check(alert in quiet, f"no case keeps '{alert}' quiet")
        page = root / PAGES / f"{alert}.md"
        if findings.check(page.exists(), f"'{PAGES}/{alert}.md' is missing"):
            text = page.read_text()
            findings.check(text.startswith(f"# {alert}\n"), f"'{PAGES}/{alert}.md' has another title")
            places = [text.find(f"\n{heading}\n") for heading in HEADINGS]
            findings.check(-1 not in places and places == sorted(places), f"'{PAGES}/{alert}.md' lacks one of {HEADINGS}, or has another order")
            bodies = re.split(r"^## .*$", text, flags=re.M)[1:]
            findings.check(all(body.strip() for body in bodies), f"'{PAGES}/{alert}.md' has an empty section")
    for named in (fires | quiet) - set(alerts):
        findings.check(False, f"a case names '{named}', which no rule has")
    for page in sorted((root / PAGES).glob("*.md")):
        findings.check(page.stem in alerts or page.name == "README.md", f"'{PAGES}/{page.name}' is about no alert")
    index = root / PAGES / "README.md"
    listed = set(re.findall(r"\]\((\w+)\.md\)", index.read_text())) if index.exists() else set()
    findings.check(listed == set(alerts), f"'{PAGES}/README.md' lists {sorted(listed ^ set(alerts))} wrongly or not")
    return alerts


def check_runbook_url(findings, root):
    template = root / STACK / "templates/rules.yaml"
    findings.check(template.exists() and "runbook_url" in template.read_text() and PAGES in template.read_text(),
                   f"'{STACK}/templates/rules.yaml' gives alerts no runbook_url below '{PAGES}'")


def commands_in(text):
    """`slipway …` in code spans and blocks: the words before the first placeholder, option or argument."""
    code = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S) + re.findall(r"`([^`\n]+)`", text)
    for line in "\n".join(code).splitlines():
        for part in re.split(r"\||&&|;|\$\(", line):
            words = part.strip().rstrip(")").split()
            if words[:1] == ["slipway"]:
                yield words[1:]


def check_commands(findings, root, program):
    pages = [*sorted((root / "docs/runbook").rglob("*.md")), *sorted((root / "docs/security").rglob("*.md"))]
    wanted = {}
    for page in pages:
        for words in commands_in(page.read_text()):
            wanted.setdefault(tuple(words), page.relative_to(root))
    if program is None:
        findings.skipped.append(f"{len(wanted)} slipway commands in runbooks: build slipway, or name it with --slipway")
        return
    helps = {}

    def help_of(path):
        if path not in helps:
            done = subprocess.run([program, *path, "--help"], capture_output=True, text=True, timeout=60)
            helps[path] = done.stdout + done.stderr
        return helps[path]

    for words, page in wanted.items():
        path = ()
        for word in words:
            subcommands = set(re.findall(r"^  ([a-z]+)(?: \(default\))?(?: {2,}|$)", help_of(path).partition("SUBCOMMANDS:")[2], re.M))
            if word not in subcommands:
                break
            path += (word,)
        shown = "slipway " + " ".join(words)
        if not findings.check(path, f"{page}: '{shown}' is no command"):
            continue
        for option in (word.partition("=")[0] for word in words if word.startswith("--")):
            findings.check(re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", help_of(path)), f"{page}: '{shown}': no option {option}")


def check_dashboards(findings, root, work, rules):
    recorded = set().union(*map(records_of, rules.values()))
    known = exported(root)
    used_by_rules = " ".join(map(expressions_of, rules.values()))
    queries, seen = [], {}
    for path in sorted((root / STACK / "dashboards").glob("*.json")):
        board = json.loads(path.read_text())
        findings.check(board.get("uid") and board["uid"] not in seen, f"dashboard '{path.name}' has no uid of its own")
        seen[board.get("uid")] = path.name
        findings.check("id" not in board or board["id"] is None, f"dashboard '{path.name}' has an id of some Grafana")
        for panel in board["panels"]:
            findings.check(panel.get("type") == "row" or panel.get("targets"), f"{path.name}: panel '{panel.get('title')}' has no query")
            for target in panel.get("targets", []):
                if panel.get("datasource", {}).get("type") == "prometheus":
                    queries.append((f"{path.name}: {panel['title']}", target["expr"]))
        for note in board.get("annotations", {}).get("list", []):
            if "expr" in note:
                queries.append((f"{path.name}: annotation '{note['name']}'", note["expr"]))
        for variable in board.get("templating", {}).get("list", []):
            asked = re.fullmatch(r"label_values\((.+), *\w+\)", str(variable.get("query", {}).get("query", "") if isinstance(variable.get("query"), dict) else variable.get("query", "")))
            if asked:
                queries.append((f"{path.name}: variable '{variable['name']}'", asked.group(1)))
    findings.check(queries, f"no dashboard in '{STACK}/dashboards' asks anything")
    groups = []
    for number, (where, expression) in enumerate(queries):
        for pattern, word in GRAFANA_WORDS:
            expression = re.sub(pattern, word, expression)
        groups.append({"name": f"q{number}", "rules": [{"record": "dashboard:query", "expr": expression, "labels": {"query": f"q{number}"}}]})
        for metric in metrics_in(expression):
            findings.check(metric in recorded or metric in known, f"{where}: nobody is known to export '{metric}'")
    for metric in metrics_in(used_by_rules):
        findings.check(metric in recorded or metric in known, f"rules: nobody is known to export '{metric}'")
    file = work / "dashboards.yaml"
    file.write_text(yaml.safe_dump({"groups": groups}))
    if not promtool(findings, ["check", "rules", file], "check queries of dashboards"):
        findings.failures.append("\n".join(f"  q{number}: {where}" for number, (where, _) in enumerate(queries)))


def metrics_in(expression):
    """Names that look like metrics: two words at least, in a place where a selector can stand."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    text = re.sub(r"\{[^}]*\}", "{}", text)
    text = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", text)
    names = re.findall(r"(?<![\w:$.])([a-z_]\w*(?::\w+)*)(?!\s*\()(?![\w:])", text)
    return {name for name in names if "_" in name or ":" in name or name == "up"}


def exported(root):
    """What our programs export, read from their sources, and what is said of others in metrics.yaml."""
    names = set()
    for path in (root / "Sources").rglob("*.swift"):
        for name in re.findall(r'"((?:slipway|nv)_[a-z_]+)"', path.read_text()):
            names |= {name, f"{name}_bucket", f"{name}_sum", f"{name}_count"} if name.endswith("_seconds") else {name}
    others = yaml.safe_load((root / STACK / "metrics.yaml").read_text())
    for source in others.values():
        names |= set(source)
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=REPOSITORY)
    parser.add_argument("--slipway", help="the built program; runbooks' commands are asked of its --help")
    parser.add_argument("--no-commands", action="store_true", help="leave runbooks' commands alone")
    options = parser.parse_args()
    if shutil.which("promtool") is None:
        print("rules: promtool is missing; install Debian's package 'prometheus', or put promtool on the PATH", file=sys.stderr)
        return 1
    program = options.slipway
    if program is None:
        built = [REPOSITORY / ".build" / kind / "slipway" for kind in ("release", "debug")]
        # The newest: the other may be of an older state of the sources.
        program = max((str(path) for path in built if os.access(path, os.X_OK)), key=os.path.getmtime, default=None)
    findings = Findings()
    with tempfile.TemporaryDirectory() as work:
        rules = load_rules(findings, options.root)
        fires, quiet = run_cases(findings, options.root, rules, Path(work))
        alerts = check_alerts(findings, options.root, rules, fires, quiet)
        check_runbook_url(findings, options.root)
        check_dashboards(findings, options.root, Path(work), rules)
        if not options.no_commands:
            check_commands(findings, options.root, program)
    for failure in findings.failures:
        print(f"FAILED  {failure}")
    for skipped in findings.skipped:
        print(f"SKIPPED {skipped}")
    print(f"rules: {len(alerts)} alerts, {findings.checked} checks, {len(findings.failures)} failed, {len(findings.skipped)} skipped")
    return 1 if findings.failures else 0


if __name__ == "__main__":
    sys.exit(main())
