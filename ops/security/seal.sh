#!/usr/bin/env bash
# Seals one Secret for one application: ops/security/seal.sh ENV APP SECRET KEY=FILE… (FILE '-' is stdin).
# The values go from their files through kubeseal into envs/ENV/sealed/APP/SECRET.yaml; commit that.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "$0")/common.sh"

[ $# -ge 4 ] || fail "usage: seal.sh ENV APP SECRET KEY=FILE [KEY=FILE …]" "openssl rand -hex 24 | ops/security/seal.sh dev gateway gateway-token token=-"
need kubeseal kubectl
env=$1 app=$2 name=$3
shift 3
folder=$(folder_of "$env" "$app")
layer=$(layer_of "$app")
name_of "a Secret" "$name"

arguments=()
stdin=
for pair in "$@"; do
  key=${pair%%=*} file=${pair#*=}
  [[ $pair == *=* && $key =~ ^[-._a-zA-Z0-9]+$ ]] || fail "'$pair' is not KEY=FILE" "values are read from files, so that no shell's history holds them"
  if [ "$file" = - ]; then
    [ -z "$stdin" ] || fail "only one value can come from stdin"
    stdin=$key file=/dev/stdin
  elif [ ! -r "$file" ] || [ ! -s "$file" ]; then
    fail "'$file', the value of '$key', is not there or empty"
  fi
  arguments+=("--from-file=$key=$file")
done
# A value that ends in a line's end is a password that nobody can type.
kubectl create secret generic "$name" --namespace "$app-$env" --dry-run=client --output json "${arguments[@]}" \
  | python3 -c '
import base64, json, sys
secret = json.load(sys.stdin)
for key, value in secret.get("data", {}).items():
    text = base64.b64decode(value)
    if not text.strip():
        sys.exit(f"seal.sh: the value of \"{key}\" is empty")
    if text.count(b"\n") == 1:
        text = text.rstrip(b"\r\n")
    secret["data"][key] = base64.b64encode(text).decode()
json.dump(secret, sys.stdout)' \
  | seal_into "$env" "$layer" "$folder/$name.yaml" || fail "'$name' was not sealed; nothing was changed"
echo "sealed: ${folder#"$ROOT"/}/$name.yaml; commit it"
