"""Re-computes the test vectors of spec/vectors. Each vector has a `kind`; each kind has one function here that says what it
makes of the inputs, as a dict that must equal what stands in the vector under the same names."""

import hashlib
import json

from . import direct, flood, frames, members, noise, streams
from .codec import WireError, decode, read_varint, write_varint
from .identity import KeyPair, Network, is_admitted, is_valid_signature, peer_id, peer_id_bytes, signed_bytes, x25519_of


def check_files(paths):
    """Prints a line for each vector. Exit status: 0 when all agree and there was at least one."""
    failed = done = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            vectors = json.load(file)["vectors"]
        for vector in vectors:
            done += 1
            trouble = check(vector)
            failed += trouble is not None
            print(f"{'ok' if trouble is None else 'FAIL'} {vector['name']}" + (f": {trouble}" if trouble else ""))
    print(f"{done - failed} ok, {failed} failed")
    return 1 if failed or not done else 0


def check(vector):
    """None, or what differs."""
    recompute = KINDS.get(vector["kind"])
    if recompute is None:
        return f"unknown kind {vector['kind']}"
    try:
        made = recompute(vector)
    except WireError as error:
        return f"unexpected {error}"
    for name, value in made.items():
        value = value.hex() if isinstance(value, bytes) else value
        expected = unpack(vector.get(name)).hex() if isinstance(value, str) and name in BINARY else vector.get(name)
        if value != expected:
            return f"{name} is {str(value)[:200]}, and {str(expected)[:200]} in the vector"
    return None


# Fields that may be written as a list of hex texts and {"repeat": hex, "times": n}, when they are large.
BINARY = {"bytes", "body", "signedPart", "plain"}


def unpack(value):
    if isinstance(value, list):
        return b"".join(bytes.fromhex(p["repeat"]) * p["times"] if isinstance(p, dict) else bytes.fromhex(p) for p in value)
    return bytes.fromhex(value)


def hexed(vector, *names):
    return [unpack(vector[name]) for name in names]


def error_of(action):
    """The code of the WireError that `action` raises; 'none' when it returns."""
    try:
        action()
    except WireError as error:
        return error.kind
    return "none"


# identity.json


def key_pair(vector):
    keys = KeyPair(unpack(vector["seed"]))
    assert x25519_of(keys.identity) == keys.x25519_public
    return {
        "publicKey": keys.identity,
        "x25519PrivateKey": keys.x25519_private,
        "x25519PublicKey": keys.x25519_public,
        "peerIdBytes": peer_id_bytes(keys.identity),
        "peerId": peer_id(keys.identity),
    }


def admission(vector):
    return {"admitted": is_admitted(unpack(vector["publicKey"]))}


def signature(vector):
    return {"valid": is_valid_signature(*hexed(vector, "publicKey", "message", "signature"))}


def signed(vector):
    seed, network_id, part = hexed(vector, "seed", "networkId", "signedPart")
    message = signed_bytes(vector["domain"], network_id, part)
    return {
        "digest": hashlib.sha256(part).digest(),
        "message": message,
        "signature": KeyPair(seed).sign(message),
    }


# network.json


def network(vector):
    made = Network(vector["networkName"], unpack(vector["secret"]))
    return {"networkKey": made.key, "networkId": made.id, "networkTag": made.tag}


# handshake.json


def _sides(vector):
    psk = unpack(vector["networkKey"])
    sides = []
    for name in ("dialer", "listener"):
        keys = KeyPair(unpack(vector[f"{name}Seed"]))
        sides.append(noise.Handshake(name == "dialer", keys.x25519_private, psk, unpack(vector[f"{name}Ephemeral"])))
    return sides


def _record(message):
    return len(message).to_bytes(2, "big") + message


def handshake(vector):
    dialer, listener = _sides(vector)
    payload_2, payload_3, dialer_plain, listener_plain = hexed(
        vector, "payload2", "payload3", "dialerPlain", "listenerPlain"
    )
    message_1 = dialer.write_1()
    assert listener.read_1(message_1) == b""
    message_2 = listener.write_2(payload_2)
    assert dialer.read_2(message_2) == payload_2
    message_3 = dialer.write_3(payload_3)
    assert listener.read_3(message_3) == payload_3
    assert dialer.hash == listener.hash and dialer.split() == listener.split()
    dialer_key, listener_key = dialer.split()
    return {
        "prologue": noise.PREAMBLE,
        "message1": message_1,
        "message2": message_2,
        "message3": message_3,
        "dialerWrites1": noise.PREAMBLE + _record(message_1),
        "listenerWrites2": _record(message_2),
        "dialerWrites3": _record(message_3),
        "dialerStatic": listener.remote_static,
        "listenerStatic": dialer.remote_static,
        "handshakeHash": dialer.hash,
        "dialerKey": dialer_key,
        "listenerKey": listener_key,
        "dialerRecord": noise.RecordCipher(dialer_key).seal(dialer_plain),
        "listenerRecord": noise.RecordCipher(listener_key).seal(listener_plain),
    }


