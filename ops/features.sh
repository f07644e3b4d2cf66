#!/usr/bin/env bash
# Installs what 'slipway up' starts while Optional is attached: Debian's Redis, and Feast in .venv-feast (450 MB).
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
FEAST=${FEAST:-.venv-feast}

if ! command -v redis-server >/dev/null; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "features: installing redis-server"
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null
fi
if [ ! -f "$FEAST/.requirements" ] || ! cmp -s ops/requirements-feast.txt "$FEAST/.requirements"; then
  echo "features: making $FEAST (about a minute)"
  "$VENV/bin/uv" venv --quiet --clear --python "$VENV/bin/python" "$FEAST"
  UV_LINK_MODE=copy "$VENV/bin/uv" pip install --quiet --compile-bytecode --python "$FEAST/bin/python" --requirement ops/requirements-feast.txt
  cp ops/requirements-feast.txt "$FEAST/.requirements"
fi
echo "features: $(redis-server --version | cut -d' ' -f1-3), feast $("$FEAST/bin/python" -c 'from importlib.metadata import version; print(version("feast"))')"
