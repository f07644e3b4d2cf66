"""The protocol itself: calls without the client, and what MLflow's own server answered to them.

`answers.json` was recorded from `mlflow serve` (see ops/engines.sh). Every call of `SCENARIOS` must get the
same status and the same body here, after ids, times and random names were replaced by placeholders.
`differs` at a call says why ours may answer otherwise: then it must only answer well, with no failure of its own.
Where MLflow's server breaks down (500), ours must refuse instead, as the client would try again for minutes.
"""
import json
import re
import urllib.error
import urllib.parse
import urllib.request
import uuid

from mistakes import mistakes
from support import record_route

SECONDS = 60
#: What only newer or only database-backed servers say, and nobody needs.
HIDDEN = ("error_class", "sqlstate")
MAY_BE_EMPTY = ("description", "status_message", "user_id", "model_type", "source_run_id", "run_link", "file_size")


class Talk:
    """A conversation with a server: says calls, keeps what came back in a form that can be compared."""

    def __init__(self, uri):
        self.uri = uri
        self.heard = []
        self.placeholders = {}

    def fresh(self, kind):
        """A name that nobody else has; shown as `<kind>`."""
        name = f"{kind}-{uuid.uuid4().hex[:12]}"
        return self.known(name, kind)

    def known(self, text, placeholder):
        self.placeholders[text] = f"<{placeholder}>"
        return text

    def get(self, path, /, only=None, differs=None, **query):
        return self.say("GET", path, query, only, differs=differs)

    def post(self, path, /, only=None, differs=None, **body):
        return self.say("POST", path, body, only, differs=differs)

    def patch(self, path, /, only=None, differs=None, **body):
        return self.say("PATCH", path, body, only, differs=differs)

    def delete(self, path, /, only=None, differs=None, **body):
        return self.say("DELETE", path, body, only, differs=differs)

    def say(self, method, path, content, only=None, raw=None, differs=None):
        url = f"{self.uri}/api/2.0/mlflow/{path}" if not path.startswith("/") else self.uri + path
        data = None
        if method == "GET":
            url += "?" + urllib.parse.urlencode(content, doseq=True) if content else ""
        else:
            data = raw if raw is not None else json.dumps(content).encode()
        request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as response:
                status, text = response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        record_route(method, urllib.parse.urlsplit(url).path, status)
        try:
            answer = json.loads(text)
        except ValueError:
            answer = {"text": text}
        shown = self.shown(answer)
        if only == "status":
            shown = None
        elif only == "code":
            shown = {"error_code": shown.get("error_code")} if isinstance(shown, dict) else None
        said = self.shown(content) if content is None or method != "GET" else {k: self.shown(v, k) for k, v in content.items()}
        if isinstance(said, dict):
            said = {k: v if not isinstance(v, list) or len(v) < 30 else [*v[:2], f"… {len(v)}"] for k, v in said.items()}
        entry = {"call": self.text(f"{method} {path}"), "said": said, "status": status, "answer": shown}
        if differs:
            entry["differs"] = differs
        self.heard.append(entry)
        return answer

    def shown(self, value, key=None):
        if isinstance(value, dict):
            # What is empty may be left out: protobuf's JSON does. Clients do not tell it from what is not set.
            # Ours also says which logged model a version is.
            hidden = HIDDEN + (("model_id",) if "current_stage" in value else ())
            shown = {k: self.shown(v, k) for k, v in value.items() if k not in hidden}
            return {k: v for k, v in shown.items() if v not in ([], {}) and not (v in ("", 0) and k in MAY_BE_EMPTY)}
        if isinstance(value, list):
            items = [self.shown(v) for v in value]
            names = [i.get("key", i.get("alias")) if isinstance(i, dict) else None for i in items]
            # Keyed values have no order.
            if items and None not in names and len(set(names)) == len(names):
                items.sort(key=lambda i: json.dumps(i, sort_keys=True))
            return items
        if isinstance(value, int) and not isinstance(value, bool) and value > 1_000_000_000_000:
            return "<time>"
        if isinstance(value, str):
            text = self.text(value, key)
            if key in ("next_page_token", "page_token") and len(text) < 600 and text != "nonsense":
                return "<token>"
            return "<id>" if key == "experiment_id" and text.isdigit() else text
        return value

    def found(self, answer, kind, name):
        """Of the last call, a search, only what it found, or the class of a refusal: the words are the parser's."""
        if "error_code" not in answer:
            self.heard[-1]["answer"] = self.shown([name(item) for item in answer.get(kind, [])])
        elif "parameter '" not in answer["message"]:
            self.heard[-1]["answer"] = {"error_code": answer["error_code"]}

    def text(self, text, key=None):
        for known in sorted(self.placeholders, key=len, reverse=True):
            # Experiment ids are short numbers: only whole ones are meant.
            if not known:
                continue
            if known.isdigit():
                before = "|".join(f"(?<={re.escape(p)})" for p in ("id=", "with id ", "experiment ", "mlflow-artifacts:/", "artifacts/"))
                text = re.sub(rf"(?:^|{before}){known}(?![\w.])", self.placeholders[known], text) if key not in ("key", "value", "version") else text
            else:
                text = text.replace(known, self.placeholders[known])
        text = re.sub(r"^[a-z]+-[a-z]+-\d+$", "<random name>", text)
        # What the database said belongs to the database.
        text = re.sub(r"Error: .*", "Error: …", text, flags=re.DOTALL)
        return text if len(text) <= 600 else f"{text[:300]}…{len(text)}"


def experiments(t):
    name = t.fresh("experiment")
    e = t.known(t.post("experiments/create", name=name, tags=[{"key": "a", "value": "1"}])["experiment_id"], "E")
    t.get("experiments/get", experiment_id=e)
    t.get("experiments/get-by-name", experiment_name=name)
    t.get("experiments/get-by-name", experiment_name="absent experiment")
    t.get("experiments/get-by-name")
    t.get("experiments/get")
    t.get("experiments/get", experiment_id="987654321")
    t.get("experiments/get", experiment_id="abc")
    t.get("experiments/get", experiment_id="../etc")
    t.post("experiments/create", name=name)
    t.post("experiments/create", name="")
    t.post("experiments/create")
    t.post("experiments/create", name=7)
    t.post("experiments/create", name=None)
    t.post("experiments/create", name="n" * 501)
    t.post("experiments/create", name=t.fresh("bad-tags"), tags={})
    t.post("experiments/create", name=t.fresh("runs-location"), artifact_location="runs:/x")
    elsewhere = t.fresh("elsewhere")
    f = t.known(t.post("experiments/create", name=elsewhere, artifact_location="mlflow-artifacts:/there/sub")["experiment_id"], "F")
    t.get("experiments/get", experiment_id=f)
    t.post("experiments/create", name=t.fresh("with-query"), artifact_location="mlflow-artifacts:/there/sub?x=../y")
    t.post("experiments/create", name=t.fresh("with-fragment"), artifact_location="mlflow-artifacts:/there/sub#x")
    t.post("experiments/create", name=t.fresh("with-dots"), artifact_location="mlflow-artifacts:/there/../sub", differs="such a place may be refused")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="b", value="2")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="b", value="3")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="empty", value="")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="none")
    t.post("experiments/set-experiment-tag", experiment_id=e)
    t.post("experiments/set-experiment-tag", experiment_id=e, key="bad#key", value="1")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="../up", value="1")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="k" * 251, value="1")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="k" * 250, value="1")
    t.post("experiments/set-experiment-tag", experiment_id=e, key="long", value="v" * 20001)
    t.post("experiments/set-experiment-tag", experiment_id="987654321", key="b", value="2")
    t.post("experiments/delete-experiment-tag", experiment_id=e, key="k" * 250)
    t.post("experiments/delete-experiment-tag", experiment_id=e, key="b")
    t.post("experiments/delete-experiment-tag", experiment_id=e, key="b")
    t.post("experiments/delete-experiment-tag", experiment_id=e)
    t.get("experiments/get", experiment_id=e)
    t.post("experiments/update", experiment_id=e, new_name=t.fresh("renamed"))
    t.post("experiments/update", experiment_id=e, new_name=elsewhere, differs="RESOURCE_ALREADY_EXISTS instead of what the database said")
    t.post("experiments/update", experiment_id=e)
    t.post("experiments/update", experiment_id=e, new_name="")
    t.post("experiments/update", experiment_id="987654321", new_name="x")
    t.post("experiments/update", experiment_id=e, new_name="n" * 501)
    t.get("experiments/get", experiment_id=e)
    t.post("experiments/delete", experiment_id=e)
    t.post("experiments/delete", experiment_id=e)
    t.get("experiments/get", experiment_id=e)
    t.post("experiments/set-experiment-tag", experiment_id=e, key="b", value="2")
    t.post("experiments/delete-experiment-tag", experiment_id=e, key="a")
    t.post("experiments/update", experiment_id=e, new_name="x")
    t.post("experiments/create", name=elsewhere)
    t.post("runs/create", experiment_id=e)
    t.post("experiments/restore", experiment_id=e)
    t.post("experiments/restore", experiment_id=e)
    t.post("experiments/restore", experiment_id="987654321")
    t.post("experiments/delete", experiment_id="987654321")
    t.post("experiments/delete")
    t.post("experiments/delete", experiment_id="987654321")