def handshake_refused(vector):
    _, listener = _sides(vector)
    return {"error": error_of(lambda: listener.read_1(unpack(vector["message1"])))}


def handshake_payload(vector):
    payload, static = hexed(vector, "payload", "static")

    def judge():
        identity = frames.decode_handshake_payload(payload)
        if not is_admitted(identity) or x25519_of(identity) != static:
            raise WireError("bad-identity", "not the static key's")

    return {"accepted": error_of(judge) == "none"}


# records.json


def records(vector):
    sealer = noise.RecordCipher(unpack(vector["key"]), vector["firstNonce"])
    opener = noise.RecordCipher(unpack(vector["key"]), vector["firstNonce"])
    made = []
    for one in vector["records"]:
        nonce, plain = sealer.counter, unpack(one["plain"])
        sealed = sealer.seal(plain)
        assert opener.open(sealed[2:]) == plain
        made.append({"nonce": nonce, "plain": one["plain"], "record": sealed.hex()})
    return {"records": made}


def record_refused(vector):
    opener = noise.RecordCipher(unpack(vector["key"]), vector["nonce"])
    data = unpack(vector["record"])

    def read():
        length = int.from_bytes(data[:2], "big")
        if len(data) != length + 2:
            raise WireError("bad-record", "not one record")
        opener.open(data[2:])

    return {"error": error_of(read)}


# frames.json


def varint(vector):
    data = write_varint(vector["value"])
    assert read_varint(data, 0) == (vector["value"], len(data))
    return {"bytes": data}


def varint_refused(vector):
    return {"error": error_of(lambda: read_varint(unpack(vector["bytes"]), 0))}


def cbor(vector):
    return {"error": error_of(lambda: decode(unpack(vector["bytes"])))}


def frame(vector):
    reader = frames.FrameReader()
    reader.push(unpack(vector["bytes"]))
    kind, body = reader.next()
    assert reader.next() is None
    if kind not in frames.BODY_MAX_OF:
        return {"type": kind, "known": False, "length": len(body)}
    return {"type": kind, "known": True, "body": body, **_meaning(vector, kind, body)}


def _meaning(vector, kind, body):
    """What the body says, for the types whose vectors tell it."""
    if kind == frames.GOODBYE:
        code, text = frames.decode_goodbye(body)
        return {"code": code, "text": text}
    if kind == frames.ASK_PEERS:
        return {"howMany": frames.decode_ask_peers(body)}
    if kind == frames.PEERS:
        peers = frames.decode_peers(body, unpack(vector["networkId"]))
        return {"identities": [one["identity"].hex() for one in peers]}
    if kind == frames.ABOUT:
        about = frames.decode_about(body, *hexed(vector, "sender", "networkId"))
        has_record = about["record"] is not None
        return {"agent": about["agent"], "nodeName": about["name"], "hasRecord": has_record, "keep": about["keep"]}
    if kind == frames.MODE:
        is_lazy, trees = frames.decode_mode(body)
        return {"mode": "lazy" if is_lazy else "eager", "trees": trees}
    if kind in streams.TYPES:
        return streams.read(kind, body)
    return {}


def frames_refused(vector):
    def read():
        reader = frames.FrameReader()
        reader.push(unpack(vector["bytes"]))
        while (one := reader.next()) is not None:
            _meaning(vector, *one)

    return {"accepted": error_of(read) == "none"}


# bundles.json


def bundle(vector):
    keys = KeyPair(unpack(vector["seed"]))
    network_id = unpack(vector["networkId"])
    messages = [(one["topic"], unpack(one["payload"])) for one in vector["messages"]]
    numbers = (vector["epoch"], vector["first"], vector["sentAtMs"])
    signature, part = flood.sign_bundle(
        keys, network_id, *numbers, messages, vector["flags"], vector["timeToLiveS"]
    )
    made = flood.encode_body(vector["hops"], vector["ageMs"], signature, part)
    judged = flood.judge(made, network_id, flood.Seen())
    assert judged["messages"] == messages and judged["origin"] == keys.identity
    ids = [f"{peer_id(keys.identity)}/{vector['epoch']}/{vector['first'] + place}" for place in range(len(messages))]
    return {"signedPart": part, "signature": signature, "body": made, "ids": ids, "verdict": "accept"}


