"""Shows check_secrets.py something of every kind and asks that it says so; and that it leaves the rest alone.

    Tests/Cluster/test_secrets.py

The samples are put together here, so that no file of this repository holds one.
"""

import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import check_secrets

RANDOM = "q7Zr2LxP9vTn" + "4KwB8sYd1HmC3fJg"
PLAIN = "apiVersion: v1\nkind: Se" + "cret\nmetadata: { name: x }\n"
SAMPLES = {
    "plain-secret": {
        "data": ("a.yaml", PLAIN + "data: { password: aGVsbG8= }\n"),
        "stringData": ("a.yml", PLAIN + "stringData:\n  password: hello\n"),
        "the second document": ("a.yaml", "kind: ConfigMap\n---\n" + PLAIN + "data: { a: Yg== }\n"),
        "inside a list": ("a.yaml", "kind: List\nitems:\n  - kind: Se" + "cret\n    metadata: { name: x }\n    data: { a: Yg== }\n"),
        "a template": ("templates/a.yaml", PLAIN.replace("x }", "{{ .Values.name }} }") + "data:\n  a: {{ .Values.password | b64enc }}\n"),
        "JSON": ("a.json", '{"kind": "Se' + 'cret", "metadata": {"name": "x"}, "data": {"a": "Yg=="}}'),
    },
    "private-key": {
        "PKCS8": ("a.pem", "-----BEGIN " + "PRIVATE KEY-----\nMIIE\n"),
        "OpenSSH": ("notes.md", "-----BEGIN OPENSSH " + "PRIVATE KEY-----\n"),
        "EC, in code": ("a.swift", 'let key = "-----BEGIN EC ' + 'PRIVATE KEY-----"\n'),
        "in a binary": ("a.bin", "\0\0\0-----BEGIN RSA " + "PRIVATE KEY-----"),
    },
    "aws-access-key": {"a long-lived one": ("a.sh", "export ID=AKIA" + "IOSFODNN7EXAMPLE\n")},
    "slack-token": {"a bot's": ("a.yaml", "token: xoxb-" + "123456789012-abcdefGHIJKL\n")},
    "slack-webhook": {"in an Alertmanager file": ("a.yaml", "slack_api_url: https://hooks.slack" + ".com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX\n")},
    "github-token": {"a classic one": ("a.txt", "ghp_" + "A1b2" * 9 + "\n")},
    "gitlab-token": {"a personal one": ("a.txt", "glpat-" + "A1b2C3d4E5f6G7h8I9j0" + "\n")},
    "google-key": {"one": ("a.txt", "AIza" + "SyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q\n")},
    "registry-token": {"npm": ("a.txt", "npm_" + "A1b2" * 9 + "\n")},
    "stripe-key": {"live": ("a.txt", "sk_live_" + "A1b2C3d4E5f6G7h8I9j0\n")},
    "jwt": {"one": ("a.txt", "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlCg\n")},
    "age-key": {"one": ("a.txt", "AGE-SECRET-KEY-1" + "Q7ZR2LXP9VTN" * 5 + "\n")},
    "kubeconfig": {"a client's key": ("config", "    client-key-" + "data: " + "QUJDREVGR0hJSktM" * 4 + "\n")},
    "docker-auth": {"one": ("config.json", '{"auths": {"r": {"auth": "' + "dXNlcjpwYXNzd29yZDEyMzQ1Ng==" + '"}}}')},
    "url-password": {"a database's": ("a.env", "DSN=postgresql://mlflow:" + "Xk29vLq7" + "@db:5432/mlflow\n")},
    "high-entropy": {
        "YAML": ("values.yaml", "admin" + f"Password: {RANDOM}\n"),
        "quoted": ("a.py", "API_" + f'KEY = "{RANDOM}"\n'),
        "a shell's": ("a.sh", "export S3_SECRET_" + f"KEY='{RANDOM}'\n"),
        "JSON": ("a.json", '{"client_' + f'secret": "{RANDOM}"}}'),
        "a plain Secret's value in a SealedSecret's template": (
            "a.yaml", "kind: SealedSecret\nspec:\n  encryptedData:\n    a: b\n  template:\n    stringData:\n      pass" + f"word: {RANDOM}\n"),
    },
}
HARMLESS = {
    "a sealed one": ("a.yaml", "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: { name: x }\nspec:\n  encryptedData:\n    pass" + f"word: AgB{RANDOM}{RANDOM}==\n"),
    "a Secret without data": ("a.yaml", PLAIN),
    "a name of a Secret": ("a.yaml", "env:\n  - secretKeyRef: { name: gateway-token, key: token }\n  secret: kube-prometheus-stack-grafana\n"),
    "a file's path": ("a.yaml", "slack_api_url_file: /etc/alertmanager/secrets/alertmanager-slack/webhook-url\n"),
    "a variable": ("a.sh", 'PASSWORD="$(cat /run/secrets/password)"\nexport TOKEN=$CI_JOB_TOKEN_FROM_OUTSIDE\n'),
    "a template's": ("a.yaml", "password: {{ .Values.database.passwordFromSomewhere }}\n"),
    "code": ("a.swift", "let token = SecretFile.read(at: home.tokenFile2)\nlet secretDigest = Digest.sha256(of: bytes)\n"),
    "a digest": ("a.yaml", "image: x@sha256:" + "0123456789abcdef" * 4 + "\n"),
    "an address without a password": ("a.md", "https://git.example.com/platform/slipway.git and git@example.com:a/b\n"),
}