def experiment_search(t):
    prefix = t.fresh("x")
    ids = []
    for index, letter in enumerate("abcde"):
        identifier = t.post("experiments/create", name=f"{prefix}-{letter}", tags=[{"key": "group", "value": prefix}, {"key": "n", "value": str(index)}])
        ids.append(t.known(identifier["experiment_id"], f"E{letter}"))
    t.post("experiments/delete", experiment_id=ids[1])
    mine = f"tags.group = '{prefix}'"

    def names(**query):
        answer = t.post("experiments/search", **query)
        t.found(answer, "experiments", lambda e: e["name"])
        return answer

    names(max_results=100, filter=mine)
    names(max_results=100, filter=mine, view_type="DELETED_ONLY")
    names(max_results=100, filter=mine, view_type="ALL")
    names(max_results=100, filter=mine, view_type=2)
    names(max_results=100, filter=mine, order_by=["name ASC"])
    names(max_results=100, filter=mine, order_by=["name DESC"])
    names(max_results=100, filter=mine, order_by=["attribute.name DESC"])
    names(max_results=100, filter=mine, order_by=["experiment_id DESC"])
    names(max_results=100, filter=mine, order_by=["creation_time ASC", "name"])
    names(max_results=100, filter=mine, order_by=["last_update_time DESC", "name"])
    names(max_results=100, filter=mine, order_by=["nothing"])
    names(max_results=100, filter=mine, order_by=["tags.n DESC"])
    names(max_results=100, filter=f"{mine} AND name LIKE '%-c'")
    names(max_results=100, filter=f"{mine} AND name LIKE '%-C'")
    names(max_results=100, filter=f"{mine} AND name ILIKE '%-C'")
    names(max_results=100, filter=f"{mine} AND attribute.name = '{prefix}-c'")
    names(max_results=100, filter=f"{mine} AND name != '{prefix}-c'")
    names(max_results=100, filter=f"{mine} AND tags.n != '3'")
    names(max_results=100, filter=f"{mine} AND tags.`n` LIKE '_'")
    names(max_results=100, filter=f"{mine} AND tag.n = '3'")
    names(max_results=100, filter=f"{mine} AND creation_time > 0")
    names(max_results=100, filter=f"{mine} AND creation_time < 0")
    names(max_results=100, filter=f"{mine} AND last_update_time >= 0")
    names(max_results=100, filter=f"{mine} AND tags.absent IS NULL")
    names(max_results=100, filter="name > 'a'")
    names(max_results=100, filter="name = 5")
    names(max_results=100, filter="metrics.a = 5")
    names(max_results=100, filter="creation_time LIKE '5'")
    names(max_results=100, filter="nothing = 'a'")
    names(max_results=100, filter="name = 'a' OR name = 'b'")
    names(max_results=100, filter="name")
    names(max_results=0, filter=mine)
    names(max_results=-1, filter=mine)
    names(max_results=50001, filter=mine)
    names(max_results="x", filter=mine)
    names(filter=mine, differs="has a default")
    names(max_results=2, filter=mine, page_token="nonsense", differs="says it in other words")
    page = names(max_results=2, filter=mine, order_by=["name ASC"])
    page = names(max_results=2, filter=mine, order_by=["name ASC"], page_token=page["next_page_token"])
    t.say("GET", "experiments/search", {"max_results": 1, "filter": mine, "order_by": ["name ASC"]}, only="status")


