#!/usr/bin/env bash
# On one machine by a drill of its own; with CLUSTER=1 what the current kubectl context shows.
exec "$(dirname "$0")/run.sh" e2e "$@"
