"""The road of a model as an Airflow DAG, one for each pipeline.yaml.

The tasks carry the names of Slipway's steps and do nothing but call `slipway step`: what a step does, what
it refuses and what it leaves behind is the same as in the embedded engine. A step that is done is not done
again, so Airflow may repeat any task at will, as it does after its scheduler was killed.

Set in the environment of the DAG processor and of the workers:

SLIPWAY_PROJECTS      folders that hold projects, with colons; default: examples/ of this repository
SLIPWAY_BIN           the program; default: slipway
SLIPWAY_ENV           the environment; default: dev
SLIPWAY_HOME          the folder that all steps share
SLIPWAY_REPOSITORY, SLIPWAY_BRANCH, SLIPWAY_TRACKING, SLIPWAY_MODEL_SERVERS, SLIPWAY_GATEWAYS
                      where the engines are, as `slipway step --help` says
"""

import hashlib
import json
import logging
import os
import pathlib
import signal
import subprocess
from datetime import timedelta

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import DAG, PokeReturnValue, get_current_context, task

log = logging.getLogger(__name__)

PROGRAM = os.environ.get("SLIPWAY_BIN", "slipway")
ENVIRONMENT = os.environ.get("SLIPWAY_ENV", "dev")
# Exit codes of `slipway`; docs/reference has the table.
REFUSED, TRY_AGAIN = 5, 7
# How often a step is tried again whose engines did not answer, and how long is waited between.
RETRIES, RETRY_DELAY = 3, timedelta(seconds=15)
# How often `ready` is asked again.
POKE_SECONDS = 10
LIST_SECONDS_MAX = 60
# What a step gets between SIGTERM and SIGKILL.
END_SECONDS_MAX = 30
PROJECTS_MAX = 200


def projects():
    """Every folder with a pipeline.yaml, sorted."""
    default = pathlib.Path(__file__).resolve().parents[3] / "examples"
    roots = [pathlib.Path(root) for root in os.environ.get("SLIPWAY_PROJECTS", str(default)).split(":") if root]
    found = {folder.parent for root in roots for folder in [*root.glob("pipeline.yaml"), *root.glob("*/pipeline.yaml")]}
    if len(found) > PROJECTS_MAX:
        raise AirflowException(f"more than {PROJECTS_MAX} projects under SLIPWAY_PROJECTS")
    return sorted(found)


def plan(project):
    """The project's steps, as the program reads its pipeline.yaml; kept until that file changes."""
    text = (project / "pipeline.yaml").read_bytes()
    home = pathlib.Path(os.environ.get("SLIPWAY_PLANS", "/tmp/slipway-plans"))
    kept = home / f"{hashlib.sha256(PROGRAM.encode() + bytes(1) + text).hexdigest()}.json"
    if kept.exists():
        return json.loads(kept.read_text())
    answer = subprocess.run(
        [PROGRAM, "step", "--list", "--project", str(project), "--output", "json"],
        capture_output=True,
        text=True,
        timeout=LIST_SECONDS_MAX,
        check=False,
    )
    if answer.returncode != 0:
        raise AirflowException(f"{project}/pipeline.yaml: {answer.stderr.strip()}")
    home.mkdir(parents=True, exist_ok=True)
    half = kept.with_suffix(f".{os.getpid()}")
    half.write_text(answer.stdout)
    half.replace(kept)
    return json.loads(answer.stdout)


def call(project, step, part=None):
    """Runs one step, and answers its exit code and outcome. Its lines are the task's log."""
    context = get_current_context()
    run = context["dag_run"]
    command = [PROGRAM, "step", step, "--run", run.run_id, "--project", str(project), "--env", ENVIRONMENT, "--output", "json"]
    command += ["--home", os.environ["SLIPWAY_HOME"]] if "SLIPWAY_HOME" in os.environ else []
    command += ["--part", part] if part else []
    for key, value in sorted(((run.conf or {}).get("parameters") or {}).items()):
        command += ["--set", f"{key}={value}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=project)
    last = ""
    try:
        for line in process.stdout:
            if line.strip():
                last = line.strip()
                log.info("%s", last)
        code = process.wait()
    finally:
        # Ended from outside: the step ends its own commands, and is done again by the next attempt.
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
    try:
        outcome = json.loads(last)
    except ValueError:
        outcome = {}
    return code, outcome if isinstance(outcome, dict) else {}


def finish(code, outcome):
    """Turns an exit code into what Airflow understands; the outcome is kept for whoever follows the run."""
    if outcome:
        context = get_current_context()
        context["ti"].xcom_push(key="return_value", value=outcome)
    if code == 0:
        return
    said = "; ".join(outcome.get("details") or []) or outcome.get("summary") or "see the lines above"
    if code == TRY_AGAIN:
        raise AirflowException(f"something did not answer, to be tried again: {said}")
    raise AirflowFailException(f"exit code {code}: {said}")


def step_task(project, item):
    limit = timedelta(seconds=item["limitSeconds"])
    options = {"task_id": item["task"], "retries": RETRIES, "retry_delay": RETRY_DELAY}
    if item["step"] == "ready":

        @task.sensor(mode="reschedule", poke_interval=POKE_SECONDS, timeout=item["limitSeconds"], do_xcom_push=False, **options)
        def ready():
            code, outcome = call(project, "ready")
            if code == TRY_AGAIN:
                return PokeReturnValue(is_done=False)
            finish(code, outcome)
            return PokeReturnValue(is_done=True)

        return ready()

    @task(execution_timeout=limit, do_xcom_push=False, **options)
    def step():
        finish(*call(project, item["step"], item["part"]))

    return step()


def lifecycle(project):
    known = plan(project)
    with DAG(
        dag_id=f"lifecycle-{known['model']}",
        description=f"The road of model {known['model']}",
        schedule=None,
        catchup=False,
        # One candidate a model at a time.
        max_active_runs=1,
        tags=["slipway", ENVIRONMENT],
        doc_md=__doc__,
    ) as dag:
        tasks = [step_task(project, item) for item in known["steps"]]
        for before, after in zip(tasks, tasks[1:]):
            before >> after

        @task(task_id="rollback", trigger_rule="one_failed", retries=RETRIES, retry_delay=RETRY_DELAY, do_xcom_push=False)
        def rollback():
            finish(*call(project, "rollback"))

        # Not behind `notify`: that step rolls back by itself where the policy says so, and a message that
        # is not out takes no healthy model out of service.
        last = rollback()
        [one for one, item in zip(tasks, known["steps"]) if item["step"] != "notify"] >> last
    return dag


for folder in projects():
    made = lifecycle(folder)
    globals()[made.dag_id.replace("-", "_")] = made