def runs(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    run = t.post("runs/create", experiment_id=e, user_id="me", start_time=1000, run_name="first", tags=[{"key": "a", "value": "1"}])
    r = t.known(run["run"]["info"]["run_id"], "R")
    t.heard[-1]["answer"] = t.shown(run)
    t.get("runs/get", run_id=r)
    t.get("runs/get", run_uuid=r)
    t.get("runs/get")
    t.get("runs/get", run_id="0" * 32)
    t.get("runs/get", run_id="not/safe")
    bare = t.post("runs/create", experiment_id=e, only="status", differs="begins now, not in 1970")
    b = t.known(bare["run"]["info"]["run_id"], "B")
    t.heard[-1]["answer"] = t.shown(bare)
    t.post("runs/create", experiment_id="987654321")
    t.post("runs/create", experiment_id="abc")
    t.post("runs/create", experiment_id=e, start_time="soon")
    t.post("runs/create", experiment_id=e, run_name=5)
    t.post("runs/create", experiment_id=e, run_name="x", tags=[{"key": "mlflow.runName", "value": "y"}])
    named = t.post("runs/create", experiment_id=e, start_time=7, tags=[{"key": "mlflow.runName", "value": "by tag"}, {"key": "mlflow.user", "value": "u"}], only="status")
    n = t.known(named["run"]["info"]["run_id"], "N")
    t.heard[-1]["answer"] = t.shown(named)
    t.post("runs/update", run_id=r, status="FINISHED", end_time=2000)
    t.post("runs/update", run_id=r, run_name="second")
    t.post("runs/update", run_id=r, run_name="")
    t.post("runs/update", run_uuid=r, status="KILLED")
    t.post("runs/update", run_id=r, status="DONE", differs="refused, not ignored")
    t.post("runs/update", run_id=r, end_time="never")
    t.post("runs/update")
    t.post("runs/update", run_id="0" * 32, status="FINISHED")
    t.get("runs/get", run_id=r)
    t.post("runs/set-tag", run_id=r, key="mlflow.runName", value="by set-tag")
    t.get("runs/get", run_id=r)
    t.post("runs/delete", run_id=r)
    t.get("runs/get", run_id=r)
    t.post("runs/delete", run_id=r)
    t.post("runs/update", run_id=r, status="FINISHED")
    t.post("runs/log-metric", run_id=r, key="m", value=1, timestamp=1)
    t.post("runs/log-parameter", run_id=r, key="p", value="1")
    t.post("runs/set-tag", run_id=r, key="t", value="1")
    t.post("runs/delete-tag", run_id=r, key="a")
    t.post("runs/log-batch", run_id=r, metrics=[], params=[], tags=[{"key": "x", "value": "1"}])
    t.post("runs/log-inputs", run_id=r, datasets=[])
    t.post("runs/restore", run_id=r)
    t.post("runs/restore", run_id=r)
    t.post("runs/delete")
    t.post("runs/restore")
    t.post("runs/delete", run_id="0" * 32)
    t.post("runs/restore", run_id="0" * 32)
    t.get("artifacts/list", run_id=r)
    t.get("artifacts/list", run_id=r, path="..", only="code")
    t.get("artifacts/list", run_id=r, path="absent")
    t.get("artifacts/list")
    # A cascade restores what went with the experiment, and what had gone before it too, as MLflow does.
    t.post("runs/delete", run_id=n)
    t.post("experiments/delete", experiment_id=e)
    for run in (r, n):
        t.get("runs/get", run_id=run)
    t.post("runs/restore", run_id=r)
    t.post("experiments/restore", experiment_id=e)
    for run in (r, n):
        t.get("runs/get", run_id=run)


def logging(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="r", only="status")["run"]["info"]["run_id"], "R")
    t.post("runs/log-metric", run_id=r, key="m", value=1.5, timestamp=10, step=2)
    t.post("runs/log-metric", run_id=r, key="m", value=1.5, timestamp=10, step=2)
    t.post("runs/log-metric", run_id=r, key="m", value=2.5, timestamp=11, step=1)
    t.post("runs/log-metric", run_uuid=r, key="m", value=3.5, timestamp=9, step=2)
    t.post("runs/log-metric", run_id=r, key="text", value="2.5", timestamp="12", step="3")
    for index, value in enumerate(["NaN", "Infinity", "-Infinity"]):
        t.post("runs/log-metric", run_id=r, key=f"special-{index}", value=value, timestamp=1)
    t.post("runs/log-metric", run_id=r, key="steps", value=0, timestamp=0, step=-5)
    t.post("runs/log-metric", run_id=r, key="nan then", value="NaN", timestamp=1, step=1)
    t.post("runs/log-metric", run_id=r, key="nan then", value=2, timestamp=1, step=1)
    t.post("runs/log-metric", run_id=r, key="then nan", value=2, timestamp=1, step=1)
    t.post("runs/log-metric", run_id=r, key="then nan", value="NaN", timestamp=1, step=1)
    t.post("runs/log-metric", run_id=r, key="a/b c:d.e-f_g", value=1, timestamp=1)
    for key in ["bad#key", "/abs", "../up", "a//b", "a/./b", ".", "", "k" * 251, "sé", "schön", "новый"]:
        t.post("runs/log-metric", run_id=r, key=key, value=1, timestamp=1)
    t.post("runs/log-metric", run_id=r, key="m", timestamp=1)
    t.post("runs/log-metric", run_id=r, key="m", value=1)
    t.post("runs/log-metric", run_id=r, value=1, timestamp=1)
    t.post("runs/log-metric", key="m", value=1, timestamp=1)
    t.post("runs/log-metric", run_id=r, key="m", value="much", timestamp=1)
    t.post("runs/log-metric", run_id=r, key="m", value=1, timestamp=-1)
    t.post("runs/log-metric", run_id=r, key="m", value=1, timestamp="soon")
    t.post("runs/log-metric", run_id=r, key="m", value=1, timestamp=1, step="far")
    t.post("runs/log-metric", run_id=r, key="m", value=True, timestamp=1)
    t.post("runs/log-metric", run_id="0" * 32, key="m", value=1, timestamp=1)
    t.post("runs/log-metric", run_id=7, key="m", value=1, timestamp=1)
    t.post("runs/log-parameter", run_id=r, key="p", value="1")
    t.post("runs/log-parameter", run_id=r, key="p", value="1")
    t.post("runs/log-parameter", run_id=r, key="p", value="2")
    t.post("runs/log-parameter", run_id=r, key="long", value="v" * 6000)
    t.post("runs/log-parameter", run_id=r, key="too long", value="v" * 6001)
    t.post("runs/log-parameter", run_id=r, key="empty", value="")
    t.post("runs/log-parameter", run_id=r, key="none")
    t.post("runs/log-parameter", run_id=r, key="number", value=5)
    t.post("runs/log-parameter", run_id=r)
    t.post("runs/log-parameter", key="p", value="1")
    for key in ["bad#key", "../up", "k" * 251, "a//b"]:
        t.post("runs/log-parameter", run_id=r, key=key, value="1")
    t.post("runs/log-parameter", run_id="0" * 32, key="p", value="1")
    t.post("runs/set-tag", run_id=r, key="t", value="1")
    t.post("runs/set-tag", run_id=r, key="t", value="2")
    t.post("runs/set-tag", run_id=r, key="empty", value="")
    t.post("runs/set-tag", run_id=r, key="none")
    t.post("runs/set-tag", run_id=r, key="long", value="v" * 8000)
    t.post("runs/set-tag", run_id=r, key="too long", value="v" * 8001)
    t.post("runs/set-tag", run_id=r)
    for key in ["bad#key", "../up", "k" * 251, "a//b"]:
        t.post("runs/set-tag", run_id=r, key=key, value="1")
    t.post("runs/set-tag", run_id="0" * 32, key="p", value="1")
    t.post("runs/delete-tag", run_id=r, key="t")
    t.post("runs/delete-tag", run_id=r, key="t")
    t.post("runs/delete-tag", run_id=r)
    t.post("runs/delete-tag", run_id="0" * 32, key="t")
    t.get("runs/get", run_id=r)


def batches(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="r", only="status")["run"]["info"]["run_id"], "R")

    def metrics(count, **more):
        return [{"key": f"m{i}", "value": i, "timestamp": 1, "step": 0, **more} for i in range(count)]

    def pairs(count, prefix="p"):
        return [{"key": f"{prefix}{i}", "value": str(i)} for i in range(count)]

    t.post("runs/log-batch", run_id=r, metrics=metrics(3), params=pairs(3), tags=pairs(3, "t"))
    t.post("runs/log-batch", run_id=r, metrics=metrics(1001))
    t.post("runs/log-batch", run_id=r, params=pairs(101))
    t.post("runs/log-batch", run_id=r, tags=pairs(101, "t"))
    t.post("runs/log-batch", run_id=r, metrics=metrics(901), params=pairs(50), tags=pairs(50, "t"))
    t.post("runs/log-batch", run_id=r, params=[{"key": "d", "value": "1"}, {"key": "d", "value": "2"}])
    t.post("runs/log-batch", run_id=r, params=[{"key": "d", "value": "1"}, {"key": "d", "value": "1"}])
    t.post("runs/log-batch", run_id=r, params=[{"key": "p0", "value": "other"}], metrics=[{"key": "unseen", "value": 1, "timestamp": 1}])
    t.post("runs/log-batch", run_id=r, params=[{"key": "p0", "value": "other"}, {"key": "p1", "value": "another"}])
    t.post("runs/log-batch", run_id=r, tags=[{"key": "s", "value": "1"}, {"key": "s", "value": "2"}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "a", "value": 1, "timestamp": 1}, {"key": "a", "value": 2, "timestamp": 1, "step": 1}, {"key": "a", "value": 0, "timestamp": 3, "step": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "n", "value": "NaN", "timestamp": 1}, {"key": "i", "value": "-Infinity", "timestamp": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"value": 1, "timestamp": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "a", "timestamp": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "a", "value": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "a", "value": "much", "timestamp": 1}], differs="refused, not logged as 0")
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "bad#", "value": 1, "timestamp": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "ok", "value": 1, "timestamp": 1}, {"key": "k" * 251, "value": 1, "timestamp": 1}])
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "ok", "value": 1, "timestamp": -1}])
    t.post("runs/log-batch", run_id=r, params=[{"value": "1"}])
    t.post("runs/log-batch", run_id=r, params=[{"key": "ok", "value": "1"}, {"key": "../up", "value": "1"}])
    t.post("runs/log-batch", run_id=r, params=[{"key": "k" * 251, "value": "1"}])
    t.post("runs/log-batch", run_id=r, params=[{"key": "w", "value": "v" * 6001}])
    t.post("runs/log-batch", run_id=r, tags=[{"value": "1"}])
    t.post("runs/log-batch", run_id=r, tags=[{"key": "bad#", "value": "1"}])
    t.post("runs/log-batch", run_id=r, tags=[{"key": "k" * 251, "value": "1"}])
    t.post("runs/log-batch", run_id=r, tags=[{"key": "w", "value": "v" * 8001}])
    t.post("runs/log-batch", run_id=r, metrics={})
    t.post("runs/log-batch", run_id=r)
    t.post("runs/log-batch")
    t.post("runs/log-batch", run_id="0" * 32, tags=[{"key": "w", "value": "1"}])
    t.get("runs/get", run_id=r)


