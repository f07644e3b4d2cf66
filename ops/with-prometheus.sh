#!/usr/bin/env bash
# Runs a command with the path of a real Prometheus in SLIPWAY_PROMETHEUS_PROGRAM; installs Debian's where there is none.
# Usage: ops/with-prometheus.sh COMMAND [ARGUMENT ...]
set -euo pipefail
if ! command -v prometheus >/dev/null; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "with-prometheus: installing prometheus"
  $sudo apt-get update -qq
  # Only the program is wanted: its service would listen on a port of its own.
  $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus >/dev/null
fi
program=$(command -v prometheus)
echo "== $("$program" --version 2>&1 | head -1)" >&2
SLIPWAY_PROMETHEUS_PROGRAM=$program "$@"