def bundle_judged(vector):
    network_id, seen = unpack(vector["networkId"]), flood.Seen()
    for before in vector["after"]:
        flood.judge(unpack(before), network_id, seen)
    try:
        flood.judge(unpack(vector["body"]), network_id, seen)
    except flood.Verdict as verdict:
        return {"verdict": verdict.verdict, "reason": verdict.reason}
    return {"verdict": "accept", "reason": None}


# node-records.json


def node_record(vector):
    keys = KeyPair(unpack(vector["seed"]))
    network_id = unpack(vector["networkId"])
    addresses = [unpack(one) for one in vector["addresses"]]
    made = frames.encode_node_record(keys, network_id, vector["issuedAtMs"], addresses)
    read = frames.decode_node_record(made, network_id)
    kept = [one.hex() for one in read["addresses"]]
    return {"identity": read["identity"], "record": made, "kept": kept}


def node_record_read(vector):
    """Records that are refused, or say more than this version knows."""
    record, network_id = hexed(vector, "record", "networkId")
    try:
        read = frames.decode_node_record(record, network_id)
    except WireError:
        return {"result": "refused"}
    return {"result": "taken", "kept": [one.hex() for one in read["addresses"]]}


# direct.json


def direct_content(vector):
    plain = unpack(vector["plain"])
    destination_epoch, epoch, sequence, kind, answered, topic, payload = elements = direct.decode_content(plain)
    numbers = {"destinationEpoch": destination_epoch, "epoch": epoch, "sequence": sequence, "contentKind": kind}
    made = {} if vector["name"].endswith("later-element") else {"plain": direct.encode_content(*elements)}
    return {**numbers, "answered": answered, "topic": topic, "payload": payload, **made}


def direct_content_refused(vector):
    return {"taken": direct.decode_content(unpack(vector["plain"])) is not None}


def direct_body(vector):
    network_id, source, destination, ephemeral, plain = hexed(
        vector, "networkId", "sourceSeed", "destinationSeed", "ephemeral", "plain"
    )
    source, destination = KeyPair(source), KeyPair(destination)
    way = (vector["hops"], vector["flooding"])
    body = direct.encode_body(source, destination.identity, network_id, ephemeral, *way, plain)
    read = direct.read_body(body)
    assert direct.open_body(read, destination, network_id) == plain
    return {
        **({"body": body} if "body" in vector else {}),
        "hops": read["hops"],
        "flooding": read["flooding"],
        "bodyLength": len(body),
        "bodySha256": hashlib.sha256(body).digest(),
        "envelopeSha256": hashlib.sha256(body[direct.HEADER :]).digest(),
    }


def direct_unopened(vector):
    network_id, seed, body = hexed(vector, "networkId", "destinationSeed", "body")
    read = direct.read_body(body)
    return {"opens": error_of(lambda: direct.open_body(read, KeyPair(seed), network_id)) == "none"}


def direct_refused(vector):
    return {"error": error_of(lambda: direct.read_body(unpack(vector["body"])))}


# streams.json


def stream_judged(vector):
    receiver = streams.Receiver(
        vector["receiver"] == "dialer", vector["handlers"], vector["opens"], vector["credit"]
    )
    reader = frames.FrameReader()
    for one in vector["before"]:
        reader.push(unpack(one))
    while (frame_read := reader.next()) is not None:
        receiver.receive(*frame_read)
    reader.push(unpack(vector["bytes"]))
    kind, body = reader.next()
    return {"fault": error_of(lambda: receiver.receive(kind, body)) != "none"}


# members.json


def node_payload(vector):
    node = members.decode_node_payload(unpack(vector["payload"]))
    return {
        "nodeName": node["name"],
        "agent": node["agent"],
        "record": node["record"] and node["record"].hex(),
        "neighbours": [key.hex() for key in node["neighbours"]],
        "startedAtMs": node["started_at"],
        "neighbourCount": node["count"],
    }


def node_payload_unread(vector):
    return {"read": members.decode_node_payload(unpack(vector["payload"])) is not None}


KINDS = {
    "key-pair": key_pair,
    "admission": admission,
    "signature": signature,
    "signed": signed,
    "network": network,
    "handshake": handshake,
    "handshake-refused": handshake_refused,
    "handshake-payload": handshake_payload,
    "records": records,
    "record-refused": record_refused,
    "varint": varint,
    "varint-refused": varint_refused,
    "cbor": cbor,
    "frame": frame,
    "frames-refused": frames_refused,
    "bundle": bundle,
    "bundle-judged": bundle_judged,
    "node-record": node_record,
    "node-record-read": node_record_read,
    "node-payload": node_payload,
    "node-payload-unread": node_payload_unread,
    "stream-judged": stream_judged,
    "direct-content": direct_content,
    "direct-content-refused": direct_content_refused,
    "direct": direct_body,
    "direct-unopened": direct_unopened,
    "direct-refused": direct_refused,
}
