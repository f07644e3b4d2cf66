"""Reads Alloy's configuration as Alloy would, as far as that goes without Alloy.

    Tests/Cluster/check_alloy.py [FILE]

Syntax by Alloy's grammar; blocks and attributes by the table below, which follows the reference of Alloy
1.18 for the few components that are used; every reference names an export that exists; and what is ours:
labels stay few, the ids of the platform's log lines become structured metadata.
"""

import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FILE = REPOSITORY / "baseline/alloy/config.alloy"

# Component → attributes (a `!` means required), blocks, exports.
COMPONENTS = {
    "discovery.kubernetes": ({"role!", "api_server", "kubeconfig_file"}, {"selectors", "attach_metadata", "namespaces"}, {"targets"}),
    "discovery.relabel": ({"targets!"}, {"rule"}, {"output", "rules"}),
    "local.file_match": ({"path_targets!", "sync_period", "ignore_older_than"}, set(), {"targets"}),
    "loki.source.file": ({"targets!", "forward_to!", "tail_from_end", "encoding", "on_positions_file_error"}, {"file_watch", "file_match", "decompression"}, set()),
    "loki.process": ({"forward_to!"}, {"stage.cri", "stage.json", "stage.regex", "stage.template", "stage.labels", "stage.structured_metadata",
                                       "stage.timestamp", "stage.label_keep", "stage.label_drop", "stage.match", "stage.drop", "stage.limit"}, {"receiver"}),
    "loki.write": ({"max_streams", "external_labels"}, {"endpoint", "wal"}, {"receiver"}),
}
BLOCKS = {
    "selectors": {"role!", "label", "field"},
    "attach_metadata": {"node", "namespace"},
    "namespaces": {"own_namespace", "names"},
    "rule": {"action", "modulus", "regex", "replacement", "separator", "source_labels", "target_label"},
    "stage.cri": {"max_partial_lines", "max_partial_line_size", "max_partial_line_size_truncate"},
    "stage.json": {"expressions", "regex", "drop_malformed", "source"},
    "stage.regex": {"expression!", "source", "labels_from_groups"},
    "stage.template": {"source!", "template!"},
    "stage.labels": {"values", "source_type"},
    "stage.structured_metadata": {"values", "regex"},
    "stage.timestamp": {"source!", "format!", "fallback_formats", "location", "action_on_failure", "action_on_duplicate_timestamp"},
    "stage.label_keep": {"values"},
    "stage.label_drop": {"values"},
    "endpoint": {"url!", "name", "headers", "batch_wait", "batch_size", "remote_timeout", "tenant_id", "min_backoff_period", "max_backoff_period",
                 "max_backoff_retries", "retry_on_http_429", "bearer_token_file"},
}
FUNCTIONS = {"sys.env", "string.trim_prefix", "string.trim_suffix", "string.format", "string.replace", "array.concat", "coalesce"}

LABELS = {"env", "layer", "app", "level"}
METADATA = {"run_id", "release_commit", "model_name", "model_version", "request_id", "pod", "container"}

TOKEN = re.compile(r"""
    (?P<space>[ \t\r]+|//[^\n]*|/\*.*?\*/)
  | (?P<newline>\n)
  | (?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<mark>==|!=|<=|>=|&&|\|\||[{}\[\]()=,.+*/%<>!-])
""", re.X | re.S)
ESCAPES = set("abfnrtv\\'\"01234567xuU")


class Mistake(Exception):
    pass


def tokens(text):
    place, line, found = 0, 1, []
    while place < len(text):
        match = TOKEN.match(text, place)
        if match is None:
            raise Mistake(f"line {line}: cannot read {text[place:place + 20]!r}")
        kind, value = match.lastgroup, match.group()
        if kind == "string" and value.startswith('"'):
            for escape in re.finditer(r"\\(.)", value):
                if escape.group(1) not in ESCAPES:
                    raise Mistake(f"line {line}: '\\{escape.group(1)}' is no escape in a string; write '\\\\{escape.group(1)}'")
        if kind != "space":
            found.append((kind, value, line))
        line += value.count("\n")
        place = match.end()
    return [*found, ("end", "", line)]


