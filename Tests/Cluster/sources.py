"""The files themselves: one place for what is global, one grammar, documented values, lint."""

import re
import subprocess
import sys

import yaml

FOLDERS = ("apps", "bootstrap", "charts", "envs")


def check(report, tree):
    _one_place(report, tree)
    charts = sorted(path.parent for path in (tree.root / "charts").glob("*/Chart.yaml"))
    grammar = {path: path.read_bytes() for path in (tree.root / "charts").glob("*/templates/_slipway.tpl")}
    report.check("grammar", len(set(grammar.values())) == 1, "the files charts/*/templates/_slipway.tpl differ")
    for chart in charts:
        for file in ("values.yaml", "values.schema.json", "README.md"):
            report.check("grammar", (chart / file).exists(), f"charts/{chart.name} has no {file}")
        _documented(report, chart)
    for entry in tree.deployed:
        _lint(report, tree, entry)
    for chart in ("bootstrap", "apps/root", "apps/layer"):
        done = subprocess.run([tree.helm, "lint", "--strict", str(tree.root / chart), "--values", str(tree.root / "envs/common.yaml"),
                               "--values", str(tree.root / "apps/catalogue.yaml")], capture_output=True, text=True)
        report.check("lint", done.returncode == 0, f"helm lint {chart}: {done.stdout.strip()}")
    plain = [str(path) for folder in FOLDERS for path in (tree.root / folder).rglob("*.yaml") if "templates" not in path.parts]
    done = subprocess.run([sys.executable, "-m", "yamllint", "--strict", "--config-file", str(tree.root / ".yamllint"), *plain], capture_output=True, text=True)
    report.check("lint", done.returncode == 0, f"yamllint: {done.stdout.strip()}{done.stderr.strip()}")


def _one_place(report, tree):
    facts = tree.common["global"]
    for path in sorted(path for folder in (*FOLDERS, "baseline", "optional") for path in (tree.root / folder).rglob("*") if path.is_file() and path.suffix in (".yaml", ".tpl", ".json")):
        if path == tree.root / "envs/common.yaml":
            continue
        text = path.read_text()
        for fact in (facts["repository"]["url"], facts["registry"]):
            report.check("one-place", fact not in text, f"'{path.relative_to(tree.root)}' repeats '{fact}' of envs/common.yaml")


def _documented(report, chart):
    readme = (chart / "README.md").read_text() if (chart / "README.md").exists() else ""
    rows = set(re.findall(r"^\| `([\w.]+)`", readme, re.M))

    def keys(value, path):
        for key, child in value.items():
            name = f"{path}.{key}" if path else key
            if name in rows or name == "global":
                continue
            if isinstance(child, dict) and child:
                yield from keys(child, name)
            else:
                yield name

    values = yaml.safe_load((chart / "values.yaml").read_text()) or {}
    if (chart / "templates/_slipway.tpl").exists():
        missing = list(keys(values, ""))
        report.check("grammar", not missing, f"charts/{chart.name}/README.md has no row for {missing}")


def _lint(report, tree, entry):
    source = entry.application["spec"]["sources"][0]
    if entry.absent:
        return report.skip("lint", f"'{entry.name}': {entry.absent}")
    command = [tree.helm, "lint", "--strict", str(tree.root / source["path"]), "--namespace", entry.namespace]
    for file in source["helm"]["valueFiles"]:
        command += ["--values", str(tree.root / file.lstrip("/"))]
    done = subprocess.run(command, capture_output=True, text=True)
    report.check("lint", done.returncode == 0, f"helm lint {source['path']} for '{entry.env}': {done.stdout.strip()}")
