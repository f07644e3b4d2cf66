"""Runs ops/security against a kubeseal that only pretends: what goes in, what comes out, what a failure leaves.

    Tests/Cluster/test_seal.py

The pretended one seals by hashing a value with a number that counts its runs, so that sealing again shows.
"""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PRETENDED = r'''#!/usr/bin/env python3
import base64, hashlib, json, os, sys
arguments = sys.argv[1:]
log = os.environ["KUBESEAL_LOG"]
runs = len(open(log).readlines()) if os.path.exists(log) else 0
open(log, "a").write(" ".join(arguments) + "\n")
if os.environ.get("KUBESEAL_FAILS"):
    sys.exit("cannot reach the controller")
def seal(value):
    return hashlib.sha256(f"{value}{runs}".encode()).hexdigest()
def show(name, namespace, sealed, file):
    file.write("apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: %s\n  namespace: %s\n" % (name, namespace))
    file.write("spec:\n  encryptedData:\n" + "".join(f"    {key}: {value}\n" for key, value in sealed.items()))
def read(text):
    lines = text.splitlines()
    sealed = dict(line.split(": ") for line in (line.strip() for line in lines[lines.index("  encryptedData:") + 1:]) if ": " in line)
    values = {line.split(": ")[0].strip(): line.split(": ")[1] for line in lines if ": " in line}
    return values["name"], values["namespace"], {key: value for key, value in sealed.items() if len(value) == 64}
assert arguments[arguments.index("--format") + 1] == "yaml", arguments
if "--re-encrypt" in arguments:
    name, namespace, sealed = read(sys.stdin.read())
    show(name, namespace, {key: seal(value) for key, value in sealed.items()}, sys.stdout)
    sys.exit()
secret = json.load(sys.stdin)
assert secret["kind"] == "Secret"
values = {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}
open(os.environ["KUBESEAL_SEEN"], "w").write(json.dumps(values))
metadata = secret["metadata"]
sealed = {key: seal(value) for key, value in values.items()}
if "--merge-into" in arguments:
    path = arguments[arguments.index("--merge-into") + 1]
    name, namespace, old = read(open(path).read())
    assert (name, namespace) == (metadata["name"], metadata["namespace"])
    show(name, namespace, {**old, **sealed}, open(path, "w"))
else:
    show(metadata["name"], metadata["namespace"], sealed, sys.stdout)
'''


