#!/usr/bin/env bash
# core|optional|e2e: on one machine the drill; with CLUSTER=1 a capture of the cluster of the kubectl context,
# for which PREDICT names a body for the gateway, and FACTS what a drill there has seen.
set -euo pipefail
cd "$(dirname "$0")/../.."
kind=$1
shift
declare -A captures=([core]=core_only [optional]=optional_on [e2e]=e2e_success)
if [ -z "${CLUSTER:-}" ]; then exec "${SHAKEDOWN:-.build/release/shakedown}" proof "$kind" "$@"; fi
arguments=(--cluster --env "${ENV:-dev}" --into "docs/proof/latest/${captures[$kind]}")
[ -z "${PREDICT:-}" ] || arguments+=(--predict "$PREDICT")
[ -z "${FACTS:-}" ] || arguments+=(--facts "$FACTS")
exec "${SLIPWAY:-.build/release/slipway}" proof capture "${captures[$kind]}" "${arguments[@]}" "$@"