def history(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    ids = []
    for which in "AB":
        r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name=which, only="status")["run"]["info"]["run_id"], which)
        ids.append(r)
        t.post("runs/log-batch", run_id=r, metrics=[{"key": "m", "value": i * 0.5, "timestamp": 100 - i, "step": i} for i in range(7)])
        t.post("runs/log-batch", run_id=r, metrics=[{"key": "m", "value": v, "timestamp": time, "step": 9} for time, v in ((49, "NaN"), (50, "Infinity"), (50, 1))])
    r = ids[0]
    t.get("metrics/get-history", run_id=r, metric_key="m")
    t.get("metrics/get-history", run_uuid=r, metric_key="m")
    t.get("metrics/get-history", run_id=r, metric_key="absent")
    t.get("metrics/get-history", run_id=r)
    t.get("metrics/get-history", metric_key="m")
    t.get("metrics/get-history", run_id="0" * 32, metric_key="m")
    page = t.get("metrics/get-history", run_id=r, metric_key="m", max_results=4)
    for _ in range(2):
        page = t.get("metrics/get-history", run_id=r, metric_key="m", max_results=4, page_token=page["next_page_token"])
    t.get("metrics/get-history", run_id=r, metric_key="m", max_results=10)
    t.get("metrics/get-history", run_id=r, metric_key="m", max_results=0)
    t.get("metrics/get-history", run_id=r, metric_key="m", max_results=-1)
    t.get("metrics/get-history", run_id=r, metric_key="m", max_results=4, page_token="nonsense", only="code")
    bulk = "metrics/get-history-bulk-interval"
    t.get(bulk, run_ids=ids, metric_key="m", only="status")
    t.get(bulk, run_ids=[r], metric_key="m")
    t.get(bulk, run_ids=[r], metric_key="m", start_step=9, end_step=9)
    t.get(bulk, run_ids=[r], metric_key="m", max_results=3)
    t.get(bulk, run_ids=[r], metric_key="m", start_step=2, end_step=4)
    t.get(bulk, run_ids=[r], metric_key="m", start_step=2, end_step=4, max_results=2)
    t.get(bulk, run_ids=[r], metric_key="m", start_step=4, end_step=2)
    t.get(bulk, run_ids=[r], metric_key="m", start_step=4)
    t.get(bulk, run_ids=[r], metric_key="m", end_step=4)
    t.get(bulk, run_ids=[r], metric_key="m", max_results=0)
    t.get(bulk, run_ids=[r], metric_key="m", max_results=2501)
    t.get(bulk, run_ids=[r])
    t.get(bulk, metric_key="m")
    t.get(bulk, run_ids=[f"{i:032}" for i in range(101)], metric_key="m")
    t.get(bulk, run_ids=["0" * 32], metric_key="m")
    ajax = "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
    t.get(ajax, run_id=ids, metric_key="m", only="status")
    t.get(ajax, run_id=[r], metric_key="absent")
    t.get(ajax, run_id=["0" * 32], metric_key="m")
    t.get(ajax, metric_key="m")
    t.get(ajax, run_id=[r])
    t.get(ajax, run_id=[f"{i:032}" for i in range(101)], metric_key="m")
    t.get("/ajax-api/2.0/mlflow/" + bulk, run_ids=[r], metric_key="m", max_results=3)


def inputs(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="r", only="status")["run"]["info"]["run_id"], "R")
    s = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="s", only="status")["run"]["info"]["run_id"], "S")
    dataset = {"name": "d", "digest": "abc", "source_type": "http", "source": "{}", "schema": "s", "profile": "p"}
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "train"}]}])
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dataset, "tags": [{"key": "mlflow.data.context", "value": "eval"}]}])
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dict(dataset, digest="def"), "tags": []}])
    t.post("runs/log-inputs", run_id=s, datasets=[{"dataset": dict(dataset, source="{other}"), "tags": []}])
    t.get("runs/get", run_id=r)
    t.get("runs/get", run_id=s, differs="each run keeps the dataset as it was told")
    t.post("experiments/search-datasets", experiment_ids=[e], differs="answers under /api as well")
    t.say("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [e]})
    t.post("experiments/search-datasets", differs="answers under /api as well")
    t.post("experiments/search-datasets", experiment_ids=[str(i) for i in range(900_000, 900_021)], differs="answers under /api as well")
    t.say("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {})
    t.say("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets", {"experiment_ids": [str(i) for i in range(900_000, 900_021)]})
    t.post("runs/log-inputs", run_id=r)
    t.post("runs/log-inputs", datasets=[])
    t.post("runs/log-inputs", run_id=r, datasets={})
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dict(dataset, name="n" * 501)}])
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dict(dataset, digest="n" * 37)}])
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dict(dataset, source="n" * 65536)}])
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dataset, "tags": [{"key": "k" * 256, "value": "1"}]}])
    t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": dataset, "tags": [{"key": "k", "value": "1" * 501}]}])
    t.post("runs/log-inputs", run_id="0" * 32, datasets=[])


