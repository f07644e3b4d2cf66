"""Runs the health check of argocd-values.yaml in Lua, state by state."""

from lupa.lua51 import LuaRuntime

KEY = "resource.customizations.health.argoproj.io_Application"
NEW, OLD = "b" * 40, "a" * 40


def application(revision=NEW, compared=NEW, sync="Synced", health="Healthy", phase="Succeeded", synced=NEW, multiple=False, operation=False):
    source = {"targetRevision": revision, "path": "charts/x"}
    against = {"targetRevision": compared, "path": "charts/x"}
    keys = ("sources", [source], [against]) if multiple else ("source", source, against)
    result = {"revisions": [synced]} if multiple else {"revision": synced}
    current = {"revisions": [compared]} if multiple else {"revision": compared}
    value = {
        "spec": {keys[0]: keys[1], "syncPolicy": {"automated": {"prune": True}}},
        "status": {
            "health": {"status": health, "message": "why"},
            "sync": {"status": sync, "comparedTo": {keys[0]: keys[2]}, **current},
            "operationState": {"phase": phase, "message": "said", "syncResult": result},
        },
    }
    if operation:
        value["operation"] = {"sync": {}}
    return value


CASES = [
    ("new, never compared", {"spec": {"source": {"targetRevision": NEW}}}, "Progressing"),
    ("healthy at the revision it names", application(), "Healthy"),
    ("healthy, of several sources", application(multiple=True), "Healthy"),
    ("health is that of the commit before", application(compared=OLD), "Progressing"),
    ("of several sources, the commit before", application(compared=OLD, multiple=True), "Progressing"),
    ("compared, not synced yet", application(sync="OutOfSync", synced=OLD), "Progressing"),
    ("a sync is running", application(sync="OutOfSync", phase="Running"), "Progressing"),
    ("a sync is asked for", application(operation=True), "Progressing"),
    ("the sync of this commit failed", application(sync="OutOfSync", phase="Failed"), "Degraded"),
    ("synced, then changed by hand", application(sync="OutOfSync"), "Healthy"),
    ("pods on their way", application(health="Progressing"), "Progressing"),
    ("pods that crash", application(health="Degraded"), "Degraded"),
]


def check(report, tree):
    values = tree.load("bootstrap/argocd-values.yaml")
    script = values["configs"]["cm"].get(KEY)
    if not report.check("health", script, f"argocd-cm has no '{KEY}': waves of Applications would order nothing"):
        return
    for name, value, expected in CASES:
        lua = LuaRuntime(unpack_returned_tuples=True)
        run = lua.eval("function(text, value) obj = value; return assert(loadstring(text))() end")
        got = run(script, lua.table_from(value, recursive=True))["status"]
        report.check("health", got == expected, f"{name}: {got}, not {expected}")
