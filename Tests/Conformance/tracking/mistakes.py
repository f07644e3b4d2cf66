"""Mistakes in filters and orders, and the very words that MLflow's server has for them.

People read them in tracebacks. They must be the same to the letter, but for a Python set in them, which has no order.
"""
import re

#: What MLflow's parser (sqlparse) makes of its keywords (`name`, `alias`, `nothing`, …) is not looked for here.
RUNS = [
    "score > 5", "metrics.score", "metrics.score >", "metrics.score = 'x'", "metrics.score LIKE '0'", "metrics.score LIKE 0", "metrics.score = nan",
    "metrics.score = metrics.other", "metrics.score == 1", "metrics.score <> 1", "metrics.score => 1", "metrics.score IS NULL",
    "metrics.score > 0 OR params.kind = 'tree'", "metrics.score > 0 AND", "AND metrics.score > 0", "metrics.score > 0 metrics.score < 1",
    "params.n = 5", "params.n > '5'", "params.kind = tree", "params.kind = \"tree\" OR params.kind = 'x'", "params.kind = 'tree", "params.kind IN ('a', 'b')",
    "tags.kind IN ('a')", "tags.a = b", "tags.a = `b`", "tags.a ILIKE 5", "tags.a RLIKE 'x'", "tags.a NOT LIKE 'a'", "tags.x IS", "tags.x IS NOT", "(tags.a = 'b')",
    "not tags.a = 'b'", "tags.a = 'b' and not tags.c = 'd'", "'x' = tags.a", "5 < metrics.a",
    "nowhere.x = 1", "attributes.color = 'x'", "experiment_id = '1'", "lifecycle_stage = 'active'", "metrics > 1", "tags = 'x'",
    "status > 'A'", "run_id > 'a'", "artifact_uri > 'a'", "user_id = 5", "status IN ('RUNNING')", "run_name IN ('x')", "run_name IS NOT NULL",
    "status = 'a' AND run_id IN 'x'", "run_id IN ()", "run_id IN ('a'", "run_id IN (1, 2)", "run_id IN (1)",
    "start_time > '5'", "start_time LIKE '5%'", "start_time IS NULL", "end_time != 'x'", "end_time = x",
    "dataset.name > 'a'", "dataset.color = 'a'", "dataset.name = 5", "datasets.name IN (5)",
    "x", "=", "'", "''", "()",
]
EXPERIMENTS = [
    "color = 'x'", "name > 'a'", "name = 5", "attribute.name LIKE 5", "name IN ('a')", "name IS NULL", "name = 'a' OR name = 'b'", "name", "name =", "name = 'a",
    "creation_time > 'a'", "creation_time LIKE 'a'", "creation_time IN (1)", "last_update_time = 'x'", "lifecycle_stage = 'x'",
    "tags.a > 'x'", "tags.a = 5", "tags.a IN ('x')", "metrics.a > 1", "params.a = 'x'", "nowhere.name = 'a'",
]
MODELS = [
    "color = 'x'", "name > 'a'", "name = 5", "tags.a > 'x'", "tags.a = 5", "tags.a IN ('x')", "metrics.a > 1", "name = 'a' OR name = 'b'", "name", "name =",
    "aliases.a = '1'", "last_updated_timestamp > 5", "nowhere.name = 'a'", "attribute.name = 'a",
]
VERSIONS = [
    "color = 'x'", "name > 'a'", "name = 5", "tags.a > 'x'", "tags.a = 5", "tags.a IN ('x')", "metrics.a > 1", "name = 'a' OR name = 'b'", "name",
    "run_id IN ()", "run_id IN (5)", "run_id > 'a'", "source_path > 'a'", "source_path IN ('a')", "current_stage = 'x'",
    "version_number = 'x'", "version_number LIKE 'x'", "version_number IN (1)",
]
RUN_ORDERS = ["metrics.score UP", "nowhere.x", "attributes.color", "experiment_id", "metrics", "dataset.name", "", " ", "metrics.a b DESC", "start_time DESC ASC", "metrics.a,metrics.b"]
EXPERIMENT_ORDERS = ["color", "name UP", "tags.x", "metrics.a", ""]
MODEL_ORDERS = ["color", "name UP", "tags.x", "", "creation_timestamp"]
VERSION_ORDERS = ["color", "name UP", "tags.x", ""]


def mistakes(t):
    def said(call, path, **content):
        answer = call(path, **content)
        heard = t.heard[-1]
        # What is found is another suite's.
        heard["answer"] = {"error_code": answer["error_code"], "message": _sorted(answer["message"])} if "error_code" in answer else None

    for filters, orders, call, path, content in [
        (RUNS, RUN_ORDERS, t.post, "runs/search", {"experiment_ids": ["0"], "max_results": 1}),
        (EXPERIMENTS, EXPERIMENT_ORDERS, t.post, "experiments/search", {"max_results": 1}),
        (MODELS, MODEL_ORDERS, t.get, "registered-models/search", {}),
        (VERSIONS, VERSION_ORDERS, t.get, "model-versions/search", {}),
    ]:
        for text in filters:
            said(call, path, filter=text, **content)
        for text in orders:
            said(call, path, order_by=[text], **content)


def _sorted(message):
    """Python's sets come in any order."""
    return re.sub(r"\{('[^{}]*')\}", lambda match: "{" + ", ".join(sorted(match[1].split(", "))) + "}", message)