def run_search(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    kinds = ["tree", "linear", "Tree", "forest", "tree"]
    for index in range(5):
        r = t.post("runs/create", experiment_id=e, start_time=1000 + index, run_name=f"r{index}", user_id="me",
                   tags=[{"key": "even", "value": str(index % 2 == 0)}, {"key": "dotted.key", "value": f"v{index}"}, {"key": "with space", "value": "yes"}], only="status")
        r = t.known(r["run"]["info"]["run_id"], f"R{index}")
        t.post("runs/log-batch", run_id=r, metrics=[{"key": "score", "value": index / 10, "timestamp": 1}] if index != 3 else [{"key": "score", "value": "NaN", "timestamp": 1}],
               params=[{"key": "kind", "value": kinds[index]}, {"key": "n", "value": str(index * 5)}])
        if index == 4:
            t.post("runs/log-batch", run_id=r, metrics=[{"key": "inf", "value": "Infinity", "timestamp": 1}, {"key": "my metric", "value": 1, "timestamp": 1}])
        if index == 2:
            t.post("runs/log-inputs", run_id=r, datasets=[{"dataset": {"name": "d", "digest": "abc", "source_type": "http", "source": "{}"}, "tags": [{"key": "mlflow.data.context", "value": "train"}]}])
            t.post("runs/update", run_id=r, status="FINISHED", end_time=5000)
    t.post("runs/delete", run_id=r)

    def names(filter=None, **query):
        if filter is not None:
            query["filter"] = filter
        answer = t.post("runs/search", **{"experiment_ids": [e], **query})
        t.found(answer, "runs", lambda x: x["info"]["run_name"])
        return answer

    for view in ["ACTIVE_ONLY", "DELETED_ONLY", "ALL"]:
        names(run_view_type=view)
    for query in FILTERS:
        names(query, run_view_type="ALL", differs=DIFFERENT.get(query))
    for order in ORDERS:
        names(run_view_type="ALL", order_by=order)
    names(run_view_type="ALL", order_by="metrics.score")
    names(experiment_ids=[])
    names(experiment_ids=["987654321"])
    names(experiment_ids=["abc"])
    names(experiment_ids="abc")
    names(max_results=50001)
    names(max_results="x")
    names(filter=5)
    names(page_token="nonsense", differs="says it in other words")
    token = None
    for _ in range(4):
        page = names(run_view_type="ALL", order_by=["metrics.score DESC", "params.n"], max_results=2, **({"page_token": token} if token else {}))
        token = page.get("next_page_token")
        if not token:
            break
    t.heard.append({"call": "pages end", "said": None, "status": 0, "answer": token})
    t.post("runs/search", experiment_ids=[e], max_results=1, order_by=["start_time ASC"])


FILTERS = [
    "metrics.score > 0.15", "metrics.score >= 0.2", "metrics.score < 0.2", "metrics.score <= 0.2", "metrics.score = 0.2", "metrics.score != 0.2",
    "metrics.score = 'x'", "metrics.score LIKE '0'", "metrics.score IS NULL", "metrics.score IS NOT NULL", "metrics.absent IS NULL", "metrics.absent > 0",
    "metrics.inf > 1000", "metrics.`my metric` = 1", "metrics.\"my metric\" = 1", "metric.score = 0.2", "metrics.score > -1", "metrics.score > 1e-3",
    "params.kind = 'tree'", "params.kind != 'tree'", "params.kind LIKE 'tr%'", "params.kind LIKE 'TR%'", "params.kind ILIKE 'TR%'", "params.kind LIKE '_ree'",
    "params.kind = tree", "params.n = 5", "params.n = '5'", "params.n > '5'", "params.kind IS NULL", "params.kind IS NOT NULL", "params.absent IS NULL",
    "param.kind = \"linear\"", "parameters.kind = 'linear'", "params.`kind` = 'linear'", "params.kind IN ('linear', 'forest')", "params.kind NOT IN ('linear')",
    "tags.even = 'True'", "tags.even != 'True'", "tag.even = 'True'", "tags.dotted.key = 'v1'", "tags.`dotted.key` = 'v1'", "tags.\"with space\" = 'yes'",
    "tags.absent IS NULL", "tags.absent IS NOT NULL", "tags.even ILIKE 't%'", "tags.absent != 'x'",
    "attributes.run_name = 'r1'", "attribute.run_name = 'r1'", "attr.run_name = 'r1'", "run.run_name = 'r1'", "run_name = 'r1'", "run_name IN ('r1', 'r2')", "run_name NOT IN ('r1', 'r2')",
    "`Run name` = 'r1'", "\"run name\" = 'r1'", "attributes.`Run name` = 'r1'", "tags.`mlflow.runName` = 'r1'", "run_name LIKE '%2'", "run_name != 'r1'", "run_name ILIKE 'R1'",
    "status = 'FINISHED'", "attributes.status = 'RUNNING'", "status != 'RUNNING'", "status LIKE 'FIN%'", "status = FINISHED",
    "start_time > 1002", "attributes.start_time <= 1001", "start_time = 1003", "created > 1002", "attributes.Created > 1002", "end_time > 0", "end_time = 5000", "start_time > '1'", "start_time LIKE '1%'",
    "user_id = 'me'", "attributes.user_id != 'me'", "artifact_uri LIKE 'mlflow-artifacts:%'", "lifecycle_stage = 'active'", "experiment_id = '0'",
    "run_id = 'x'", "attributes.run_id IN ('x', 'y')", "run_id IN ('x',)", "attributes.run_id IN 'x'", "run_id LIKE '%'", "run_id > 'a'",
    "dataset.name = 'd'", "datasets.digest = 'abc'", "dataset.context = 'train'", "dataset.name LIKE 'd%'", "dataset.name IN ('d', 'e')", "dataset.source = 'x'", "dataset.name != 'd'",
    "metrics.score > 0 AND params.kind = 'tree'", "metrics.score > 0 and params.kind = 'tree' and tags.even = 'True'", "metrics.score > 0 AND metrics.score < 0.3",
    "metrics.score > 0 OR params.kind = 'tree'", "NOT metrics.score > 0", "(metrics.score > 0)", "metrics.score >", "metrics.score", "> 5", "score > 5", "nothing.score > 5", "metrics.score ~ 5",
    "metrics.score > 0.15 metrics.score < 1", "metrics.score > 0 AND", "params.kind = 'tree", "params.kind = 'it''s'", "params.kind = \"a'b\"", "metrics.score > 0;", "model.id = 'x'",
    "metrics.score BETWEEN 0 AND 1", "1 = 1", "params.kind='tree'", "params.kind  =   'tree'", " metrics.score>0.15 ", "attributes.nothing = 'x'", "nothing = 'x'", "metrics.score == 0.2", "",
]

DIFFERENT = {
    "metrics.score > 0.15 metrics.score < 1": "wants AND",
    "metrics.score > 0 AND": "wants what comes after AND",
    "params.kind = 'it''s'": "wants a backslash or the other quotes",
    "metrics.score == 0.2": "takes == for =",
}

ORDERS = [
    ["metrics.score"], ["metrics.score ASC"], ["metrics.score DESC"], ["metric.score desc"], ["params.n"], ["params.n DESC"], ["param.kind", "start_time DESC"], ["tags.even", "run_name DESC"],
    ["attributes.start_time DESC"], ["start_time"], ["attribute.start_time ASC"], ["run_name DESC"], ["attributes.run_name"], ["end_time DESC"], ["end_time"], ["status", "run_name"], ["created DESC"],
    ["`Run name` DESC"], ["metrics.absent", "run_name"], ["metrics.`my metric` DESC", "run_name"], ["tags.`dotted.key` DESC"], ["user_id", "run_name DESC"],
    ["metrics.score UP"], ["nothing"], ["attributes.nothing"], ["nothing.score"], ["metrics.score ASC DESC"], [""], ["dataset.name", "run_name"], ["metrics.score, params.n"],
]


def registry(t):
    name = t.fresh("model")
    t.post("registered-models/create", name=name, description="words", tags=[{"key": "a", "value": "1"}])
    t.post("registered-models/create", name=name)
    for bad in ["", " ", "a/b", "a:b", "..", ".", 7, None]:
        t.post("registered-models/create", name=bad)
    t.post("registered-models/create")
    t.post("registered-models/create", name=t.fresh("bad-tag"), tags=[{"key": "bad#", "value": "1"}])
    t.post("registered-models/create", name=t.fresh("long-tag"), tags=[{"key": "k" * 251, "value": "1"}])
    t.get("registered-models/get", name=name)
    t.get("registered-models/get", name="absent")
    t.get("registered-models/get")
    t.get("registered-models/get", name="a/b")
    t.patch("registered-models/update", name=name, description="others")
    t.patch("registered-models/update", name=name)
    t.patch("registered-models/update", name="absent", description="x")
    t.patch("registered-models/update")
    t.post("registered-models/set-tag", name=name, key="b", value="2")
    t.post("registered-models/set-tag", name=name, key="b", value="3")
    t.post("registered-models/set-tag", name=name, key="empty", value="")
    t.post("registered-models/set-tag", name=name, key="none")
    t.post("registered-models/set-tag", name=name)
    t.post("registered-models/set-tag", name="absent", key="b", value="2")
    for key in ["bad#", "../up", "k" * 251]:
        t.post("registered-models/set-tag", name=name, key=key, value="1")
    t.post("registered-models/set-tag", name=name, key="long", value="v" * 100_001)
    t.delete("registered-models/delete-tag", name=name, key="b")
    t.delete("registered-models/delete-tag", name=name, key="b")
    t.delete("registered-models/delete-tag", name=name)
    t.delete("registered-models/delete-tag", name="absent", key="b")
    t.get("registered-models/get", name=name)
    other = t.fresh("other")
    t.post("registered-models/create", name=other)
    renamed = t.fresh("renamed")
    t.post("registered-models/rename", name=name, new_name=other)
    for bad in ["", " ", "a/b", None]:
        t.post("registered-models/rename", name=name, new_name=bad)
    t.post("registered-models/rename", name="absent", new_name="x")
    t.post("registered-models/rename", name=name, new_name=renamed)
    t.get("registered-models/get", name=name)
    t.get("registered-models/get", name=renamed)
    t.delete("registered-models/delete", name=renamed)
    t.delete("registered-models/delete", name=renamed)
    t.delete("registered-models/delete")


def versions(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="r", only="status")["run"]["info"]["run_id"], "R")
    name = t.fresh("model")
    other = t.fresh("other")
    for model in (name, other):
        t.post("registered-models/create", name=model)
    source = f"mlflow-artifacts:/{e}/{r}/artifacts/m"
    t.post("model-versions/create", name=name, source=source, run_id=r, run_link="http://link", description="d", tags=[{"key": "a", "value": "1"}])
    t.post("model-versions/create", name=name, source="s3://bucket/path")
    t.post("model-versions/create", name=name, source=f"runs:/{r}/m", run_id=r)
    t.post("model-versions/create", name=name, source=f"models:/{name}/1")
    t.post("model-versions/create", name="absent", source=source, run_id=r)
    t.post("model-versions/create", name=name)
    t.post("model-versions/create", source=source)
    t.post("model-versions/create", name="a/b", source=source, run_id=r)
    for bad in ["/etc/passwd", "file:///etc/passwd", "./relative", "relative", "mlflow-artifacts:/../up", "mlflow-artifacts:/a/..%2fb", "s3://bucket/a/../b",
                f"runs:/{'0' * 32}/m", "models:/absent/1", "models:/absent", f"models:/{name}/99", f"models:/{name}@absent", "dbfs:/x/../y"]:
        t.post("model-versions/create", name=name, source=bad)
    t.post("model-versions/create", name=name, source="http://host/path", only="code")
    t.post("model-versions/create", name=name, source=source)
    t.post("model-versions/create", name=name, source=source, run_id="0" * 32)
    t.post("model-versions/create", name=name, source="mlflow-artifacts:/elsewhere", run_id=r)
    t.post("model-versions/create", name=name, source="models:/m-" + "0" * 32, model_id="m-" + "0" * 32)
    t.post("model-versions/create", name=name, source="models:/m-" + "0" * 32)
    t.post("model-versions/create", name=name, source="s3://b/p", tags=[{"key": "bad#", "value": "1"}])
    t.get("model-versions/get", name=name, version="1")
    t.get("model-versions/get", name=name, version="99")
    t.get("model-versions/get", name=name, version="one")
    t.get("model-versions/get", name=name)
    t.get("model-versions/get", version="1")
    t.get("model-versions/get", name="absent", version="1")
    for version in "124":
        t.get("model-versions/get-download-uri", name=name, version=version)
    t.get("model-versions/get-download-uri", name=name, version="3", differs="resolved to where the artifacts are")
    t.get("model-versions/get-download-uri", name=name, version="99")
    t.get("model-versions/get-download-uri", name=name, only="code")
    t.patch("model-versions/update", name=name, version="1", description="new")
    t.patch("model-versions/update", name=name, version="1")
    t.patch("model-versions/update", name=name, version="99", description="new")
    t.post("model-versions/set-tag", name=name, version="1", key="b", value="2")
    t.post("model-versions/set-tag", name=name, version="1", key="b", value="3")
    t.post("model-versions/set-tag", name=name, version="1", key="none")
    t.post("model-versions/set-tag", name=name, version="99", key="b", value="2")
    t.post("model-versions/set-tag", name=name, version="1")
    t.post("model-versions/set-tag", name=name, version="1", key="bad#", value="1")
    t.post("model-versions/set-tag", name=name, version="1", key="long", value="v" * 100_001)
    t.delete("model-versions/delete-tag", name=name, version="1", key="b")
    t.delete("model-versions/delete-tag", name=name, version="1", key="b")
    t.delete("model-versions/delete-tag", name=name, version="99", key="b")
    t.get("model-versions/get", name=name, version="1")
    # Aliases
    t.post("registered-models/alias", name=name, alias="A", version="1")
    t.post("registered-models/alias", name=name, alias="champion", version="1")
    t.post("registered-models/alias", name=name, alias="champion", version="2")
    for bad in ["", "a b", "latest", "Latest", "v1", "V23", "a" * 256, "é", "a/b"]:
        t.post("registered-models/alias", name=name, alias=bad, version="1")
    t.post("registered-models/alias", name=name, alias="v1x", version="1")
    t.post("registered-models/alias", name=name, alias="B", version="99")
    t.post("registered-models/alias", name=name, alias="B", version="one")
    t.post("registered-models/alias", name="absent", alias="B", version="1")
    t.post("registered-models/alias", name=name, alias="B")
    t.get("registered-models/alias", name=name, alias="champion")
    t.get("registered-models/alias", name=name, alias="Champion")
    t.get("registered-models/alias", name=name, alias="absent")
    t.get("registered-models/alias", name="absent", alias="A")
    t.get("registered-models/alias", name=name)
    t.get("registered-models/get", name=name)
    t.get("model-versions/get", name=name, version="1")
    t.delete("registered-models/alias", name=name, alias="A")
    t.delete("registered-models/alias", name=name, alias="A")
    t.delete("registered-models/alias", name="absent", alias="A")
    # Stages
    t.post("model-versions/transition-stage", name=name, version="1", stage="Production")
    t.post("model-versions/transition-stage", name=name, version="2", stage="production", archive_existing_versions=True)
    t.post("model-versions/transition-stage", name=name, version="3", stage="staging")
    t.post("model-versions/transition-stage", name=name, version="3", stage="Nowhere")
    t.post("model-versions/transition-stage", name=name, version="3", stage="None", archive_existing_versions=True)
    t.post("model-versions/transition-stage", name=name, version="3", stage="Archived", archive_existing_versions=True)
    t.post("model-versions/transition-stage", name=name, version="3")
    t.post("model-versions/transition-stage", name=name, version="99", stage="Staging")
    t.post("registered-models/get-latest-versions", name=name)
    t.get("registered-models/get-latest-versions", name=name)
    t.post("registered-models/get-latest-versions", name=name, stages=["Production"])
    t.post("registered-models/get-latest-versions", name=name, stages=["production", "archived"])
    t.post("registered-models/get-latest-versions", name=name, stages=["Nowhere"])
    t.post("registered-models/get-latest-versions", name="absent")
    t.post("registered-models/get-latest-versions", name=other)
    t.get("registered-models/get", name=name)
    # Deletion
    t.delete("model-versions/delete", name=name, version="2")
    t.delete("model-versions/delete", name=name, version="2")
    t.get("model-versions/get", name=name, version="2")
    t.get("registered-models/alias", name=name, alias="champion")
    t.get("model-versions/get-download-uri", name=name, version="2")
    t.delete("model-versions/delete", name=name)
    t.get("registered-models/get", name=name)
    t.delete("model-versions/delete", name=name, version="4")
    t.post("model-versions/create", name=name, source="s3://bucket/again")
    renamed = t.fresh("renamed")
    t.post("registered-models/rename", name=name, new_name=renamed)
    t.get("model-versions/get", name=renamed, version="1")
    t.delete("registered-models/delete", name=renamed)
    t.get("model-versions/get", name=renamed, version="1")