class Reader:
    """A recursive descent over `block = name {"." name} [string] "{" body "}"` and `attribute = name "=" expression`."""

    def __init__(self, text):
        self.tokens, self.place = tokens(text), 0
        self.references, self.calls = [], []

    def peek(self, skip_lines=False):
        while skip_lines and self.tokens[self.place][0] == "newline":
            self.place += 1
        return self.tokens[self.place]

    def take(self, value=None, kind=None, skip_lines=False):
        token = self.peek(skip_lines)
        if (value is not None and token[1] != value) or (kind is not None and token[0] != kind):
            raise Mistake(f"line {token[2]}: expected {value or kind}, found {token[1]!r}")
        self.place += 1
        return token

    def body(self, closing):
        attributes, blocks = {}, []
        while True:
            kind, value, line = self.peek(skip_lines=True)
            if value == closing or kind == "end":
                if kind == "end" and closing:
                    raise Mistake(f"line {line}: a block is not closed")
                return attributes, blocks
            name = self.dotted()
            if self.peek()[1] == "=":
                if "." in name:
                    raise Mistake(f"line {line}: an attribute has no dots: '{name}'")
                if name in attributes:
                    raise Mistake(f"line {line}: attribute '{name}' stands twice")
                self.take("=")
                attributes[name] = self.expression()
            else:
                label = self.take()[1][1:-1] if self.peek()[0] == "string" else None
                self.take("{")
                inner = self.body("}")
                self.take("}", skip_lines=True)
                blocks.append((name, label, line, *inner))
            after = self.peek()
            if after[0] not in ("newline", "end") and after[1] != closing:
                raise Mistake(f"line {after[2]}: expected the end of the line, found {after[1]!r}")

    def dotted(self):
        parts = [self.take(kind="name")[1]]
        while self.peek()[1] == ".":
            self.take(".")
            parts.append(self.take(kind="name")[1])
        return ".".join(parts)

    def expression(self):
        value = self.term()
        while self.peek()[1] in ("+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "&&", "||"):
            self.take()
            self.peek(skip_lines=True)
            right = self.term()
            value = value + right if isinstance(value, str) and isinstance(right, str) else None
        return value

    def term(self):
        kind, value, line = self.peek(skip_lines=True)
        if kind == "string":
            self.take()
            return value[1:-1] if value[0] == "`" else re.sub(r"\\(.)", r"\1", value[1:-1])
        if kind == "number":
            self.take()
            return float(value)
        if value in ("[", "(", "{"):
            return {"[": self.array, "(": self.group, "{": self.object}[value]()
        if value == "!":
            self.take()
            return self.term()
        name = self.dotted()
        if name in ("true", "false"):
            return name == "true"
        if name == "null":
            return None
        if self.peek()[1] == "(":
            self.calls.append((name, line))
            self.take("(")
            self.items(")")
            return None
        self.references.append((name, line))
        return None

    def group(self):
        self.take("(")
        value = self.expression()
        self.take(")", skip_lines=True)
        return value

    def items(self, closing):
        values = []
        while self.peek(skip_lines=True)[1] != closing:
            values.append(self.expression())
            if self.peek(skip_lines=True)[1] != ",":
                break
            self.take(",")
        self.take(closing, skip_lines=True)
        return values

    def array(self):
        self.take("[")
        return self.items("]")

    def object(self):
        self.take("{")
        values = {}
        while self.peek(skip_lines=True)[1] != "}":
            kind, key, line = self.take(skip_lines=True)
            if kind not in ("name", "string"):
                raise Mistake(f"line {line}: {key!r} is no key")
            self.take("=")
            if key in values:
                raise Mistake(f"line {line}: key '{key}' stands twice")
            values[key.strip('"')] = self.expression()
            after = self.peek()
            if after[1] == ",":
                self.take(",")
            elif self.peek(skip_lines=True)[1] != "}":
                raise Mistake(f"line {after[2]}: expected a comma")
        self.take("}", skip_lines=True)
        return values


def table(allowed, attributes, what, line):
    names = {name.rstrip("!") for name in allowed}
    for name in attributes:
        if name not in names:
            yield f"line {line}: {what} has no attribute '{name}'"
    for name in allowed:
        if name.endswith("!") and name[:-1] not in attributes:
            yield f"line {line}: {what} lacks '{name[:-1]}'"


def check(text):
    reader = Reader(text)
    attributes, components = reader.body("")
    failures = [f"'{name}' stands outside of any component" for name in attributes]
    exports = {}
    for name, label, line, inner, blocks in components:
        if name not in COMPONENTS:
            failures.append(f"line {line}: '{name}' is not in this check's table of components")
            continue
        allowed, known, exported = COMPONENTS[name]
        if not label:
            failures.append(f"line {line}: '{name}' has no label")
        if (name, label) in exports:
            failures.append(f"line {line}: '{name} \"{label}\"' stands twice")
        exports[(name, label)] = exported
        failures += table(allowed, inner, f"'{name}'", line)
        for block, _, at, block_attributes, nested in blocks:
            if block not in known:
                failures.append(f"line {at}: '{name}' has no block '{block}'")
            elif nested:
                failures.append(f"line {at}: '{block}' has no blocks")
            else:
                failures += table(BLOCKS[block], block_attributes, f"'{block}'", at)
    for reference, line in reader.references:
        owner, _, export = reference.rpartition(".")
        component, _, label = owner.rpartition(".")
        if export not in exports.get((component, label), set()):
            failures.append(f"line {line}: '{reference}' names nothing that a component gives")
    for call, line in reader.calls:
        if call not in FUNCTIONS:
            failures.append(f"line {line}: '{call}' is not in this check's table of functions")
    return failures + ours(components)


def ours(components):
    """Few labels, ids beside the line, and only ids that a stage has extracted."""
    failures, extracted, metadata, kept = [], {"time", "stream", "flags", "content"}, set(), None
    discovered = {inner["target_label"] for name, _, _, _, blocks in components if name == "discovery.relabel" for block, _, _, inner, _ in blocks if "target_label" in inner}
    extracted |= discovered
    for name, _, _, _, blocks in components:
        if name != "loki.process":
            continue
        for block, _, line, inner, _ in blocks:
            if block == "stage.json":
                extracted |= set(inner.get("expressions") or {})
            elif block == "stage.regex":
                try:
                    extracted |= set(re.compile(inner["expression"]).groupindex)
                except re.error as error:
                    failures.append(f"line {line}: no regular expression: {error}")
            elif block == "stage.template":
                if inner["template"].count("{{") != inner["template"].count("}}") or len(re.findall(r"{{-? *(?:if|range|with)\b", inner["template"])) != len(re.findall(r"{{-? *end *-?}}", inner["template"])):
                    failures.append(f"line {line}: the template is not balanced")
                extracted.add(inner["source"])
            elif block in ("stage.labels", "stage.structured_metadata"):
                for key, source in (inner.get("values") or {}).items():
                    if (source or key) not in extracted:
                        failures.append(f"line {line}: no stage before this one extracts '{source or key}'")
                    if block == "stage.labels" and key not in LABELS:
                        failures.append(f"line {line}: '{key}' as a label: labels are {sorted(LABELS)}")
                metadata |= set(inner.get("values") or {}) if block == "stage.structured_metadata" else set()
            elif block == "stage.label_keep":
                kept = set(inner.get("values") or [])
    if kept != LABELS:
        failures.append(f"the labels that are kept are {sorted(kept or [])}, not {sorted(LABELS)}")
    if METADATA - metadata:
        failures.append(f"no structured metadata for {sorted(METADATA - metadata)}")
    return failures


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else FILE
    try:
        failures = check(path.read_text())
    except Mistake as mistake:
        failures = [str(mistake)]
    for failure in failures:
        print(f"FAILED  {path.name}: {failure}")
    print(f"alloy: {'failed' if failures else 'ok'}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
