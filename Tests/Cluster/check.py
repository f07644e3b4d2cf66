"""Checks the GitOps tree as a cluster would see it; see README.md beside this file.

    .tools/venv/bin/python Tests/Cluster/check.py [--root DIR] [--definitions DIR] [--strict] [--render DIR]
"""

import argparse
import os
import sys
from pathlib import Path

import yaml

import environments
import fences
import health
import network
import references
import sources
import variants
import workloads
from report import Report
from schemas import Schemas
from tree import RenderError, Tree

REPOSITORY = Path(__file__).resolve().parents[2]
RULES = [
    "render", "lint", "built-in", "custom", "fences", "names", "outside", "waves", "health", "environments", "labels", "images",
    "pod-security", "resources", "arguments", "secrets", "ports", "selectors", "named", "addresses", "network", "grammar", "one-place", "variants",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=REPOSITORY)
    parser.add_argument("--helm", type=Path, default=REPOSITORY / ".tools/bin/helm")
    parser.add_argument("--definitions", type=Path, help="a folder of CustomResourceDefinitions (SLIPWAY_CRDS)")
    parser.add_argument("--strict", action="store_true", help="what is skipped counts as failed")
    parser.add_argument("--render", type=Path, help="also write every object to DIR, for kubectl apply --dry-run=server")
    options = parser.parse_args()
    asked = options.definitions or os.environ.get("SLIPWAY_CRDS")
    definitions = Path(asked) if asked else REPOSITORY.parent / "shared/reference/crds"

    schemas = Schemas(definitions)
    report, tree = examine(options.root, options.helm, schemas)
    if asked and os.environ.get("CI") == "true":
        report.check("custom", schemas.known, f"no definitions in '{definitions}', which was asked for")
    if options.render:
        write(tree, options.render)
    return report.print(options.strict)


def examine(root, helm, schemas, with_variants=True):
    """All rules over the tree below `root`; the variants take as long as the rest."""
    report, tree = Report(), Tree(root, helm)
    if schemas.known:
        schemas.learn(tree.definitions())
    try:
        tree.render()
        report.check("render", True, "")
    except (RenderError, OSError, KeyError) as error:
        report.check("render", False, f"{type(error).__name__}: {error}")
    for item in [*tree.projects.values(), *tree.roots, *tree.sets, *tree.parents, *(entry.application for entry in tree.deployed)]:
        schemas.check(report, item, "argocd")
    for entry in tree.deployed:
        if entry.absent:
            report.skip("render", f"'{entry.name}': {entry.absent}")
        for item in entry.objects:
            schemas.check(report, item, entry.name)
    if report.failures["render"]:
        return report, tree
    for module in (sources, fences, health, environments, workloads, references, network):
        try:
            module.check(report, tree)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            # An object that does not have what its schema asks for; that it has not is reported above.
            report.check("render", False, f"the checks in {module.__name__}.py ended early: {error!r}")
    if not report.failures["render"] and with_variants:
        variants.check(report, tree, schemas)
    report.require_checked([rule for rule in RULES if with_variants or rule != "variants"])
    return report, tree


def write(tree, folder):
    """One file for Argo CD's own objects, one for each application."""
    folder.mkdir(parents=True, exist_ok=True)
    own = [*tree.projects.values(), *tree.roots, *tree.sets, *tree.parents, *(entry.application for entry in tree.deployed)]
    (folder / "argocd.yaml").write_text(yaml.safe_dump_all(own, sort_keys=False))
    for entry in tree.deployed:
        if entry.objects:
            metadata = entry.application["spec"]["syncPolicy"]["managedNamespaceMetadata"]
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": entry.namespace, **metadata}}
            (folder / f"{entry.name}.yaml").write_text(yaml.safe_dump_all([namespace, *entry.objects], sort_keys=False))


if __name__ == "__main__":
    sys.exit(main())
