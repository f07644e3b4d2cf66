#!/usr/bin/env bash
# Applies the Prometheus operator's definitions from the chart that Baseline uses, before anything needs one.
# CHART: its folder or archive; fetched into baseline/kube-prometheus-stack/charts when it is not there.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PATH:$PWD/.tools/bin
for tool in helm kubectl; do
  command -v "$tool" >/dev/null || { echo "definitions: '$tool' was not found: bash ops/tools.sh" >&2; exit 1; }
done
stack=baseline/kube-prometheus-stack
version=$(awk '/name: kube-prometheus-stack$/ { found = 1 } found && /version:/ { print $2; exit }' <(sed -n '/^dependencies:/,$p' "$stack/Chart.yaml") | tr -d '"')
chart=${CHART:-$stack/charts/kube-prometheus-stack-$version.tgz}
if [ ! -e "$chart" ]; then helm dependency build "$stack"; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
helm show crds "$chart" >"$work/definitions.yaml"
count=$(grep -c '^kind: CustomResourceDefinition' "$work/definitions.yaml" || true)
if [ "$count" -eq 0 ]; then
  echo "definitions: '$chart' brings none" >&2
  exit 1
fi
kubectl apply --server-side --force-conflicts --filename "$work/definitions.yaml"
for name in servicemonitors podmonitors prometheusrules; do
  kubectl wait --for=condition=Established --timeout=60s "crd/$name.monitoring.coreos.com"
done
echo "definitions: $count applied"
