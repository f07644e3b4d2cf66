#!/usr/bin/env bash
# Runs a command and says how long it took; its exit code is the command's.
# Usage: ops/timed.sh NAME COMMAND [ARGUMENT ...]
set -uo pipefail
name=$1
shift
began=$(date +%s)
"$@"
status=$?
echo "== $name: $(($(date +%s) - began)) s, exit code $status"
exit $status
