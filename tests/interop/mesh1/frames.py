"""Frames, about, goodbye and node records (docs/protocol.md, sections 5.5, 7 and 12)."""

from .codec import WireError, decode, encode, read_varint, write_varint
from .identity import is_admitted, is_valid_signature, signed_bytes

PING, PONG, GOODBYE, ASK_PEERS, PEERS, ABOUT, BUNDLE = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x10
MODE = 0x13
MODE_TREES_MAX = 9
BODY_MAX = 1_114_112
BODY_MAX_OF = {
    **{PING: 8, PONG: 8, GOODBYE: 1_024, ASK_PEERS: 16, PEERS: 65_536, ABOUT: 4_096, BUNDLE: BODY_MAX},
    **{0x11: 262_144, 0x12: 262_144, MODE: 32, 0x14: 32, 0x20: BODY_MAX},
    **{0x30: 4_096, 0x31: BODY_MAX, 0x32: 20, 0x33: 20, 0x34: 20, 0x35: 4_096},
}
ADDRESS_PROTOCOLS = {0x04: 4, 0x29: 16, 0x35: None, 0x36: None, 0x37: None}


def encode_frame(kind, body):
    return bytes([kind]) + write_varint(len(body)) + body


class FrameReader:
    """Bytes in, (type, body) out. Bodies of unknown types come out too; the caller skips them."""

    def __init__(self):
        self._held = bytearray()

    def push(self, plain):
        self._held += plain

    def next(self):
        if len(self._held) < 2:
            return None
        kind = self._held[0]
        head = read_varint(self._held, 1)
        if head is None:
            return None
        length, start = head
        if length > BODY_MAX_OF.get(kind, BODY_MAX) or (kind in (PING, PONG) and length != 8):
            raise WireError("bad-frame", f"type {kind} with a body of {length} bytes")
        if len(self._held) < start + length:
            return None
        body = bytes(self._held[start : start + length])
        del self._held[: start + length]
        return kind, body


def _array(value, types, kind="bad-frame"):
    """The first elements of an array read by position, each of the type that stands at its place."""
    if not isinstance(value, list) or len(value) < len(types):
        raise WireError(kind, "not an array of enough elements")
    for element, wanted in zip(value, types):
        if not isinstance(element, wanted) or isinstance(element, bool) and wanted is int:
            raise WireError(kind, "an element of another type")
    return value[: len(types)]


def encode_goodbye(code, text):
    return encode([code, text])


def decode_goodbye(body):
    code, text = _array(decode(body), [int, str])
    if len(text.encode()) > 200:
        raise WireError("bad-frame", "goodbye text is too long")
    return code, text


def decode_handshake_payload(payload):
    """The identity. Features are checked and left: this version has none."""
    value = decode(payload)
    if not isinstance(value, dict) or not isinstance(value.get(1), bytes) or len(value[1]) != 32:
        raise WireError("bad-handshake", "no identity in the payload")
    features = value.get(2, [])
    if not isinstance(features, list) or len(features) > 16:
        raise WireError("bad-handshake", "malformed features")
    if any(not isinstance(name, str) or len(name.encode()) > 32 for name in features):
        raise WireError("bad-handshake", "a malformed feature")
    return value[1]


def decode_about(body, sender, network_id):
    """A dict with agent, name, record (or None), seen_as (bytes or None) and keep."""
    value = decode(body)
    if not isinstance(value, dict):
        raise WireError("bad-frame", "about is not a map")
    agent, name = value.get(1, ""), value.get(2, "")
    for text in (agent, name):
        if not isinstance(text, str) or len(text.encode()) > 64:
            raise WireError("bad-frame", "agent or name is malformed")
    for key, length in ((3, 2_560), (4, 256), (5, 2_048)):
        if key in value and (not isinstance(value[key], bytes) or len(value[key]) > length):
            raise WireError("bad-frame", f"about key {key} is malformed")
    keep = value.get(6, 0)
    if type(keep) is not int:
        raise WireError("bad-frame", "about key 6 is malformed")
    record = decode_node_record(value[3], network_id) if 3 in value else None
    if record is not None and record["identity"] != sender:
        raise WireError("bad-peers", "a node record of somebody else in about")
    return {"agent": agent, "name": name, "record": record, "seen_as": value.get(4), "keep": keep == 1}


def decode_address(data):
    """(protocol, host bytes, port), or None for an address that this version leaves out."""
    head = read_varint(data, 0)
    if head is None or head[0] not in ADDRESS_PROTOCOLS:
        return None
    protocol, at = head
    length = ADDRESS_PROTOCOLS[protocol]
    if length is None:
        head = read_varint(data, at)
        if head is None:
            return None
        length, at = head
    host, rest = data[at : at + length], data[at + length :]
    if len(host) != length or len(rest) != 3 or rest[0] != 0x06 or rest[1:] == b"\0\0":
        return None
    return protocol, host, int.from_bytes(rest[1:], "big")


def decode_node_record(data, network_id):
    """A dict of identity, issued_at and addresses; or WireError `bad-peers`."""
    if len(data) > 2_560:
        raise WireError("bad-peers", "the record is too long")
    signature, signed_part = data[:64], data[64:]
    try:
        value = decode(signed_part)
    except WireError as error:
        raise WireError("bad-peers", "the signed part is not CBOR") from error
    version, identity, issued_at, addresses = _array(value, [int, bytes, int, list], "bad-peers")
    if version != 1:
        raise WireError("bad-peers", "another version")
    if len(addresses) > 8 or any(not isinstance(one, bytes) or len(one) > 256 for one in addresses):
        raise WireError("bad-peers", "malformed addresses")
    if len(identity) != 32 or not is_admitted(identity):
        raise WireError("bad-peers", "the identity is not admitted")
    if not is_valid_signature(identity, signed_bytes("mesh/1 node", network_id, signed_part), signature):
        raise WireError("bad-peers", "the signature is not valid")
    known = [one for one in addresses if decode_address(one) is not None]
    return {"identity": identity, "issued_at": issued_at, "addresses": known}


def encode_node_record(keys, network_id, issued_at, addresses):
    signed_part = encode([1, keys.identity, issued_at, addresses])
    return keys.sign(signed_bytes("mesh/1 node", network_id, signed_part)) + signed_part


def decode_peers(body, network_id):
    value = decode(body)
    if not isinstance(value, list) or len(value) > 32 or any(not isinstance(one, bytes) for one in value):
        raise WireError("bad-peers", "peers is not an array of at most 32 byte strings")
    return [decode_node_record(one, network_id) for one in value]


def decode_mode(body):
    """Whether it says lazy, and of which trees (section 8.9.8)."""
    value = decode(body)
    if not isinstance(value, list) or len(value) < 2 or type(value[0]) is not int or value[0] not in (0, 1):
        raise WireError("bad-frame", "mode is [0 or 1, [tree, ...]]")
    trees = value[1]
    if not isinstance(trees, list) or len(trees) > MODE_TREES_MAX:
        raise WireError("bad-frame", f"mode names up to {MODE_TREES_MAX} trees")
    if not all(type(tree) is int and 0 <= tree <= 0xFFFF for tree in trees):
        raise WireError("bad-frame", "a tree is a number of 16 bits")
    return value[0] == 1, trees


def decode_ask_peers(body):
    return _array(decode(body), [int])[0]
