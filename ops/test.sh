#!/usr/bin/env bash
# Runs the tests that are built, and ends by naming those that failed: a log of thousands of lines is read from its end.
# Swift Testing starts all tests of a run at once. Those that only compute go first, so that nobody's deadline is spent
# on their work; then those with peers; then stock clients and whole platforms as processes; then those that want the
# machine for their time.
# Usage: ops/test.sh [ARGUMENTS OF swift test]; with arguments, one run.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
trap 'rm -f "$log"' EXIT
code=0
run() { swift test --skip-build "$@" 2>&1 | tee -a "$log" || code=$?; }
if [ $# -gt 0 ]; then
    run "$@"
else
    peers='(Apps|Clients|GRPC|Gateway|Git|HTTP|InferenceServer|Notifications|PipelineRunner|Processes|Pyfunc|S3|Tracking(Import|SQLite|Server))Tests\.'
    processes='ConformanceTests|^EndToEndTests\.'
    alone='^(Fuzz|Simulation)Tests\.'
    run --skip "$peers|$processes|$alone"
    run --filter "$peers" --skip "$processes"
    run --filter "$processes"
    run --filter "$alone"
fi
if [ "$code" -ne 0 ]; then
    echo "== what failed:"
    grep -E -A8 'recorded an issue|✘ Test "|^error:|Fatal error' "$log" | grep -vE '^(◇|✔)' | cut -c1-500 | head -100 || echo "no test says that it failed; it ended with $code"
fi
exit "$code"