class Secrets(unittest.TestCase):
    def look(self, name, content, allowed="[]\n"):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tree"
            (root / name).parent.mkdir(parents=True)
            (root / name).write_text(content)
            entries = Path(folder) / "allowed.yaml"
            entries.write_text(allowed)
            return check_secrets.check(root, entries)[0]

    def test_every_rule_has_a_sample(self):
        self.assertEqual({*check_secrets.PATTERNS, "plain-secret", "high-entropy"}, set(SAMPLES))

    def test_samples_are_found(self):
        for rule, samples in SAMPLES.items():
            for what, (name, content) in samples.items():
                with self.subTest(rule=rule, what=what):
                    failures = self.look(name, content)
                    self.assertTrue(any(f": {rule}: " in failure for failure in failures), f"not found; said {failures}")

    def test_what_is_found_is_not_repeated(self):
        for failure in self.look("values.yaml", "admin" + f"Password: {RANDOM}\n"):
            self.assertNotIn(RANDOM, failure)

    def test_the_rest_is_left_alone(self):
        for what, (name, content) in HARMLESS.items():
            with self.subTest(what=what):
                self.assertEqual([], self.look(name, content))

    def test_an_allowed_file_passes_for_its_rule_only(self):
        name, content = SAMPLES["private-key"]["PKCS8"]
        entry = "- { file: %s, rule: %s, reason: a key made for this test alone }\n"
        self.assertEqual([], self.look(name, content, entry % (name, "private-key")))
        self.assertEqual(2, len(self.look(name, content, entry % (name, "jwt"))))
        self.assertEqual(2, len(self.look(name, content, entry % ("other.pem", "private-key"))))

    def test_the_list_of_what_is_allowed_must_give_reasons(self):
        name, content = SAMPLES["private-key"]["PKCS8"]
        for entry in (
            "- { file: %s, rule: private-key }\n", "- { file: %s, rule: private-key, reason: ok }\n",
            "- { file: '*.pem', rule: private-key, reason: all of them are harmless }\n", "- { file: %s, rule: nonsense, reason: a key made for this test }\n",
        ):
            with self.subTest(entry=entry):
                self.assertNotEqual([], self.look(name, content, entry.replace("%s", name)))

    def test_an_entry_that_allows_nothing_any_more_fails(self):
        failures = self.look("a.md", "nothing here\n", "- { file: a.md, rule: jwt, reason: it was there once upon a time }\n")
        self.assertEqual(1, len(failures))


if __name__ == "__main__":
    unittest.main()
