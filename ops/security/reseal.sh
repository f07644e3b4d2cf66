#!/usr/bin/env bash
# Seals all Secrets again with the controller's newest key: ops/security/reseal.sh [ENV]. The controller
# opens and closes them; no value leaves it. Needed after its key was renewed; values stay as they are.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

[ $# -le 1 ] || fail "usage: reseal.sh [ENV]"
need kubeseal
[ -z "$CERTIFICATE" ] || fail "re-sealing needs the controller, not a certificate" "unset SEALED_SECRETS_CERT"
[ $# -eq 0 ] || folder_of "$1" any >/dev/null
count=0 failed=0
while IFS= read -r -d '' file; do
  grep -q '^kind: SealedSecret$' "$file" || { echo "reseal.sh: '${file#"$ROOT"/}' is no SealedSecret" >&2; failed=$((failed + 1)); continue; }
  if seal_with --re-encrypt --format yaml <"$file" >"$file.new" && grep -q '^kind: SealedSecret$' "$file.new"; then
    mv "$file.new" "$file"
    count=$((count + 1))
  else
    rm -f "$file.new"
    echo "reseal.sh: '${file#"$ROOT"/}' could not be sealed again; it is as it was" >&2
    failed=$((failed + 1))
  fi
done < <(find "$ROOT/envs/${1:-}" -path '*/sealed/*' -name '*.yaml' -print0 | sort -z)
[ "$failed" -eq 0 ] || fail "$failed of $((count + failed)) were not sealed again" "kubectl -n $CONTROLLER_NAMESPACE logs deployment/$CONTROLLER_NAME"
echo "sealed again: $count; look at 'git diff' and commit"
