"""Compares the keys that we set for a chart of others with that chart's own values.yaml.

    Tests/Cluster/check_values.py CHART=VALUES.yaml [CHART=VALUES.yaml …] [--root DIR]

CHART is the folder of ours (`baseline/loki`), VALUES.yaml a copy of the chart's own file, of the version that
our Chart.yaml pins. A sub-chart's file is named with a dot: `baseline/kube-prometheus-stack.grafana=…`. A key
that the chart does not know does nothing, silently; here it fails. Copies are others' files and not committed.
Without any CHART the files of each of ours are checked against each other: dependency, pins, overlays.
"""

import argparse
import base64
import re
import sys
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("baseline", "optional")
# Keys that a chart's templates read and its values.yaml does not show, and where.
UNLISTED = {
    "baseline/minio": {
        "makePolicyJob.containerSecurityContext": "templates/post-job.yaml",
        "makeBucketJob.containerSecurityContext": "templates/post-job.yaml",
        "makeUserJob.containerSecurityContext": "templates/post-job.yaml",
        "environment": "templates/deployment.yaml ranges over it; in values.yaml it is empty",
    },
    "baseline/loki": {
        "loki.storage.bucketNames": "templates/_helpers.tpl, which asks for them",
    },
    # Its values are a JSON-like file of Grafana's own, whose sections the chart does not list.
    "baseline/kube-prometheus-stack.grafana": {
        "grafana.ini": "charts/grafana/templates/_config.tpl ranges over it",
        "fullnameOverride": "charts/grafana/templates/_helpers.tpl",
    },
}
# The chart's own limits, requests and selectors are maps of anything.
OPEN = {"resources", "labels", "annotations", "nodeSelector", "limits_config", "ingester", "compactor", "analytics", "querier", "securityContext", "podSecurityContext",
        "containerSecurityContext"}


def load(path):
    try:
        return yaml.safe_load(Path(path).read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        sys.exit(f"values: '{path}' cannot be read: {error}")


def unknown(ours, theirs, path, unlisted):
    """Dotted names of keys that `theirs` does not have."""
    for key, value in ours.items():
        name = f"{path}.{key}" if path else str(key)
        if name in unlisted or key == "global":
            continue
        if not isinstance(theirs, dict) or key not in theirs:
            yield name
        elif isinstance(value, dict) and theirs[key] not in (None, {}, []) and key not in OPEN:
            yield from unknown(value, theirs[key], name, unlisted)
        elif isinstance(value, dict) != isinstance(theirs[key], dict) and theirs[key] not in (None, {}, [], ""):
            yield f"{name} (ours is {'a map' if isinstance(value, dict) else 'no map'})"


def merged(below, above):
    result = dict(below)
    for key, value in above.items():
        result[key] = merged(result[key], value) if isinstance(value, dict) and isinstance(result.get(key), dict) else value
    return result


def values_of(root, folder, environment):
    values = load(root / folder / "values.yaml")
    overlay = root / "envs" / environment / "values" / f"{Path(folder).name}.yaml"
    return merged(values, load(overlay)) if overlay.exists() else values


def environments(root):
    return sorted(path.name for path in (root / "envs").iterdir() if (path / "values").is_dir())


def against_copies(root, copies, failures):
    checked = 0
    subcharts = {name.partition(".")[2] for name in copies if "." in name}
    for name, path in copies.items():
        folder, _, subchart = name.partition(".")
        dependency = next(iter(load(root / folder / "Chart.yaml").get("dependencies", [])), None)
        if dependency is None:
            sys.exit(f"values: '{folder}' has no dependency")
        theirs, ignored = load(path), dict(UNLISTED.get(name, {}))
        condition = dependency.get("condition", "")
        if not subchart and condition.startswith(f"{dependency['name']}."):
            ignored[condition.partition(".")[2]] = "the condition of our own Chart.yaml"
        if subchart and folder in copies:
            # The parent hands down keys of its own besides.
            theirs = merged(theirs, load(copies[folder]).get(subchart) or {})
        for environment in environments(root):
            ours = values_of(root, folder, environment).get(dependency["name"], {})
            if subchart:
                ours = ours.get(subchart, {})
            else:
                # A sub-chart's own file knows its keys; the parent's shows only some.
                ours = {key: value for key, value in ours.items() if key not in subcharts}
            checked += sum(1 for _ in keys(ours))
            for key in unknown(ours, theirs, "", ignored):
                failures.append(f"{name}, {environment}: the chart has no '{key}'")
    return checked


def keys(value):
    if isinstance(value, dict):
        for key, child in value.items():
            yield key
            yield from keys(child)


def among_ourselves(root, failures):
    checked = 0
    for folder in (path.parent.relative_to(root) for name in FOLDERS for path in sorted((root / name).glob("*/Chart.yaml"))):
        chart, values = load(root / folder / "Chart.yaml"), load(root / folder / "values.yaml")
        dependencies = chart.get("dependencies", [])
        for dependency in dependencies:
            checked += 1
            if not re.fullmatch(r"\d+\.\d+\.\d+", dependency["version"]):
                failures.append(f"{folder}: '{dependency['name']}' is not pinned: '{dependency['version']}'")
            if dependency["name"] not in values:
                failures.append(f"{folder}: values.yaml says nothing of its dependency '{dependency['name']}'")
        readme = root / folder / "README.md"
        if not readme.exists():
            failures.append(f"{folder}: README.md is missing")
        if values.get("layer") != folder.parts[0]:
            failures.append(f"{folder}: its layer is '{values.get('layer')}'")
        for environment in environments(root):
            checked += 1
            overlay = root / "envs" / environment / "values" / f"{folder.name}.yaml"
            if not overlay.exists():
                failures.append(f"'{overlay.relative_to(root)}' is missing")
            elif load(overlay).get("environment") != environment:
                failures.append(f"'{overlay.relative_to(root)}' names the environment '{load(overlay).get('environment')}'")
    store = root / "optional/feast/feature_store.yaml"
    if store.exists():
        checked += 1
        held = load(root / "optional/feast/values.yaml")["feast-feature-server"]["feature_store_yaml_base64"]
        if base64.b64decode(held) != store.read_bytes():
            failures.append("optional/feast: feature_store_yaml_base64 is not feature_store.yaml: base64 -w0 optional/feast/feature_store.yaml")
    return checked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("copies", nargs="*", metavar="CHART=VALUES.yaml")
    parser.add_argument("--root", type=Path, default=REPOSITORY)
    options = parser.parse_args()
    if any("=" not in copy for copy in options.copies):
        parser.error("name a chart and its values: CHART=VALUES.yaml")
    failures = []
    checked = among_ourselves(options.root, failures)
    checked += against_copies(options.root, dict(copy.split("=", 1) for copy in options.copies), failures)
    for failure in failures:
        print(f"FAILED  {failure}")
    print(f"values: {checked} keys and files, {len(failures)} failed, {len(options.copies)} charts of others compared")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
