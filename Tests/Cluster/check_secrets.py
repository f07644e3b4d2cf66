"""Fails on any plain Secret and on anything that looks like a credential, anywhere in the repository.

    Tests/Cluster/check_secrets.py [--root DIR] [--allowed FILE]

All files that Git tracks or would add are read, whatever they are called. What is none is named in
secrets-allowed.yaml, by file, rule and reason; an entry that allows nothing any more fails too.
"""

import argparse
import math
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
ALLOWED = Path(__file__).resolve().parent / "secrets-allowed.yaml"
FILE_BYTES_MAX = 8 << 20
REASON_CHARACTERS_MIN = 12
# A random text of letters and digits has about 4 bits a character at length 20, a word of a language 2 to 3.
ENTROPY_MIN = 3.5
VALUE_CHARACTERS_MIN = 16

# Rule → what it looks like. What they are called by those who give them out is public.
PATTERNS = {
    "private-key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "aws-access-key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "slack-token": r"\bxox[abeprs]-[A-Za-z0-9-]{10,}|\bxapp-\d-[A-Za-z0-9-]{10,}",
    "slack-webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9]{6,}/[A-Za-z0-9]{6,}",
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})\b",
    "gitlab-token": r"\bgl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_-]{20,}",
    "google-key": r"\bAIza[A-Za-z0-9_-]{35}\b",
    "registry-token": r"\b(?:npm_[A-Za-z0-9]{36}|pypi-AgEI[A-Za-z0-9_-]{50,}|dckr_pat_[A-Za-z0-9_-]{20,}|hf_[A-Za-z0-9]{34})",
    "stripe-key": r"\b[rs]k_live_[A-Za-z0-9]{20,}",
    "jwt": r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "age-key": r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "kubeconfig": r"\b(?:client-key-data|client-certificate-data): *[A-Za-z0-9+/=]{40,}",
    "docker-auth": r"\"auth\": *\"[A-Za-z0-9+/=]{20,}\"",
    "url-password": r"\b[a-z][a-z0-9+.-]*://[^\s/:@\"'`<>${}]+:(?P<value>[^\s/:@\"'`<>${}]{6,})@",
}
ASSIGNMENT = re.compile(
    r"(?P<key>[\w.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|credential|webhook)[\w.-]*)"
    r"[\"']?\s*(?::=|=>|=|:)\s*(?P<quote>[\"'`]?)(?P<value>[A-Za-z0-9+/_=.~!@#%%^&*-]{%d,})(?P=quote)(?=[\s,;)}\]\"'`]|$)" % VALUE_CHARACTERS_MIN,
    re.I,
)
# A name of something, a path, a reference: made of words, not of chance.
WORDS = re.compile(r"^(?:[a-z]{2,}|[A-Z]{2,}|[A-Z]?[a-z]+)(?:[A-Z][a-z]+)*(?:[-_./:=@*]+(?:[A-Za-z]+|\d{1,4}))*[-_./=*]*$")


class Finding:
    def __init__(self, file, line, rule, shown):
        self.file, self.line, self.rule, self.shown = file, line, rule, shown

    def __str__(self):
        return f"{self.file}:{self.line}: {self.rule}: {self.shown}"


def hidden(text):
    """Enough to find it again, too little to use it."""
    return f"{text[:4]}… ({len(text)} characters)"


def entropy(text):
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def files(root):
    done = subprocess.run(["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard", "-z"], capture_output=True)
    if done.returncode == 0:
        names = [name for name in done.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()]
    return sorted(name for name in set(names) if (root / name).is_file())


def credentials(name, text):
    sealed = sealed_lines(name, text)
    for number, line in enumerate(text.splitlines(), 1):
        if number in sealed:
            continue
        for rule, pattern in PATTERNS.items():
            for match in re.finditer(pattern, line):
                value = match.groupdict().get("value") or match.group()
                if rule == "url-password" and (entropy(value) < 2.5 or value.lower() in ("password", "secret", "example")):
                    continue
                yield Finding(name, number, rule, hidden(match.group()))
        for match in ASSIGNMENT.finditer(line):
            value = match.group("value")
            if not WORDS.match(value) and entropy(value) >= ENTROPY_MIN and re.search(r"\d", value) and re.search(r"[A-Za-z]", value) and not expression(match):
                yield Finding(name, number, "high-entropy", f"{match.group('key')} = {hidden(value)}")


