"""The startup probe of charts/triton, against servers that act like replicas."""

import importlib.util
import json
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROBE = Path(__file__).resolve().parents[2] / "charts/triton/files/caught_up.py"
SPEC = importlib.util.spec_from_file_location("caught_up", PROBE)
probe = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(probe)


class Replica:
    def __init__(self, index, live=200):
        outer = self
        self.index, self.live = index, live

        class Handler(BaseHTTPRequestHandler):
            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                self.answer(outer.live, b"")

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(200, outer.index if isinstance(outer.index, bytes) else json.dumps(outer.index).encode())

            def log_message(self, *arguments):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.address = self.server.server_address

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def ready(name, version="1"):
    return {"name": name, "version": version, "state": "READY"}


class CaughtUp(unittest.TestCase):
    def replica(self, *arguments, **named):
        replica = Replica(*arguments, **named)
        self.addCleanup(replica.close)
        return replica.address

    def gone(self):
        replica = Replica([])
        replica.close()
        return replica.address

    def test_first_of_all_does_not_wait(self):
        self.assertIsNone(probe.verdict(self.replica([]), []))

    def test_empty_peers_are_not_waited_for(self):
        self.assertIsNone(probe.verdict(self.replica([]), [self.replica([]), self.gone()]))

    def test_waits_for_what_any_peer_serves(self):
        peers = [self.replica([]), self.replica([ready("tumor-v3"), ready("tumor-v4")])]
        reason = probe.verdict(self.replica([ready("tumor-v3")]), peers)
        self.assertEqual(reason, "not loaded yet: tumor-v4/1")

    def test_goes_on_when_it_serves_the_same(self):
        self.assertIsNone(probe.verdict(self.replica([ready("a"), ready("b")]), [self.replica([ready("a")])]))

    def test_what_a_peer_has_not_ready_does_not_count(self):
        broken = {"name": "a", "version": "1", "state": "UNAVAILABLE", "reason": "x"}
        self.assertIsNone(probe.verdict(self.replica([]), [self.replica([broken, {"name": "never-loaded"}])]))

    def test_a_peer_that_talks_nonsense_does_not_count(self):
        self.assertIsNone(probe.verdict(self.replica([]), [self.replica(b"<html>"), self.replica(b"[1]"), self.replica(b"{}")]))

    def test_waits_for_itself(self):
        self.assertIsNotNone(probe.verdict(self.gone(), []))
        self.assertIsNotNone(probe.verdict(self.replica([], live=400), []))
        self.assertIsNotNone(probe.verdict(self.replica(b"nonsense"), []))


if __name__ == "__main__":
    unittest.main()
