"""dev and prod hold the same files; prod only raises replicas, resources and strictness."""

import json
import re

import yaml

RAISED = {"replicas", "replicasMin", "replicasMax", "minReplicas", "maxReplicas", "maxUnavailable", "cpu", "memory", "storage"}
# Lists that may only grow: more aliases are protected, more replicas are asked.
GROWING = {"protectedAliases", "args"}
UNITS = {"": 1, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
# Made by people and machines, release by release.
FREE = ("models/",)


def number(value):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(value))
    return float(match[1]) * UNITS[match[2]] if match and match[2] in UNITS else None


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key in value:
            yield from leaves(value[key], (*path, str(key)))
    elif isinstance(value, list) and value and path and path[-1] not in GROWING:
        for index, entry in enumerate(value):
            yield from leaves(entry, (*path, str(index)))
    else:
        yield path, value


def compare(report, where, low, high):
    """Each difference is one that `high` may have."""
    first, second = dict(leaves(low)), dict(leaves(high))
    for path in sorted(first.keys() | second.keys()):
        a, b, name = first.get(path), second.get(path), ".".join(path)
        if a == b:
            continue
        key = path[-1]
        if key.startswith("checksum/"):
            continue  # It differs when what it is of does, and that is compared itself.
        if key in GROWING:
            report.check("environments", set(map(str, a or [])) <= set(map(str, b or [])), f"{where}: '{name}' of prod lacks what dev has")
        elif key in RAISED:
            low_number, high_number = number(a) if a is not None else 0, number(b)
            report.check("environments", high_number is not None and low_number is not None and low_number <= high_number, f"{where}: '{name}' is {a} in dev and {b} in prod")
        else:
            report.check("environments", False, f"{where}: '{name}' is {a!r} in dev and {b!r} in prod")


def check(report, tree):
    folders = {env: {str(p.relative_to(tree.root / "envs" / env)) for p in (tree.root / "envs" / env).rglob("*") if p.is_file()} for env in tree.environments}
    first, *rest = tree.environments
    for env in rest:
        differ = {path for path in folders[first] ^ folders[env] if not path.startswith(FREE)}
        report.check("environments", not differ, f"'{first}' and '{env}' hold different files: {sorted(differ)}")
    for env in tree.environments:
        for path in sorted(folders[env]):
            if path.startswith("values/"):
                _overlay(report, tree, env, path)
    deployed = {entry.name: entry for entry in tree.deployed}
    for entry in tree.deployed:
        if entry.env != "dev" or f"{entry.app}-prod" not in deployed:
            continue
        other = deployed[f"{entry.app}-prod"]
        compare(report, f"Application '{entry.app}'", translate(entry.application, "dev"), translate(other.application, "prod"))
        mine = {(item["kind"], item["metadata"]["name"]): item for item in map(lambda i: translate(i, "dev"), entry.objects)}
        theirs = {(item["kind"], item["metadata"]["name"]): item for item in map(lambda i: translate(i, "prod"), other.objects)}
        report.check("environments", set(mine) <= set(theirs), f"'{other.name}' lacks {sorted(set(mine) - set(theirs))}")
        extra = {kind for kind, _ in set(theirs) - set(mine)}
        report.check("environments", extra <= {"PodDisruptionBudget"}, f"'{other.name}' has more than '{entry.name}': {sorted(extra)}")
        for key in sorted(mine.keys() & theirs.keys()):
            compare(report, f"{key[0]} '{key[1]}'", mine[key], theirs[key])
    platform = {env: tree.load(f"envs/{env}/platform.yaml") for env in tree.environments}
    if {"dev", "prod"} <= set(platform):
        compare(report, "platform.yaml", translate(platform["dev"], "dev"), translate(platform["prod"], "prod"))


def translate(value, env):
    """The same thing, with the environment's name taken out."""
    text = json.dumps(value)
    for pattern in (rf"-{env}\b", rf"envs/{env}/", rf"\b{env}(?=\")"):
        text = re.sub(pattern, lambda match: match.group(0).replace(env, "ENV"), text)
    text = re.sub(rf"(--env=|/home/){env}\b", r"\1ENV", text)
    return json.loads(text)


def _overlay(report, tree, env, path):
    """An overlay names its environment and says nothing that the chart says already."""
    overlay = tree.load(f"envs/{env}/{path}") or {}
    app = path.removeprefix("values/").removesuffix(".yaml")
    known = {entry["name"]: entry for entry in tree.catalogue["apps"]}
    if not report.check("environments", app in known, f"envs/{env}/{path} belongs to no application"):
        return
    if known[app]["layer"] != "core":
        return
    folder = tree.root / tree.catalogue["layers"]["core"]["folder"] / app
    if not (folder / "values.yaml").exists():
        return
    if (folder / "templates/_slipway.tpl").exists():
        report.check("environments", overlay.get("environment") == env, f"envs/{env}/{path} names the environment '{overlay.get('environment')}'")
    defaults = dict(leaves(yaml.safe_load((folder / "values.yaml").read_text()) or {}))
    for leaf, value in leaves(overlay):
        report.check("environments", leaf == ("environment",) or defaults.get(leaf) != value, f"envs/{env}/{path}: '{'.'.join(leaf)}' is {value!r} in the chart already")
