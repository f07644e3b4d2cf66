#!/usr/bin/env bash
# The suite of the stock MLflow client against our server with its artifacts in a bucket: ops/s3.sh ops/bucket.sh.
# Needs what ops/setup.sh installs and a built .build/debug/slipway.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
READY_SECONDS=60
folder=$(mktemp -d)
pid=
finish() {
  if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; wait "$pid" || true; fi
  rm -rf "$folder"
}
trap finish EXIT
AWS_ENDPOINT_URL=$SLIPWAY_S3_ENDPOINT .build/debug/slipway tracking --port 0 --home "$folder/home" --artifacts s3://slipway-artifacts/mlflow >"$folder/log" 2>&1 &
pid=$!
for _ in $(seq $((READY_SECONDS * 5))); do
  [ -s "$folder/home/ports.json" ] && break
  kill -0 "$pid" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.2
done
uri=http://127.0.0.1:$("$VENV/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["tracking"])' "$folder/home/ports.json")
echo "== client $("$VENV/bin/python" -c 'from importlib.metadata import version; print(version("mlflow"))'), our server on ${SLIPWAY_S3_VERSION:-S3}"
"$VENV/bin/python" Tests/Conformance/tracking/run.py --uri "$uri"
