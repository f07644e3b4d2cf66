#!/usr/bin/env bash
# The tracking suite against MLflow's own server and against ours, with the clients of both generations.
# Needs what ops/setup.sh installs and a built .build/debug/slipway. Argument: --record writes down what MLflow's
# server answers (Tests/Conformance/tracking/answers.json) and stops.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
OLD=${OLD:-.venv-mlflow2}
SUITE=Tests/Conformance/tracking/run.py
READY_SECONDS=180

if [ ! -f "$OLD/.requirements" ] || ! cmp -s ops/requirements-mlflow2.txt "$OLD/.requirements"; then
  echo "engines: making $OLD"
  "$VENV/bin/uv" venv --quiet --clear --python "$VENV/bin/python" "$OLD"
  "$VENV/bin/uv" pip install --quiet --python "$OLD/bin/python" --requirement ops/requirements-mlflow2.txt
  cp ops/requirements-mlflow2.txt "$OLD/.requirements"
fi

folder=$(mktemp -d)
pids=()
finish() {
  for pid in "${pids[@]}"; do kill -- "-$pid" 2>/dev/null || true; done
  rm -rf "$folder"
}
trap finish EXIT
set -m

wait_for() { # URL NAME
  for _ in $(seq $((READY_SECONDS * 5))); do
    if "$VENV/bin/python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' "$1/health" 2>/dev/null; then return; fi
    sleep 0.2
  done
  echo "engines: $2 was not ready in $READY_SECONDS s" >&2
  tail -20 "$folder/$2.log" >&2
  exit 1
}

port=$("$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false "$VENV/bin/mlflow" server --host 127.0.0.1 --port "$port" --workers 1 \
  --backend-store-uri "sqlite:///$folder/mlflow.db" --serve-artifacts --artifacts-destination "$folder/artifacts" \
  >"$folder/mlflow.log" 2>&1 &
pids+=($!)
mlflow=http://127.0.0.1:$port
wait_for "$mlflow" mlflow
if [ "${1:-}" = --record ]; then
  "$VENV/bin/python" "$SUITE" --uri "$mlflow" --record
  exit
fi

.build/debug/slipway tracking --port 0 --home "$folder/home" >"$folder/slipway.log" 2>&1 &
pids+=($!)
for _ in $(seq $((READY_SECONDS * 5))); do
  [ -s "$folder/home/ports.json" ] && break
  sleep 0.2
done
ours=http://127.0.0.1:$("$VENV/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["tracking"])' "$folder/home/ports.json")
wait_for "$ours" slipway

failed=0
for python in "$VENV/bin/python" "$OLD/bin/python"; do
  version=$("$python" -c 'from importlib.metadata import version; print(version("mlflow"))')
  echo "== client $version, MLflow's server"
  "$python" "$SUITE" --uri "$mlflow" --engine || failed=1
  echo "== client $version, our server"
  "$python" "$SUITE" --uri "$ours" || failed=1
done
exit $failed
