#!/usr/bin/env bash
# Runs a command beside a real MLflow server, whose address is then in SLIPWAY_MLFLOW_URL; ends the server.
# Usage: ops/with-mlflow.sh COMMAND [ARGUMENT ...]
set -euo pipefail
bin=${SLIPWAY_MLFLOW_BIN:-.venv/bin}
ready_seconds_max=180
stop_seconds_max=20
[ -x "$bin/mlflow" ] || { echo "there is no $bin/mlflow: run 'make setup'" >&2; exit 3; }
bin=$(cd "$bin" && pwd)
home=$(mktemp -d)
port=$("$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
url=http://127.0.0.1:$port
# A session of its own: the server starts workers, and all of them are to end.
PATH=$bin:$PATH MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false setsid "$bin/mlflow" server --host 127.0.0.1 --port "$port" \
  --workers 1 --backend-store-uri "sqlite:///$home/mlflow.db" --serve-artifacts --artifacts-destination "$home/artifacts" \
  >"$home/log" 2>&1 &
server=$!
finish() {
  kill -TERM -- "-$server" 2>/dev/null || kill -TERM "$server" 2>/dev/null || :
  for _ in $(seq $((stop_seconds_max * 5))); do
    kill -0 -- "-$server" 2>/dev/null || break
    sleep 0.2
  done
  kill -KILL -- "-$server" 2>/dev/null || :
  rm -rf "$home"
}
trap finish EXIT
for ((second = 0; ; second++)); do
  curl -sf -m 5 "$url/health" >/dev/null && break
  if ((second >= ready_seconds_max)) || ! kill -0 "$server" 2>/dev/null; then
    echo "mlflow server did not become ready" >&2
    tail -20 "$home/log" >&2
    exit 7
  fi
  sleep 1
done
echo "== mlflow server $(curl -sf -m 5 "$url/version") at $url" >&2
SLIPWAY_MLFLOW_URL=$url SLIPWAY_ENGINES=1 "$@"