def registry_search(t):
    prefix = t.fresh("p")
    names = [f"{prefix}-{letter}" for letter in "abcd"]
    for index, name in enumerate(names):
        t.post("registered-models/create", name=name, tags=[{"key": "group", "value": prefix}, {"key": "n", "value": str(index)}])
        for number in range(index + 1):
            t.post("model-versions/create", name=name, source=f"s3://bucket/{prefix}/{index}/{number}", tags=[{"key": "group", "value": prefix}, {"key": "n", "value": str(number)}])

    def models(filter=None, **query):
        if filter is not None:
            query["filter"] = filter
        answer = t.get("registered-models/search", **query)
        t.found(answer, "registered_models", lambda m: m["name"])
        return answer

    def found(filter=None, **query):
        if filter is not None:
            query["filter"] = filter
        answer = t.get("model-versions/search", **query)
        t.found(answer, "model_versions", lambda m: f"{m['name']} {m['version']}")
        return answer

    mine = f"tags.group = '{prefix}'"
    for query in [mine, f"{mine} AND name LIKE '%-b'", f"{mine} AND name ILIKE '%-B'", f"{mine} AND name LIKE '%-B'", f"name = '{names[1]}'", f"{mine} AND name != '{names[1]}'",
                  f"{mine} AND tags.n = '2'", f"{mine} AND tags.n != '2'", f"{mine} AND tag.`n` = '2'", f"{mine} AND tags.n LIKE '_'",
                  f"name IN ('{names[0]}')", f"name LIKE '{prefix}%' AND tags.absent IS NULL", "name > 'a'", "name = 5", "nothing = 'x'", "metrics.a = 5", "name", "name = 'a' OR name = 'b'",
                  f"{mine} AND tags.`mlflow.prompt.is_prompt` = 'true'", f"{mine} AND tags.`mlflow.prompt.is_prompt` != 'true'", f"{mine} AND creation_timestamp > 0", "last_updated_timestamp > 0"]:
        models(query, max_results=100)
    for order in [["name"], ["name DESC"], ["last_updated_timestamp DESC", "name DESC"], ["timestamp ASC", "name DESC"], ["creation_timestamp DESC"], ["nothing"], ["tags.n"], ["name UP"], ["name ASC, timestamp"]]:
        models(mine, order_by=order)
    models(mine, max_results=0, differs="refused")
    models(mine, max_results=-1, differs="refused")
    models(mine, max_results=1001)
    models(mine, max_results="x")
    models(mine, max_results=2, page_token="nonsense", differs="says it in other words")
    page = models(mine, max_results=3)
    models(mine, max_results=3, page_token=page["next_page_token"])
    t.get("registered-models/search", filter=f"name = '{names[1]}'")

    of_d = f"name = '{names[3]}'"
    for query in [of_d, f"{mine}", f"{of_d} AND version_number = 2", f"{of_d} AND version_number > 2", f"{of_d} AND version_number <= 2", f"{of_d} AND version_number != 2", "version_number = 'x'",
                  f"{of_d} AND tags.n = '2'", f"{of_d} AND tags.n != '2'", f"name LIKE '{prefix}%' AND tags.n = '1'", f"name IN ('{names[0]}', '{names[1]}')",
                  f"{of_d} AND run_id = 'x'", f"{of_d} AND run_id IN ('x', 'y')", f"{of_d} AND run_id IN ('')", f"{of_d} AND source_path = 's3://bucket/{prefix}/3/1'", f"{of_d} AND source_path LIKE '%/1'", f"{of_d} AND current_stage = 'None'",
                  f"{of_d} AND status = 'READY'", f"{of_d} AND creation_timestamp > 0", f"{of_d} AND last_updated_timestamp > 0", "nothing = 'x'", "name = 5", "name > 'a'", "version = '1'", "name = 'a' OR name = 'b'", "aliases.A = 1"]:
        found(query, max_results=100)
    for order in [["version_number"], ["version_number ASC"], ["version_number DESC"], ["name DESC", "version_number"], ["creation_timestamp DESC", "version_number"], ["last_updated_timestamp ASC", "version_number DESC"], ["nothing"], ["tags.n"], ["version"]]:
        found(mine, order_by=order)
    found(of_d, max_results=0, differs="refused")
    found(of_d, max_results=-1, differs="refused")
    found(of_d, max_results=200_001)
    found(of_d, max_results=2, page_token="nonsense", differs="says it in other words")
    page = found(of_d, max_results=3)
    found(of_d, max_results=3, page_token=page["next_page_token"])
    t.get("model-versions/search", filter=f"{of_d} AND version_number = 2")
    t.delete("model-versions/delete", name=names[3], version="3")
    found(of_d)


