"""Puts runs into the database of a stopped or idle `mlflow server`, past its REST API.

50,000 runs over REST take a quarter of an hour there; what is measured afterwards is the search.
Usage: fill_mlflow.py DATABASE COUNT
"""
import sqlite3
import sys
import uuid

database, count = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(database, timeout=30)
uri = db.execute("SELECT artifact_location FROM experiments WHERE experiment_id = 0").fetchone()[0]
runs, metrics, params, tags = [], [], [], []
for number in range(count):
    run = uuid.UUID(int=number + 1).hex
    runs.append((run, f"run-{number}", "FINISHED", number, number + 1, "active", f"{uri}/{run}/artifacts", "0", "someone", "LOCAL", ""))
    for key, value in (("auc", number % 1000 / 1000), ("loss", number % 997 / 997), ("epoch", float(number % 50))):
        metrics.append((key, value, number, 0, run, False))
    params += [("depth", str(number % 10), run), ("trees", str(number % 100), run), ("seed", str(number), run)]
    tags += [("mlflow.runName", f"run-{number}", run), ("team", f"t{number % 7}", run)]
with db:
    db.executemany(
        "INSERT INTO runs (run_uuid, name, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id,"
        " user_id, source_type, source_name) VALUES (?,?,?,?,?,?,?,?,?,?,?)", runs)
    db.executemany("INSERT INTO metrics (key, value, timestamp, step, run_uuid, is_nan) VALUES (?,?,?,?,?,?)", metrics)
    db.executemany("INSERT INTO latest_metrics (key, value, timestamp, step, run_uuid, is_nan) VALUES (?,?,?,?,?,?)", metrics)
    db.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?,?,?)", params)
    db.executemany("INSERT INTO tags (key, value, run_uuid) VALUES (?,?,?)", tags)
    db.execute("ANALYZE")
print(db.execute("SELECT count(*) FROM runs").fetchone()[0])
