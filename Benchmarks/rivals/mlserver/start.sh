#!/usr/bin/env bash
# Becomes MLServer with one model.
# Usage: start.sh VENV WORK MODEL_FILE HTTP_PORT GRPC_PORT METRICS_PORT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
cat >"$2/settings.json" <<JSON
{"host": "127.0.0.1", "http_port": $4, "grpc_port": $5, "metrics_port": $6, "parallel_workers": 0, "debug": false}
JSON
cat >"$2/model-settings.json" <<JSON
{"name": "tumor", "implementation": "runtime.ONNXRuntime", "parameters": {"uri": "$3"}}
JSON
export PYTHONPATH=$here
exec "$1/bin/mlserver" start "$2"
