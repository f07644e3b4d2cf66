#!/usr/bin/env bash
# Runs the tests that are built, and ends by naming those that failed: a log of thousands of lines is read from its end.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
swift test --skip-build "$@" 2>&1 | tee "$log" || code=$?
if [ "$code" -ne 0 ]; then
    echo "== what failed:"
    grep -E -A8 'recorded an issue|✘ Test "|^error:|Fatal error' "$log" | grep -vE '^(◇|✔)' | cut -c1-500 | head -100 || echo "no test says that it failed; it ended with $code"
fi
exit "$code"
