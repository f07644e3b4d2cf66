#!/usr/bin/env bash
# Brings the charts of others that ours depend on into their folders, for `make lint-cluster` to check and `helm` to install
# by hand; Argo CD brings its own. They are not kept in this repository. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")/.."
bash ops/tools.sh
failed=()
for chart in charts/*/ baseline/*/ optional/*/; do
    grep -q '^dependencies:' "$chart/Chart.yaml" 2>/dev/null || continue
    if .tools/bin/helm dependency list "$chart" | awk 'NR > 1 && NF && $NF != "ok" && $NF != "unpacked" { missing = 1 } END { exit !missing }'; then
        echo "charts: $chart"
        timeout 120 .tools/bin/helm dependency update "$chart" >/dev/null || failed+=("$chart")
    fi
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "charts: not brought: ${failed[*]}; is the repository that its Chart.yaml names within reach?" >&2
    exit 1
fi
