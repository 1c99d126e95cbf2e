"""Direct messages: the body of frame 0x20, its envelope, and what that holds (docs/protocol.md, section 9)."""

from .codec import WireError, decode, encode
from .identity import is_admitted, x25519_of
from .noise import Handshake, diffie_hellman, open_sealed, public_of, seal

PROTOCOL = b"Noise_X_25519_ChaChaPoly_SHA256"
HEADER, X_MESSAGE = 65, 96
SEALED_MAX, TAG = 65_535, 16
FLOOD_MAX, HOPS_MAX = 4_096, 32
TOPIC_MAX, PAYLOAD_MAX = 255, 1_048_576
MESSAGE, ACKNOWLEDGEMENT, REQUEST, REPLY, ERROR, QUESTION, ANSWER = range(7)


class OneWay(Handshake):
    """Noise X: the sender's one message, then the cipher of its direction."""

    def __init__(self, sender, static_private, ephemeral_private, destination_static, prologue):
        self.dialer = sender
        self.static = static_private
        self.ephemeral = ephemeral_private
        self.remote_static = destination_static if sender else None
        self.hash = self.chain = PROTOCOL + bytes(32 - len(PROTOCOL))
        self.key = None
        self.counter = 0
        self._mix_hash(prologue)
        self._mix_hash(destination_static)

    def _mix_ephemeral(self, public):
        self._mix_hash(public)
        return public

    def _ss(self):
        self._mix_key(diffie_hellman(self.static, self.remote_static))

    def write(self):
        out = self._mix_ephemeral(public_of(self.ephemeral))
        self._es()
        out += self._send_s()
        self._ss()
        return out + self._encrypt(b"")

    def read(self, message):
        self.remote_ephemeral = self._mix_ephemeral(message[:32])
        self._es()
        self._receive_s(message[32:80])
        self._ss()
        self._decrypt(message[80:])


def _prologue(network_id, destination, source):
    return b"mesh/1 direct" + network_id + destination + source


def encode_body(keys, destination, network_id, ephemeral, hops, flooding, plain):
    prologue = _prologue(network_id, destination, keys.identity)
    noise = OneWay(True, keys.x25519_private, ephemeral, x25519_of(destination), prologue)
    out = destination + keys.identity + bytes([hops | (0x80 if flooding else 0)]) + noise.write()
    key = noise.split()[0]
    size = SEALED_MAX - TAG
    for number, at in enumerate(range(0, len(plain), size)):
        sealed = seal(key, number, b"", plain[at : at + size])
        out += len(sealed).to_bytes(2, "big") + sealed
    return out


def read_body(body):
    """{destination, source, hops, flooding, x, sealed: [bytes, …]}; WireError `bad-direct` for what is provably wrong."""

    def need(holds, text):
        if not holds:
            raise WireError("bad-direct", text)

    need(len(body) >= HEADER + X_MESSAGE, "cut short")
    destination, source, hops = body[:32], body[32:64], body[64] & 0x7F
    need(destination != source, "to itself")
    need(1 <= hops <= HOPS_MAX, "hops out of range")
    flooding = body[64] > 0x7F
    need(not flooding or len(body) - HEADER <= FLOOD_MAX, "too large to flood")
    at, sealed = HEADER + X_MESSAGE, []
    while at < len(body) or not sealed:
        need(at + 2 <= len(body), "a length cut short")
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        need(end <= len(body), "a sealed message cut short")
        sealed.append(body[at + 2 : end])
        at = end
    need(all(len(one) == SEALED_MAX for one in sealed[:-1]), "a short message before the last")
    need(len(sealed[-1]) > TAG, "an empty message")
    x = body[HEADER : HEADER + X_MESSAGE]
    return {"destination": destination, "source": source, "hops": hops, "flooding": flooding, "x": x, "sealed": sealed}


def open_body(read, keys, network_id):
    """The plain text; WireError when it does not open or its source is not who sealed it."""
    prologue = _prologue(network_id, keys.identity, read["source"])
    noise = OneWay(False, keys.x25519_private, None, keys.x25519_public, prologue)
    noise.read(read["x"])
    if not is_admitted(read["source"]) or x25519_of(read["source"]) != noise.remote_static:
        raise WireError("bad-handshake", "sealed by another")
    key = noise.split()[0]
    return b"".join(open_sealed(key, number, b"", one, "bad-record") for number, one in enumerate(read["sealed"]))


def encode_content(destination_epoch, epoch, sequence, kind, answered, topic, payload):
    return encode([destination_epoch, epoch, sequence, kind, answered, topic, payload])


def decode_content(plain):
    """The seven elements, or None for what a destination ignores."""
    try:
        content = decode(plain)
    except WireError:
        return None
    if not isinstance(content, list) or len(content) < 7:
        return None
    content = content[:7]
    numbers, (kind, answered, topic, payload) = content[:3], content[3:]
    if not all(_is_number(one) for one in [*numbers, kind]) or kind > ANSWER:
        return None
    if answered is not None:
        if not isinstance(answered, list) or len(answered) < 2 or not all(_is_number(one) for one in answered[:2]):
            return None
        content[4] = answered[:2]
    if not isinstance(topic, str) or len(topic.encode()) > TOPIC_MAX:
        return None
    if not isinstance(payload, bytes) or len(payload) > PAYLOAD_MAX:
        return None
    return content if _is_whole(kind, answered, topic, payload) else None


def _is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_whole(kind, answered, topic, payload):
    if kind in (MESSAGE, REQUEST):
        return answered is None and topic != "" and not any(one in topic for one in "\0+#")
    if kind == QUESTION:
        return answered is None
    if kind == ERROR and topic == "unreachable":
        return len(payload) == 32
    return answered is not None
