"""The recorded conversations with MLflow's server, held again with the server under test."""
import json
import os
import unittest

import wire
from support import URI

ANSWERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "answers.json")


def record(uri):
    answers = {scenario.__name__: wire.converse(uri, scenario) for scenario in wire.SCENARIOS}
    with open(ANSWERS, "w") as file:
        json.dump(answers, file, indent=1, ensure_ascii=False, sort_keys=True)
        file.write("\n")
    print(f"recorded {sum(map(len, answers.values()))} calls")


def differences(expected, heard):
    """What a person needs to see of the calls that were answered otherwise."""
    if len(expected) != len(heard):
        yield f"{len(heard)} calls instead of {len(expected)}: record the answers again"
    for want, got in zip(expected, heard):
        if want["call"] != got["call"] or want["said"] != got["said"]:
            yield f"{got['call']} {got['said']} is not the call recorded: {want['call']} {want['said']}"
        elif "differs" in want or want["status"] >= 500:
            if got["status"] >= 500:
                yield f"{got['call']} {got['said']}: {got['status']} {got['answer']}"
        elif want["status"] != got["status"] or want["answer"] != got["answer"]:
            yield f"{got['call']} {got['said']}\n    MLflow {want['status']} {want['answer']}\n    here   {got['status']} {got['answer']}"


class Wire(unittest.TestCase):
    pass


def _test(scenario):
    def test(self):
        with open(ANSWERS) as file:
            expected = json.load(file)[scenario.__name__]
        heard = json.loads(json.dumps(wire.converse(URI, scenario)))
        if os.environ.get("SLIPWAY_TRACKING_ENGINE") == "mlflow":
            # Its own breakdowns are its own.
            for want, got in zip(expected, heard):
                if want["status"] >= 500:
                    got["status"] = want["status"] = 0
        found = [d if len(d) < 1500 else d[:1500] + "…" for d in differences(expected, heard)]
        if found:
            self.fail(f"{len(found)} of {len(expected)} calls:\n" + "\n".join(found[:12]))

    return test


for _scenario in wire.SCENARIOS:
    setattr(Wire, f"test_{_scenario.__name__}", _test(_scenario))
