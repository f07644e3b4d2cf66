#!/usr/bin/env bash
# Installs what the tests and the demo need, and nothing twice: Debian packages, and a virtual
# environment with the stock clients and ONNX Runtime's library. Needs only Swift, Python 3 and git.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}

packages=()
for package in libsqlite3-dev git wrk python3-venv; do
  case $package in
    git | wrk) command -v "$package" >/dev/null || packages+=("$package") ;;
    *) dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || packages+=("$package") ;;
  esac
done
if [ ${#packages[@]} -gt 0 ]; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "setup: installing ${packages[*]}"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

stamp=$VENV/.requirements
if [ ! -f "$stamp" ] || ! cmp -s ops/requirements.txt "$stamp"; then
  echo "setup: making $VENV (about a minute)"
  [ -x "$VENV/bin/python" ] || python3 -m venv "$VENV"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check uv==0.9.7
  "$VENV/bin/uv" pip install --quiet --python "$VENV/bin/python" --requirement ops/requirements.txt
  cp ops/requirements.txt "$stamp"
fi
ls "$VENV"/lib/python3*/site-packages/onnxruntime/capi/libonnxruntime.so* >/dev/null
echo "setup: done"
