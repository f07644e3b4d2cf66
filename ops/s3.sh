#!/usr/bin/env bash
# The tests of the S3 client against a real S3 server, SeaweedFS, on a free port. Needs what ops/setup.sh installs.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
S3_VENV=${S3_VENV:-.venv-s3} # not S3: weed reads its flags from the environment too
READY_SECONDS=60

if [ ! -f "$S3_VENV/.requirements" ] || ! cmp -s ops/requirements-s3.txt "$S3_VENV/.requirements"; then
  "$VENV/bin/uv" venv --quiet --clear --python "$VENV/bin/python" "$S3_VENV"
  "$VENV/bin/uv" pip install --quiet --python "$S3_VENV/bin/python" --requirement ops/requirements-s3.txt
  cp ops/requirements-s3.txt "$S3_VENV/.requirements"
fi

folder=$(mktemp -d)
pid=
finish() {
  if [ -n "$pid" ]; then
    kill -- "-$pid" 2>/dev/null || true
    # It does not always end when it is asked to.
    for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 -- "-$pid" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
set -m

# weed takes further ports 10,000 above those it is given: all of them from the lower half.
read -r master volume filer webdav admin port < <("$VENV/bin/python" - <<'PY'
import random, socket
ports = []
while len(ports) < 6:
    port = random.randint(10000, 30000)
    try:
        for one in (port, port + 10000):
            with socket.socket() as s:
                s.bind(("127.0.0.1", one))
        ports.append(port)
    except OSError:
        pass
print(*ports)
PY
)
AWS_ACCESS_KEY_ID=$("$VENV/bin/python" -c 'import secrets; print(secrets.token_hex(10))')
AWS_SECRET_ACCESS_KEY=$("$VENV/bin/python" -c 'import secrets; print(secrets.token_hex(20))')
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
SLIPWAY_S3_VERSION=$("$S3_VENV/bin/weed" version | sed -n 1p)
export SLIPWAY_S3_VERSION
echo "s3: $SLIPWAY_S3_VERSION"
"$S3_VENV/bin/weed" mini "-dir=$folder" -ip=127.0.0.1 "-s3.port=$port" "-master.port=$master" "-volume.port=$volume" \
  "-filer.port=$filer" "-webdav.port=$webdav" "-admin.port=$admin" >"$folder/weed.log" 2>&1 &
pid=$!
export SLIPWAY_S3_ENDPOINT=http://127.0.0.1:$port
for _ in $(seq $((READY_SECONDS * 5))); do
  if "$VENV/bin/python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1] + "/healthz", timeout=5)' "$SLIPWAY_S3_ENDPOINT" 2>/dev/null; then
    ready=yes
    break
  fi
  sleep 0.2
done
if [ -z "${ready:-}" ]; then
  echo "s3: not ready in $READY_SECONDS s" >&2
  tail -20 "$folder/weed.log" >&2
  exit 1
fi
"$@"
