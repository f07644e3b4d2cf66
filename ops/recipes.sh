#!/usr/bin/env bash
# The export recipes of examples/recipes on the whole road, with the libraries in .venv-recipes (7 GB: PyTorch's wheel
# brings CUDA). Needs what ops/setup.sh installs and a built slipway. Arguments: names of libraries, else all.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
recipes=.venv-recipes
export SLIPWAY_BIN=${SLIPWAY_BIN:-$PWD/.build/debug/slipway}
if [ ! -f "$recipes/.requirements" ] || ! cmp -s ops/requirements-recipes.txt "$recipes/.requirements"; then
  echo "recipes: making $recipes"
  "$VENV/bin/uv" venv --quiet --clear --python "$VENV/bin/python" "$recipes"
  "$VENV/bin/uv" pip install --quiet --python "$recipes/bin/python" --requirement ops/requirements-recipes.txt
  cp ops/requirements-recipes.txt "$recipes/.requirements"
fi
exec "$recipes/bin/python" Tests/Conformance/recipes/trial.py "$@"
