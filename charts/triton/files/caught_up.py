"""Exits 0 when this replica serves everything that its peers serve.

Triton in explicit mode starts empty and calls itself ready. Without this, a rolling update would replace
replica after replica by empty ones, faster than the reconciler loads models. It is the startup probe: once
it has passed it is not asked again, so a version that one replica cannot load never takes that replica out.
With no peer that answers, or none that serves anything, there is nothing to wait for.
"""

import http.client
import json
import os
import socket
import sys

CALL_SECONDS_MAX = 2.0
PEERS_MAX = 64
INDEX_BYTES_MAX = 8 << 20


def call(address, method, path):
    """Status and body of one call; None when nobody answers."""
    connection = http.client.HTTPConnection(address[0], address[1], timeout=CALL_SECONDS_MAX)
    try:
        connection.request(method, path, body=b"{}" if method == "POST" else None)
        answer = connection.getresponse()
        return answer.status, answer.read(INDEX_BYTES_MAX)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def serving(address):
    """What the replica there has ready, as (model, version); None when it does not answer."""
    answer = call(address, "POST", "/v2/repository/index")
    if answer is None or answer[0] != 200:
        return None
    try:
        return {(entry["name"], entry.get("version", "")) for entry in json.loads(answer[1]) if entry.get("state") == "READY"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def verdict(own, peers):
    """None: go on; else the reason to wait. `own` and `peers` are addresses."""
    health = call(own, "GET", "/v2/health/live")
    mine = serving(own)
    if health is None or health[0] != 200 or mine is None:
        return "the server does not answer yet"
    missing = set()
    for peer in peers[:PEERS_MAX]:
        missing |= (serving(peer) or set()) - mine
    if missing:
        return "not loaded yet: " + ", ".join(sorted(f"{model}/{version}" for model, version in missing))
    return None


def main():
    port = int(os.environ.get("TRITON_HTTP_PORT", "8000"))
    own_address = os.environ.get("POD_IP", "127.0.0.1")
    try:
        found = socket.getaddrinfo(os.environ["TRITON_PEERS"], port, type=socket.SOCK_STREAM)
    except OSError:
        found = []
    peers = sorted({entry[4][:2] for entry in found if entry[4][0] != own_address})
    reason = verdict((own_address, port), peers)
    if reason:
        print(reason)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
