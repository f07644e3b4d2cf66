#!/usr/bin/env bash
# Installs the servers that `make bench` measures Slipway beside, each in an environment of its own under .tools/rivals.
# Usage: ops/rivals.sh [NAME ...]; without a name, all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=" $* "
folder=.tools/rivals
isWanted() { [ "$wanted" = "  " ] || [[ $wanted == *" $1 "* ]]; }
if isWanted nginx; then command -v nginx >/dev/null || apt-get install -y --no-install-recommends nginx-light; fi
place() { # NAME REQUIREMENT ...
  local name=$1
  shift
  isWanted "$name" || return 0
  if [ -f "$folder/$name/.requirements" ] && [ "$(cat "$folder/$name/.requirements")" = "$*" ]; then return; fi
  echo "rivals: making $folder/$name"
  .venv/bin/uv venv --quiet --clear --python .venv/bin/python "$folder/$name"
  UV_LINK_MODE=copy .venv/bin/uv pip install --quiet --compile-bytecode --python "$folder/$name/bin/python" "$@"
  echo "$*" >"$folder/$name/.requirements"
}
mkdir -p "$folder"
# Triton's server is in this wheel; it has the Python backend only.
place triton nvidia-pytriton==0.7.0 onnxruntime==1.32.0 numpy
place mlserver mlserver==1.7.1 onnxruntime==1.32.0
place bentoml bentoml==1.4.39 onnxruntime==1.32.0
