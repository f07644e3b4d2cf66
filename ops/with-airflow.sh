#!/usr/bin/env bash
# Runs a command beside a real Airflow with our DAG on it: its address is then in SLIPWAY_AIRFLOW, who may
# call in SLIPWAY_AIRFLOW_USER and SLIPWAY_AIRFLOW_PASSWORD, the scheduler's process group in AIRFLOW_SCHEDULER.
# What the DAG needs (SLIPWAY_BIN, SLIPWAY_HOME, …) is taken from the environment; see charts/airflow/dags.
# Usage: ops/with-airflow.sh COMMAND [ARGUMENT ...]
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
VENV=${VENV:-.venv}
AIRFLOW_VENV=${AIRFLOW_VENV:-.venv-airflow}
ready_seconds_max=300
stop_seconds_max=30

if [ ! -x "$AIRFLOW_VENV/bin/airflow" ] || { [ -f "$AIRFLOW_VENV/.requirements" ] && ! cmp -s ops/requirements-airflow.txt "$AIRFLOW_VENV/.requirements"; }; then
  echo "airflow: making $AIRFLOW_VENV" >&2
  "$VENV/bin/uv" venv --quiet --clear --python "$VENV/bin/python" "$AIRFLOW_VENV"
  "$VENV/bin/uv" pip install --quiet --python "$AIRFLOW_VENV/bin/python" --requirement ops/requirements-airflow.txt
  cp ops/requirements-airflow.txt "$AIRFLOW_VENV/.requirements"
fi
bin=$(cd "$AIRFLOW_VENV/bin" && pwd)
home=$(mktemp -d)
free_port() { "$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port)
random() { "$bin/python" -c 'import secrets; print(secrets.token_hex(32))'; }

SLIPWAY_AIRFLOW=http://127.0.0.1:$port
SLIPWAY_AIRFLOW_USER="admin"
SLIPWAY_AIRFLOW_PASSWORD=$(random)
export SLIPWAY_AIRFLOW SLIPWAY_AIRFLOW_USER SLIPWAY_AIRFLOW_PASSWORD
printf '{"admin": "%s"}' "$SLIPWAY_AIRFLOW_PASSWORD" >"$home/passwords.json"
# The training steps inherit this path: their Python is the projects', not Airflow's.
PATH=$(cd "$VENV/bin" && pwd):$PATH
export PATH AIRFLOW_HOME=$home SLIPWAY_PLANS=$home/plans
export AIRFLOW__CORE__LOAD_EXAMPLES=False AIRFLOW__CORE__DAGS_FOLDER=$root/charts/airflow/dags
export AIRFLOW__CORE__EXECUTOR=LocalExecutor AIRFLOW__CORE__PARALLELISM=4 AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION=False
export AIRFLOW__CORE__AUTH_MANAGER=airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager
export AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS=admin:admin AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE=$home/passwords.json
export AIRFLOW__CORE__EXECUTION_API_SERVER_URL=$SLIPWAY_AIRFLOW/execution/
export AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:///$home/airflow.db
export AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__API__PORT=$port AIRFLOW__API__WORKERS=1
AIRFLOW__API_AUTH__JWT_SECRET=$(random)
AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT=$(free_port)
export AIRFLOW__API_AUTH__JWT_SECRET AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT
# Faster than a cluster's: what is shown is the order of things, not the waiting between.
export AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME=0.2 AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL=1
export AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL=5 AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD=10
export AIRFLOW__SCHEDULER__JOB_HEARTBEAT_SEC=2 AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC=2
export AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT=30

groups=()
# shellcheck disable=SC2317 # the trap calls it
finish() {
  # The scheduler may have been replaced meanwhile: its present group is in the file.
  [ -s "$home/scheduler.pid" ] && groups+=("$(cat "$home/scheduler.pid")")
  for group in "${groups[@]}"; do kill -TERM -- "-$group" 2>/dev/null || :; done
  for _ in $(seq $((stop_seconds_max * 5))); do
    alive=0
    for group in "${groups[@]}"; do kill -0 -- "-$group" 2>/dev/null && alive=1; done
    [ "$alive" = 0 ] && break
    sleep 0.2
  done
  for group in "${groups[@]}"; do kill -KILL -- "-$group" 2>/dev/null || :; done
  rm -rf "$home"
}
trap finish EXIT

"$bin/airflow" db migrate >"$home/migrate.log" 2>&1 || { tail -20 "$home/migrate.log" >&2; exit 1; }
for part in api-server dag-processor; do
  setsid "$bin/airflow" "$part" >"$home/$part.log" 2>&1 &
  groups+=($!)
done
export AIRFLOW_SCHEDULER=$home/scheduler.pid AIRFLOW_START_SCHEDULER=$home/start-scheduler
cat >"$AIRFLOW_START_SCHEDULER" <<END
#!/usr/bin/env bash
setsid "$bin/airflow" scheduler >>"$home/scheduler.log" 2>&1 &
echo \$! >"$home/scheduler.pid"
END
chmod 0700 "$AIRFLOW_START_SCHEDULER"
"$AIRFLOW_START_SCHEDULER"
for ((second = 0; ; second++)); do
  if curl -sf -m 5 "$SLIPWAY_AIRFLOW/api/v2/monitor/health" | grep -q '"scheduler":{"status":"healthy"'; then break; fi
  if ((second >= ready_seconds_max)); then
    echo "airflow did not become ready" >&2
    tail -n 20 "$home"/*.log >&2
    exit 7
  fi
  sleep 1
done
echo "== airflow $("$bin/python" -c 'from importlib.metadata import version; print(version("apache-airflow"))') at $SLIPWAY_AIRFLOW" >&2
status=0
"$@" || status=$?
if [ $status != 0 ]; then tail -n 30 "$home"/scheduler.log "$home"/dag-processor.log >&2; fi
exit $status
