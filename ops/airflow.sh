#!/usr/bin/env bash
# The example project under a real Airflow and against a real MLflow, and a real Triton below ops/with-triton.sh: green,
# refused by smoke, and over a killed scheduler. Needs what ops/setup.sh installs and a built .build/debug/slipway.
# Arguments: names of trials, else all.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
free_port() { "$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
SLIPWAY_BIN=${SLIPWAY_BIN:-$PWD/.build/debug/slipway}
[ -x "$SLIPWAY_BIN" ] || { echo "airflow: there is no $SLIPWAY_BIN: make build" >&2; exit 3; }
export SLIPWAY_BIN SLIPWAY_ENV=dev SLIPWAY_HOME=$work/steps SLIPWAY_REPOSITORY=$work/release.git SLIPWAY_PROJECTS=$work/projects
mkdir "$work/projects"
cp -R examples/tumor "$work/projects/tumor"
# For a candidate that fails smoke: with `golden=wrong` the training writes outputs that no model gives.
cat >>"$work/projects/tumor/train.py" <<'END'

if os.environ.get("SLIPWAY_PARAM_GOLDEN") == "wrong":
    golden = json.loads((OUTPUT / "golden.json").read_text())
    golden["outputs"][1]["data"] = [1.0 - value for value in golden["outputs"][1]["data"]]
    (OUTPUT / "golden.json").write_text(json.dumps(golden))
END
if [ -n "${SLIPWAY_TRITON:-}" ]; then
  # A real one, as ops/with-triton.sh starts it.
  export TRIAL_MODEL_SERVER=started SLIPWAY_MODEL_SERVERS=http://$SLIPWAY_TRITON
else
  SLIPWAY_MODEL_SERVERS=http://127.0.0.1:$(free_port)
fi
SLIPWAY_GATEWAYS=http://127.0.0.1:$(free_port)
export SLIPWAY_MODEL_SERVERS SLIPWAY_GATEWAYS VENV
export SLIPWAY_MLFLOW_BIN=$VENV/bin
# shellcheck disable=SC2016 # the address is known inside
bash ops/with-mlflow.sh bash -c 'export SLIPWAY_TRACKING=$SLIPWAY_MLFLOW_URL; exec bash ops/with-airflow.sh "$VENV/bin/python" Tests/Conformance/airflow/trial.py "$@"' airflow "$@"
