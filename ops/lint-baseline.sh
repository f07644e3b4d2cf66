#!/usr/bin/env bash
# All checks of baseline/, optional/, ops/security and the repository's secrets; every one runs, then it fails.
# Needs promtool and amtool (Debian: prometheus, prometheus-alertmanager), shellcheck, and Python with PyYAML.
set -uo pipefail
cd "$(dirname "$0")/.."

# The environment of the cluster checks, else that of the tests, else the system's.
python=python3
for candidate in .tools/venv/bin/python .venv/bin/python; do
  if [ -x "$candidate" ] && "$candidate" -c 'import yaml' 2>/dev/null; then python=$candidate && break; fi
done
"$python" -c 'import yaml' 2>/dev/null || { echo "lint-baseline: PyYAML is missing; make setup" >&2; exit 1; }

missing=()
for program in promtool:prometheus shellcheck:shellcheck; do
  command -v "${program%%:*}" >/dev/null || missing+=("${program##*:}")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "lint-baseline: missing: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

failed=()
run() { # name, command…
  "${@:2}" || failed+=("$1")
}
run rules "$python" Tests/Cluster/check_rules.py
run alloy "$python" Tests/Cluster/check_alloy.py
run values "$python" Tests/Cluster/check_values.py
run secrets "$python" Tests/Cluster/check_secrets.py
run scripts shellcheck --external-sources ops/security/*.sh ops/lint-baseline.sh
for tests in secrets seal baseline; do
  run "tests of $tests" "$python" "Tests/Cluster/test_$tests.py" --quiet
done
if [ ${#failed[@]} -gt 0 ]; then
  printf 'lint-baseline: failed: %s\n' "${failed[@]}" >&2
  exit 1
fi