class Seal(unittest.TestCase):
    def setUp(self):
        work = tempfile.TemporaryDirectory()
        self.addCleanup(work.cleanup)
        self.work = Path(work.name)
        self.root = self.work / "tree"
        shutil.copytree(REPOSITORY / "ops/security", self.root / "ops/security")
        for folder in ("envs/dev", "envs/prod", "charts/gateway", "baseline/minio"):
            (self.root / folder).mkdir(parents=True)
        programs = self.work / "bin"
        programs.mkdir()
        (programs / "kubeseal").write_text(PRETENDED)
        (programs / "kubeseal").chmod(0o755)
        tools = REPOSITORY / ".tools/bin"
        self.environment = {
            "PATH": f"{programs}:{tools}:{os.environ['PATH']}", "HOME": str(self.work),
            "KUBESEAL_LOG": str(self.work / "log"), "KUBESEAL_SEEN": str(self.work / "seen"),
        }

    def run_script(self, script, *arguments, stdin="", **environment):
        return subprocess.run(["bash", str(self.root / "ops/security" / script), *arguments], input=stdin, text=True, capture_output=True,
                              timeout=120, env={**self.environment, **environment})

    def sealed(self, name="gateway-token"):
        return self.root / "envs/dev/sealed/gateway" / f"{name}.yaml"

    def seal(self, **environment):
        return self.run_script("seal.sh", "dev", "gateway", "gateway-token", "token=-", stdin="a secret\n", **environment)

    def test_a_secret_is_sealed_with_its_labels_and_without_its_value(self):
        done = self.seal()
        self.assertEqual(0, done.returncode, done.stderr)
        text = self.sealed().read_text()
        self.assertIn("kind: SealedSecret", text)
        for label in ("slipway.dev/layer: core", "slipway.dev/env: dev", "namespace: gateway-dev"):
            self.assertIn(label, text)
        self.assertNotIn("a secret", text + done.stdout + done.stderr)
        self.assertEqual('{"token": "a secret"}', (self.work / "seen").read_text())
        self.assertEqual([self.sealed()], [path for path in (self.root / "envs").rglob("*") if path.is_file()])

    def test_a_layer_is_that_of_the_folder(self):
        value = self.work / "value"
        value.write_text("x1\nx2\n")
        done = self.run_script("seal.sh", "prod", "minio", "minio-root", f"rootPassword={value}", "rootUser=-", stdin="root")
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn("slipway.dev/layer: baseline", (self.root / "envs/prod/sealed/minio/minio-root.yaml").read_text())
        self.assertIn('"rootPassword": "x1\\nx2\\n"', (self.work / "seen").read_text())

    def test_what_is_wrong_is_said_and_changes_nothing(self):
        empty = self.work / "empty"
        empty.write_text("")
        for arguments, stdin, said in (
            (("stage", "gateway", "a", "k=-"), "v", "no environment 'stage'"),
            (("dev", "nothing", "a", "k=-"), "v", "no application 'nothing'"),
            (("dev", "../gateway", "a", "k=-"), "v", "no name of an application"),
            (("dev", "gateway", "a", "value"), "v", "is not KEY=FILE"),
            (("dev", "gateway", "a", f"k={empty}"), "", "empty"),
            (("dev", "gateway", "a", "k=-"), "\n", "is empty"),
            (("dev", "gateway", "a"), "", "usage"),
        ):
            with self.subTest(arguments=arguments):
                done = self.run_script("seal.sh", *arguments, stdin=stdin)
                self.assertNotEqual(0, done.returncode)
                self.assertIn(said, done.stderr)
                self.assertEqual([], [path for path in (self.root / "envs").rglob("*") if path.is_file()])

    def test_without_kubeseal_it_says_what_to_install(self):
        (self.work / "bin/kubeseal").unlink()
        for script in ("seal.sh", "rotate.sh", "reseal.sh"):
            arguments = {"seal.sh": ["dev", "gateway", "a", "k=-"], "rotate.sh": ["dev", "gateway", "a", "k"], "reseal.sh": []}[script]
            done = self.run_script(script, *arguments)
            self.assertNotEqual(0, done.returncode)
            self.assertIn("kubeseal is missing", done.stderr)
            self.assertIn("try:", done.stderr)

    def test_a_failure_leaves_the_sealed_file_as_it_was(self):
        self.seal()
        before = self.sealed().read_bytes()
        for script, arguments in (("seal.sh", ("token=-",)), ("rotate.sh", ("token",))):
            done = self.run_script(script, "dev", "gateway", "gateway-token", *arguments, stdin="other", KUBESEAL_FAILS="1")
            self.assertNotEqual(0, done.returncode)
        self.assertNotEqual(0, self.run_script("reseal.sh", KUBESEAL_FAILS="1").returncode)
        self.assertEqual(before, self.sealed().read_bytes())
        self.assertEqual(["gateway-token.yaml"], os.listdir(self.sealed().parent))

    def test_rotating_changes_one_key_and_only_that(self):
        value = self.work / "value"
        value.write_text("x")
        self.run_script("seal.sh", "dev", "gateway", "gateway-s3", f"access-key-id={value}", f"secret-access-key={value}")
        before = self.sealed("gateway-s3").read_text().splitlines()
        done = self.run_script("rotate.sh", "dev", "gateway", "gateway-s3", "secret-access-key")
        self.assertEqual(0, done.returncode, done.stderr)
        after = self.sealed("gateway-s3").read_text().splitlines()
        changed = [line.split(":")[0].strip() for line in after if line not in before]
        self.assertEqual(["secret-access-key"], changed)
        self.assertRegex((self.work / "seen").read_text(), r'^{"secret-access-key": "[0-9a-f]{48}"}$')
        for arguments, said in ((("gateway-s3", "nothing"), "has no key 'nothing'"), (("other", "token"), "is not there")):
            done = self.run_script("rotate.sh", "dev", "gateway", *arguments)
            self.assertNotEqual(0, done.returncode)
            self.assertIn(said, done.stderr)

    def test_sealing_again_goes_over_every_environment_or_one(self):
        self.seal()
        self.run_script("seal.sh", "prod", "gateway", "gateway-token", "token=-", stdin="y")
        prod = self.root / "envs/prod/sealed/gateway/gateway-token.yaml"
        before = self.sealed().read_text(), prod.read_text()
        self.assertEqual(0, self.run_script("reseal.sh", "dev").returncode)
        self.assertNotEqual(before[0], self.sealed().read_text())
        self.assertEqual(before[1], prod.read_text())
        self.assertEqual(0, self.run_script("reseal.sh").returncode)
        self.assertNotEqual(before[1], prod.read_text())

    def test_what_is_no_sealed_secret_is_told(self):
        self.seal()
        (self.sealed().parent / "other.yaml").write_text("kind: ConfigMap\n")
        done = self.run_script("reseal.sh")
        self.assertNotEqual(0, done.returncode)
        self.assertIn("is no SealedSecret", done.stderr)


if __name__ == "__main__":
    unittest.main()