DATASETS = "which dataset a metric was measured on is not kept"
LOGGED_DIFFERENT = {
    "name = 5": "refused",
    "status = 'LOGGED_MODEL_READY' AND name = 'clf'": "found by its name too",
    "params.p IS NULL AND name = 'clf'": "answered",
    "tags.absent IS NULL AND name = 'clf'": "answered",
}


def logged_models(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="r", only="status")["run"]["info"]["run_id"], "R")
    made = t.post("logged-models", experiment_id=e, name="clf", model_type="classifier", source_run_id=r, params=[{"key": "p", "value": "1"}], tags=[{"key": "a", "value": "1"}], only="status")
    m = t.known(made["model"]["info"]["model_id"], "M")
    t.heard[-1]["answer"] = t.shown(made)
    unnamed = t.post("logged-models", experiment_id=e, only="status")
    u = t.known(unnamed["model"]["info"]["model_id"], "U")
    t.heard[-1]["answer"] = t.shown(unnamed)
    t.post("logged-models")
    t.post("logged-models", experiment_id="987654321")
    t.post("logged-models", experiment_id=e, name=5)
    t.post("logged-models", experiment_id=e, name="", only="status")
    for bad in ["a/b", "a:b", "a.b", "a%b", "a\"b", "a'b"]:
        t.post("logged-models", experiment_id=e, name=bad)
    t.post("logged-models", experiment_id=e, name="x", source_run_id="0" * 32, only="status")
    t.get(f"logged-models/{m}")
    t.get("logged-models/m-absent")
    t.patch(f"logged-models/{m}", model_id=m, status="LOGGED_MODEL_READY")
    t.patch(f"logged-models/{u}", model_id=u, status="LOGGED_MODEL_UPLOAD_FAILED")
    t.patch(f"logged-models/{m}", model_id=m)
    t.patch(f"logged-models/{m}", model_id=m, status="NONSENSE", differs="refused, not taken for unspecified")
    t.patch(f"logged-models/{m}", model_id=m, status="LOGGED_MODEL_READY")
    t.patch("logged-models/m-absent", model_id="m-absent", status="LOGGED_MODEL_READY")
    t.patch(f"logged-models/{m}/tags", tags=[{"key": "b", "value": "2"}, {"key": "a", "value": "3"}])
    t.patch("logged-models/m-absent/tags", tags=[{"key": "b", "value": "2"}])
    t.delete(f"logged-models/{m}/tags/b")
    t.delete(f"logged-models/{m}/tags/b")
    t.delete("logged-models/m-absent/tags/b")
    t.post(f"logged-models/{m}/params", model_id=m, params=[{"key": "q", "value": "2"}])
    t.post(f"logged-models/{m}/params", model_id=m, params=[{"key": "q", "value": "2"}], differs="the same again is fine")
    t.post("logged-models/m-absent/params", model_id="m-absent", params=[{"key": "q", "value": "2"}], only="status")
    t.post("runs/log-metric", run_id=r, key="auc", value=0.75, timestamp=5, step=1, model_id=m)
    t.post("runs/log-metric", run_id=r, key="auc", value=0.8, timestamp=6, step=2, model_id=m, dataset_name="d", dataset_digest="abc")
    t.post("runs/log-batch", run_id=r, metrics=[{"key": "loss", "value": 0.25, "timestamp": 7, "step": 2, "model_id": m}])
    t.post("runs/outputs", run_id=r, models=[{"model_id": m, "step": 2}])
    t.post("runs/outputs", run_id=r, models=[{"model_id": m, "step": 2}], differs="the same again is fine")
    t.post("runs/outputs", run_id=r)
    t.post("runs/outputs", run_id="0" * 32, models=[{"model_id": m, "step": 2}])
    t.post("runs/log-inputs", run_id=r, models=[{"model_id": m}])
    t.get("runs/get", run_id=r)
    t.get(f"logged-models/{m}", differs=DATASETS)
    t.get(f"logged-models/{m}/artifacts/directories")
    name = t.fresh("registered")
    t.post("registered-models/create", name=name)
    t.post("model-versions/create", name=name, source=f"models:/{m}", model_id=m, run_id=r)
    t.post("model-versions/create", name=name, source=f"mlflow-artifacts:/{e}/models/{m}/artifacts", model_id=m)
    t.post("model-versions/create", name=name, source=f"models:/{u}", model_id=m)
    t.get("model-versions/get-download-uri", name=name, version="1")
    t.get(f"logged-models/{m}", only="status")

    def names(filter=None, **query):
        if filter is not None:
            query["filter"] = filter
        answer = t.post("logged-models/search", **{"experiment_ids": [e], **query})
        t.found(answer, "models", lambda m: m["info"]["model_id"])
        return answer

    mine = f"model_id IN ('{m}', '{u}')"
    for query in ["name = 'clf'", "name LIKE 'cl_'", "name ILIKE 'CL_'", "name != 'clf' AND name = 'clf'", f"model_id = '{m}'", "attributes.name = 'clf'", "params.p = '1'", "params.p = '9'", "tags.a = '3'", "metrics.auc > 0.7", "metrics.auc > 0.78",
                  "metrics.auc > 0.9", "metrics.loss = 0.25", "model_type = 'classifier'", f"source_run_id = '{r}'", "status = 'READY' AND name = 'clf'", "status = 'LOGGED_MODEL_READY' AND name = 'clf'", "creation_timestamp > 0 AND name = 'clf'", "creation_time > 0 AND name = 'clf'",
                  "name > 'a'", "name = 5", "nothing = 'x'", "metrics.auc = 'x'", "name", "params.p IS NULL AND name = 'clf'", "tags.absent IS NULL AND name = 'clf'", mine]:
        names(query, differs=LOGGED_DIFFERENT.get(query))
    named = "name = 'clf'"
    for order in [[{"field_name": "name"}], [{"field_name": "creation_timestamp", "ascending": False}], [{"field_name": "metrics.auc", "ascending": False}], [{"field_name": "params.p"}], [{"field_name": "tags.a"}], [{"field_name": "nothing"}], [{"field_name": "metrics.auc", "dataset_name": "d"}],
                  [{"field_name": "metrics.auc", "dataset_name": "d", "dataset_digest": "abc"}]]:
        names(named, order_by=order)
    names(named, datasets=[{"dataset_name": "d"}], differs=DATASETS)
    names("name = 'clf' AND metrics.auc > 0.78", datasets=[{"dataset_name": "d", "dataset_digest": "abc"}])
    names("name = 'clf' AND metrics.auc > 0.78", datasets=[{"dataset_name": "other"}], differs=DATASETS)
    names(named, datasets=[{"dataset_digest": "abc"}])
    names(experiment_ids=[])
    names(named, max_results=0, differs="refused")
    names(named, max_results=51)
    names(named, max_results=-1, differs="refused")
    names(named, page_token="nonsense", differs="says it in other words")
    t.delete(f"logged-models/{m}")
    t.delete(f"logged-models/{m}")
    t.get(f"logged-models/{m}")
    names(named)
    t.delete("logged-models/m-absent")


