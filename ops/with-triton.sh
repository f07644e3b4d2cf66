#!/usr/bin/env bash
# Runs a command beside a real Triton server in explicit mode with an empty repository; ends the server.
# Its addresses (host:port) are then in SLIPWAY_TRITON, SLIPWAY_TRITON_GRPC and SLIPWAY_TRITON_METRICS, its folder of
# models in SLIPWAY_TRITON_REPOSITORY. Its backend "onnxruntime" is Python's, the only one that a wheel brings.
# Usage: ops/with-triton.sh COMMAND [ARGUMENT ...]
set -euo pipefail
venv=.tools/rivals/triton
ready_seconds_max=60
stop_seconds_max=20
[ -x "$venv/bin/python" ] || bash ops/rivals.sh triton
home=$(mktemp -d)
mkdir -p "$home/models" "$home/backends/onnxruntime"
cp Tests/Conformance/triton/onnxruntime.py "$home/backends/onnxruntime/model.py"
read -r http grpc metrics < <("$venv/bin/python" - <<'PY'
import socket
held = [socket.socket() for _ in range(3)]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
)
# A session of its own: each model is a process, and all of them are to end.
setsid bash Benchmarks/rivals/triton/start.sh "$PWD/$venv" "$home" "$home/models" "$http" "$grpc" "$metrics" >"$home/log" 2>&1 &
server=$!
finish() {
  kill -TERM -- "-$server" 2>/dev/null || :
  for _ in $(seq $((stop_seconds_max * 5))); do
    kill -0 -- "-$server" 2>/dev/null || break
    sleep 0.2
  done
  kill -KILL -- "-$server" 2>/dev/null || :
  rm -rf "$home"
}
trap finish EXIT
for ((tenth = 0; ; tenth++)); do
  curl -sf -m 5 "http://127.0.0.1:$http/v2/health/ready" >/dev/null && break
  if ((tenth >= ready_seconds_max * 10)) || ! kill -0 "$server" 2>/dev/null; then
    echo "Triton did not become ready" >&2
    tail -20 "$home/log" >&2
    exit 7
  fi
  sleep 0.1
done
echo "== Triton $(curl -sf -m 5 "http://127.0.0.1:$http/v2" | "$venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)["version"])') at 127.0.0.1:$http" >&2
code=0
SLIPWAY_TRITON=127.0.0.1:$http SLIPWAY_TRITON_GRPC=127.0.0.1:$grpc SLIPWAY_TRITON_METRICS=127.0.0.1:$metrics \
  SLIPWAY_TRITON_REPOSITORY=$home/models SLIPWAY_TRITON_PID=$server SLIPWAY_ENGINES=1 "$@" || code=$?
if [ "$code" -ne 0 ]; then tail -"${SLIPWAY_TRITON_LOG_LINES:-20}" "$home/log" >&2; fi
exit "$code"
