#!/usr/bin/env bash
# Gives one key of one Secret a new value: ops/security/rotate.sh ENV APP SECRET KEY [FILE]. Without FILE
# it makes one up (48 hexadecimal digits); '-' is stdin. The Secret's other keys stay sealed as they are.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

[ $# -eq 4 ] || [ $# -eq 5 ] || fail "usage: rotate.sh ENV APP SECRET KEY [FILE]" "ops/security/rotate.sh dev gateway gateway-token token"
need kubeseal kubectl openssl
env=$1 app=$2 name=$3 key=$4 file=${5:-}
folder=$(folder_of "$env" "$app")
layer_of "$app" >/dev/null
sealed=$folder/$name.yaml
[ -f "$sealed" ] || fail "'${sealed#"$ROOT"/}' is not there: a new Secret is sealed by seal.sh" "ops/security/seal.sh $env $app $name $key=FILE"
grep -qE "^ +$key: " "$sealed" || fail "'$name' has no key '$key'"
[ -z "$file" ] || [ "$file" = - ] || [ -s "$file" ] || fail "'$file' is not there or empty"

value() {
  case $file in
    "") openssl rand -hex 24 | tr -d '\n' ;;
    -) head -c 65536 | python3 -c 'import sys; sys.stdout.write(sys.stdin.read().rstrip("\r\n"))' ;;
    *) cat "$file" ;;
  esac
}

copy=$sealed.new
trap 'rm -f "$copy"' EXIT
cp "$sealed" "$copy"
value \
  | kubectl create secret generic "$name" --namespace "$app-$env" --dry-run=client --output json --from-file="$key=/dev/stdin" \
  | seal_with --format yaml --merge-into "$copy" || fail "'$name' was not sealed; nothing was changed"
grep -q '^kind: SealedSecret$' "$copy" || fail "the answer is no SealedSecret; nothing was changed"
! cmp -s "$sealed" "$copy" || fail "nothing was changed" "is kubeseal of the controller's version?"
mv "$copy" "$sealed"
echo "rotated: '$key' of ${sealed#"$ROOT"/}; commit it, and what else holds this value: docs/security/secrets.md"
