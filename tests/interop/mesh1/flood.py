"""Bundles and their verdicts (docs/protocol.md, section 8)."""

from .codec import INTEGER_MAX, Reader, WireError, encode, read_varint, write_varint
from .identity import is_admitted, is_valid_signature, signed_bytes

DOMAIN = "mesh/1 bundle"
AGE_MAX_MS = 604_800_000


def encode_signed_part(identity, epoch, first, sent_at, flags, time_to_live, messages):
    return encode([1, identity, epoch, first, sent_at, flags, time_to_live, [list(one) for one in messages]])


def encode_body(hops, age, signature, signed_part):
    return bytes([hops]) + write_varint(age) + signature + signed_part


def sign_bundle(keys, network_id, epoch, first, sent_at, messages, flags=0, time_to_live=0):
    signed_part = encode_signed_part(keys.identity, epoch, first, sent_at, flags, time_to_live, messages)
    return keys.sign(signed_bytes(DOMAIN, network_id, signed_part)), signed_part


class Verdict(Exception):
    """What ends the judging of a bundle early: ('ignore' or 'reject', reason)."""

    def __init__(self, verdict, reason):
        super().__init__(f"{verdict} {reason}")
        self.verdict = verdict
        self.reason = reason


def is_topic(text):
    return 1 <= len(text.encode()) <= 255 and not any(character in text for character in "\0+#")


class Seen:
    """Sequence numbers taken, one set for each (origin, epoch): plain, and enough for a test peer."""

    def __init__(self):
        self._taken = {}

    def count_taken(self, bundle):
        return len(self._taken.get(self._key(bundle), set()) & self._numbers(bundle))

    def mark(self, bundle):
        self._taken.setdefault(self._key(bundle), set()).update(self._numbers(bundle))

    @staticmethod
    def _key(bundle):
        return bundle["origin"], bundle["epoch"]

    @staticmethod
    def _numbers(bundle):
        return set(range(bundle["first"], bundle["first"] + bundle["count"]))


def judge(body, network_id, seen):
    """The bundle as a dict when it is accepted; else raises Verdict. The steps are those of section 8.3."""
    bundle, reader = _read_head(body)
    taken = seen.count_taken(bundle)
    if taken == bundle["count"]:
        raise Verdict("ignore", "duplicate")
    if bundle["age"] > AGE_MAX_MS:
        raise Verdict("ignore", "too-old")
    try:
        bundle["messages"] = _read_messages(bundle, reader)
    except WireError as error:
        raise Verdict("reject", "malformed") from error
    origin = bundle["origin"]
    if not is_admitted(origin):
        raise Verdict("reject", "bad-origin")
    if not is_valid_signature(origin, signed_bytes(DOMAIN, network_id, bundle["signed_part"]), bundle["signature"]):
        raise Verdict("reject", "bad-signature")
    seen.mark(bundle)
    if taken > 0:
        raise Verdict("ignore", "equivocation")
    return bundle


def _read_head(body):
    """Steps 1 to 4: the bundle without its messages, and the reader that stands before them."""
    try:
        if not body or body[0] == 0 or (age := read_varint(body, 1)) is None or len(body) <= age[1] + 64:
            raise Verdict("reject", "malformed")
        at = age[1]
        bundle = {"hops": body[0], "age": age[0], "signature": body[at : at + 64], "signed_part": body[at + 64 :]}
        reader = Reader(bundle["signed_part"])
        elements = reader.array()
        if elements < 1:
            raise Verdict("reject", "malformed")
        if reader.integer() != 1:
            raise Verdict("ignore", "unknown-version")
        bundle |= {"elements": elements, "origin": reader.byte_string()}
        for name in ("epoch", "first", "sent_at", "flags", "time_to_live"):
            bundle[name] = reader.integer()
        bundle["count"] = count = reader.array()
    except WireError as error:
        raise Verdict("reject", "malformed") from error
    if elements < 8 or len(bundle["origin"]) != 32 or not 1 <= count <= 1_024:
        raise Verdict("reject", "malformed")
    if bundle["first"] + count - 1 > INTEGER_MAX:
        raise Verdict("reject", "malformed")
    return bundle, reader


def _read_messages(bundle, reader):
    messages = []
    for _ in range(bundle["count"]):
        elements = reader.array()
        if elements < 2:
            raise Verdict("reject", "malformed")
        topic, payload = reader.text(), reader.byte_string()
        if not is_topic(topic) or len(payload) > 1_048_576:
            raise Verdict("reject", "malformed")
        messages.append((topic, payload))
        for _ in range(elements - 2):
            reader.skip(3)
    for _ in range(bundle["elements"] - 8):
        reader.skip(1)
    reader.finish()
    return messages
