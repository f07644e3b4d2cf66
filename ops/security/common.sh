# Sourced by the scripts beside it.
# shellcheck shell=bash

fail() {
  echo "$(basename "$0"): $1" >&2
  [ -z "${2:-}" ] || echo "  try: $2" >&2
  exit 1
}

need() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || case $program in
      kubeseal) fail "kubeseal is missing" "install the release of sealed-secrets that the cluster runs: https://github.com/bitnami-labs/sealed-secrets/releases" ;;
      *) fail "$program is missing" "install $program and put it on the PATH" ;;
    esac
  done
}

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Where the controller runs, as bootstrap/README.md installs it.
CONTROLLER_NAMESPACE=${SEALED_SECRETS_NAMESPACE:-sealed-secrets}
CONTROLLER_NAME=${SEALED_SECRETS_NAME:-sealed-secrets}
# A certificate in a file seals without a cluster: kubeseal --fetch-cert.
CERTIFICATE=${SEALED_SECRETS_CERT:-}

seal_with() {
  if [ -n "$CERTIFICATE" ]; then
    [ -r "$CERTIFICATE" ] || fail "the certificate '$CERTIFICATE' cannot be read" "kubeseal --fetch-cert > '$CERTIFICATE'"
    kubeseal --cert "$CERTIFICATE" "$@"
  else
    kubeseal --controller-namespace "$CONTROLLER_NAMESPACE" --controller-name "$CONTROLLER_NAME" "$@"
  fi
}

name_of() { # what, value
  [[ $2 =~ ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$ ]] || fail "'$2' is no name of $1"
}

folder_of() { # environment, application
  name_of "an environment" "$1"
  name_of "an application" "$2"
  [ -d "$ROOT/envs/$1" ] || fail "there is no environment '$1'" "one of: $(cd "$ROOT/envs" && echo */)"
  echo "$ROOT/envs/$1/sealed/$2"
}

# The layer of an application: the folder that its chart is in.
layer_of() {
  local pair
  for pair in charts:core baseline:baseline optional:optional; do
    [ ! -d "$ROOT/${pair%%:*}/$1" ] || { echo "${pair##*:}"; return; }
  done
  fail "there is no application '$1'" "one that has a folder in charts/, baseline/ or optional/"
}

# A Secret on stdin, sealed into a file. Never a plain Secret on a disk, not even for a moment.
seal_into() { # environment, layer, file
  mkdir -p "$(dirname "$3")"
  local new="$3.new"
  trap 'rm -f "$new"' RETURN
  seal_with --format yaml \
    | kubectl label --local --filename - --output yaml \
      app.kubernetes.io/part-of=slipway "slipway.dev/layer=$2" "slipway.dev/env=$1" >"$new" || return 1
  grep -q '^kind: SealedSecret$' "$new" || { echo "the answer is no SealedSecret" >&2; return 1; }
  mv "$new" "$3"
}
