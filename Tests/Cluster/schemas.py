"""Every object against its schema: built-in kinds by kubernetes-validate, custom kinds by their definitions."""

import copy
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES_SCHEMA = "1.36"
# Groups that are not Kubernetes's own end in a domain that these do not have.
BUILT_IN_SUFFIX = ".k8s.io"


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML 1.1 gives a plain `=` a tag of its own; definitions mean the text."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def is_custom(item):
    group = item["apiVersion"].rpartition("/")[0]
    return "." in group and not group.endswith(BUILT_IN_SUFFIX)


def strict(schema):
    """An openAPIV3Schema as JSON Schema that refuses unknown fields, as a server with strict validation does."""
    schema = copy.deepcopy(schema)

    def walk(node):
        if not isinstance(node, dict):
            return
        if node.pop("x-kubernetes-int-or-string", False):
            node.pop("anyOf", None)
            node["type"] = ["integer", "string"]
        if node.pop("nullable", False) and isinstance(node.get("type"), str):
            node["type"] = [node["type"], "null"]
        open_ended = node.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in node
        if "properties" in node and not open_ended:
            node["additionalProperties"] = False
        for child in node.get("properties", {}).values():
            walk(child)
        for key in ("items", "additionalProperties"):
            walk(node.get(key))

    walk(schema)
    properties = schema.setdefault("properties", {})
    properties.update(apiVersion={"type": "string"}, kind={"type": "string"}, metadata={"type": "object", "required": ["name"]})
    return schema


class Schemas:
    def __init__(self, folder):
        self.folder, self.known = Path(folder), {}
        for file in sorted(self.folder.glob("*.yaml")) if self.folder.is_dir() else []:
            self._read(file)

    def learn(self, files):
        """More definitions; what is known already stays as it is."""
        for file in files:
            self._read(file)

    def _read(self, file):
        for definition in yaml.load_all(file.read_text(), Loader):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            spec = definition["spec"]
            for version in spec["versions"]:
                key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                if key not in self.known:
                    self.known[key] = jsonschema.Draft7Validator(strict(version["schema"]["openAPIV3Schema"]))

    def check(self, report, item, where):
        name = f"{where}: {item['kind']} '{item['metadata']['name']}'"
        if not is_custom(item):
            try:
                kubernetes_validate.validate(item, KUBERNETES_SCHEMA, strict=True)
                report.check("built-in", True, "")
            except Exception as error:  # Whatever it raises is a refusal, an unknown kind too.
                report.check("built-in", False, f"{name}: {getattr(error, 'message', error)}")
            return
        if not self.known:
            return report.skip("custom", f"{name}: no definitions in '{self.folder}'")
        validator = self.known.get((item["apiVersion"], item["kind"]))
        if validator is None:
            return report.check("custom", False, f"{name}: no definition of '{item['apiVersion']} {item['kind']}'")
        errors = sorted(validator.iter_errors(item), key=str)
        report.check("custom", not errors, f"{name}: " + "; ".join(f"{error.json_path} {error.message[:200]}" for error in errors[:3]))