def expression(match):
    """Code that computes or names a value, such as `token = Digest.sha256(of…`, is none."""
    value = match.group("value")
    return not match.group("quote") and bool(re.match(r"^[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", value))


def sealed_lines(name, text):
    """Lines of `encryptedData` in documents that are SealedSecrets: these are meant to be read by everybody."""
    if not name.endswith((".yaml", ".yml")):
        return set()
    lines, found, start = text.splitlines(), set(), 0
    for place in [*(index for index, line in enumerate(lines) if line.strip() == "---"), len(lines)]:
        part = lines[start:place]
        if any(re.match(r"kind:\s*SealedSecret\s*$", line) for line in part):
            inside = None
            for offset, line in enumerate(part):
                indent = len(line) - len(line.lstrip())
                if inside is not None and line.strip() and indent <= inside:
                    inside = None
                if inside is not None:
                    found.add(start + offset + 1)
                if re.match(r"\s*encryptedData:\s*$", line):
                    inside = indent
        start = place + 1
    return found


def secrets(name, text):
    """Documents that are a Secret with something in it; templates are read as text."""
    if not name.endswith((".yaml", ".yml", ".json", ".tpl")) or "Secret" not in text:
        return
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError:
        start = 1
        for part in re.split(r"^---.*$", text, flags=re.M):
            if re.search(r"^\s*kind:\s*[\"']?Secret[\"']?\s*$", part, re.M) and re.search(r"^\s*(?:data|stringData):", part, re.M):
                yield Finding(name, start, "plain-secret", "a template of a Secret with data")
            start += part.count("\n")
        return
    for document in documents:
        items = document.get("items") if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") else [document]
        for item in items if isinstance(items, list) else []:
            if isinstance(item, dict) and item.get("kind") == "Secret" and (item.get("data") or item.get("stringData")):
                line = next((number for number, text_line in enumerate(text.splitlines(), 1) if re.search(r"kind\"?:\s*[\"']?Secret\b", text_line)), 1)
                metadata = item.get("metadata") or {}
                yield Finding(name, line, "plain-secret", f"Secret '{metadata.get('name', '?')}' with data; seal it with ops/security/seal.sh")


def scan(root):
    for name in files(root):
        path = root / name
        if path.stat().st_size > FILE_BYTES_MAX:
            yield Finding(name, 1, "too-large", f"more than {FILE_BYTES_MAX >> 20} MB are not read")
            continue
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            # Keys may hide in archives; text in binaries is still text.
            text = content.decode("latin-1")
            for rule in ("private-key", "aws-access-key", "slack-webhook"):
                match = re.search(PATTERNS[rule], text)
                if match:
                    yield Finding(name, 1, rule, hidden(match.group()))
            continue
        text = content.decode("utf-8", errors="replace")
        yield from secrets(name, text)
        yield from credentials(name, text)


def load_allowed(path, failures):
    entries = (yaml.safe_load(path.read_text()) or []) if path.exists() else []
    for entry in entries:
        what = f"{path.name}: {entry}"
        if not isinstance(entry, dict) or set(entry) != {"file", "rule", "reason"}:
            failures.append(f"{what}: an entry has file, rule and reason")
            continue
        if re.search(r"[*?\[]", entry["file"]):
            failures.append(f"{what}: an entry names one file, not a pattern")
        if len(str(entry["reason"]).strip()) < REASON_CHARACTERS_MIN:
            failures.append(f"{what}: that is no reason")
        if entry["rule"] not in {*PATTERNS, "high-entropy", "plain-secret", "too-large"}:
            failures.append(f"{what}: no rule '{entry['rule']}'")
    return [entry for entry in entries if isinstance(entry, dict) and {"file", "rule"} <= set(entry)]


def check(root, allowed):
    failures, used = [], set()
    entries = {(entry["file"], entry["rule"]): entry for entry in load_allowed(allowed, failures)}
    count = 0
    for finding in scan(root):
        count += 1
        key = (finding.file, finding.rule)
        if key in entries and (entries[key].get("reason") or ""):
            used.add(key)
        else:
            failures.append(str(finding))
    failures += [f"{allowed.name}: '{file}' has nothing of '{rule}' any more; remove the entry" for file, rule in entries if (file, rule) not in used]
    return failures, count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=REPOSITORY)
    parser.add_argument("--allowed", type=Path, default=ALLOWED)
    options = parser.parse_args()
    failures, count = check(options.root, options.allowed)
    for failure in failures:
        print(f"FAILED  {failure}")
    print(f"secrets: {len(files(options.root))} files read, {count} findings, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