def artifacts(t):
    e = t.known(t.post("experiments/create", name=t.fresh("experiment"))["experiment_id"], "E")
    r = t.known(t.post("runs/create", experiment_id=e, start_time=1, run_name="r", only="status")["run"]["info"]["run_id"], "R")
    base = f"/api/2.0/mlflow-artifacts/artifacts/{e}/{r}/artifacts"
    for path, content in {"a.txt": b"hello", "deep/er/b.json": b"{}", "with%20space.txt": b"x", "empty": b""}.items():
        t.say("PUT", f"{base}/{path}", None, raw=content, only="status")
    t.get("artifacts/list", run_id=r)
    t.get("artifacts/list", run_id=r, path="deep")
    t.get("artifacts/list", run_id=r, path="deep/er")
    t.get("artifacts/list", run_id=r, path="a.txt")
    for path in ["..", "../..", "/etc", "a/../../b"]:
        t.get("artifacts/list", run_id=r, path=path, only="code")
    t.get("artifacts/list", run_id=r, path="%2e%2e", differs="a name like any other: it is decoded once")
    t.get("artifacts/list", run_id="0" * 32)
    t.get("/api/2.0/mlflow-artifacts/artifacts", path=f"{e}/{r}/artifacts")
    t.get("/api/2.0/mlflow-artifacts/artifacts", path=f"{e}/{r}/artifacts/deep")
    t.get("/api/2.0/mlflow-artifacts/artifacts", path="../..", only="code")
    t.get(f"{base}/a.txt")
    t.get(f"{base}/deep/er/b.json")
    t.get(f"{base}/absent", only="status")
    t.get(f"{base}/..%2f..%2fetc", only="code")
    t.get("/get-artifact", run_id=r, path="a.txt")
    t.get("/get-artifact", run_id=r, path="../a.txt", only="code")
    t.delete(f"{base}/a.txt")
    t.get(f"{base}/a.txt", only="status")
    t.delete(f"{base}/deep")
    t.get("artifacts/list", run_id=r)


SCENARIOS = [experiments, experiment_search, runs, logging, batches, history, inputs, run_search, registry, versions, registry_search, logged_models, artifacts, mistakes]


def converse(uri, scenario):
    talk = Talk(uri)
    scenario(talk)
    return talk.heard
