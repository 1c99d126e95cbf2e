#!/usr/bin/env python3
"""An independent peer of the mesh protocol, for interoperability tests.

    meshd_peer.py check FILE…                         re-computes spec/vectors/*.json; exit 1 when one differs
    meshd_peer.py join HOST PORT [options]            connects, publishes one message, waits for one, says goodbye
    meshd_peer.py listen PORT [options]               the same, from the listening end of the connection

Written from docs/protocol.md alone. Needs Debian's python3-cryptography and python3-cbor2.
"""

import argparse
import base64
import json
import os
import socket
import sys
import time

# Running a test leaves nothing behind in the source tree.
sys.dont_write_bytecode = True

from mesh1 import flood, frames
from mesh1.check import check_files
from mesh1.codec import WireError
from mesh1.identity import KeyPair, Network, peer_id
from mesh1.session import Goodbye, Session


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    check = modes.add_parser("check", help="re-compute test vectors")
    check.add_argument("files", nargs="+")
    join = modes.add_parser("join", help="connect to a running meshd")
    join.add_argument("host")
    join.add_argument("port", type=int)
    listen = modes.add_parser("listen", help="wait on loopback for one running meshd; port 0 takes a free one")
    listen.add_argument("port", type=int)
    for mode in (join, listen):
        mode.add_argument("--network", default="default", help="the network's name")
        mode.add_argument("--key-hex", default="", help="the secret of a private network, 32 bytes in hex")
        mode.add_argument("--seed-hex", default="", help="this peer's Ed25519 seed; absent: a new one")
        mode.add_argument("--publish", nargs=2, metavar=("TOPIC", "TEXT"))
        mode.add_argument("--expect", metavar="TOPIC")
        mode.add_argument("--timeout", type=float, default=10, help="seconds for everything")
    options = parser.parse_args()
    if options.mode == "check":
        return check_files(options.files)
    try:
        return take_part(options)
    except (WireError, Goodbye, OSError) as error:
        print(f"meshd_peer: {error}", file=sys.stderr)
        return 1


def take_part(options):
    keys = KeyPair(bytes.fromhex(options.seed_hex) or os.urandom(32))
    network = Network(options.network, bytes.fromhex(options.key_hex))
    deadline = time.monotonic() + options.timeout
    with connect(options, keys) as connection:
        session = Session(connection, keys, network, deadline)
        session.dial() if options.mode == "join" else session.accept()
        say({"event": "open", "peer": peer_id(session.remote), **about_of(session)})
        if options.publish:
            publish(session, keys, network, *options.publish)
        if options.expect:
            say(wait_for(session, network, options.expect))
        session.leave(0, "done")
    return 0


def connect(options, keys):
    if options.mode == "join":
        return socket.create_connection((options.host, options.port), options.timeout)
    with socket.create_server(("127.0.0.1", options.port)) as server:
        server.settimeout(options.timeout)
        say({"event": "listening", "port": server.getsockname()[1], "id": peer_id(keys.identity)})
        return server.accept()[0]


def publish(session, keys, network, topic, text):
    now = time.time()
    epoch = int(now) * 2**20 + int.from_bytes(os.urandom(3), "big") % 2**20
    messages = [(topic, text.encode())]
    signature, signed_part = flood.sign_bundle(keys, network.id, epoch, 0, int(now * 1000), messages)
    session.send(frames.BUNDLE, flood.encode_body(1, 0, signature, signed_part))


def wait_for(session, network, topic):
    seen = flood.Seen()
    for body in session.bundles():
        try:
            bundle = flood.judge(body, network.id, seen)
        except flood.Verdict as verdict:
            say({"event": "not-taken", "verdict": verdict.verdict, "reason": verdict.reason})
            continue
        for place, (name, payload) in enumerate(bundle["messages"]):
            if name == topic:
                return event_of(bundle, place, payload)
    raise AssertionError("unreachable: the session ends by raising")


def event_of(bundle, place, payload):
    origin, sequence = peer_id(bundle["origin"]), bundle["first"] + place
    event = {"event": "message", "topic": bundle["messages"][place][0], "from": origin}
    event |= {"id": f"{origin}/{bundle['epoch']}/{sequence}", "sequence": sequence, "hops": bundle["hops"]}
    try:
        return event | {"data": payload.decode("utf-8")}
    except UnicodeDecodeError:
        return event | {"data64": base64.b64encode(payload).decode()}


def about_of(session):
    return {"agent": session.about["agent"], "name": session.about["name"]}


def say(event):
    print(json.dumps(event, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(main())
