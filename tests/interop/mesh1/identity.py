"""Identity and network (docs/protocol.md, sections 2 and 3)."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY_ELEMENT = (0, 1)

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
PEER_ID_PREFIX = bytes.fromhex("002408011220")


def _add(a, b):
    """Affine addition on the Edwards curve: slow, and short enough to be seen to be right."""
    product = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, P - 2, P) % P
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, P - 2, P) % P
    return x, y


def _multiply(scalar, point):
    out = IDENTITY_ELEMENT
    while scalar:
        if scalar & 1:
            out = _add(out, point)
        point = _add(point, point)
        scalar >>= 1
    return out


def _decode_point(key):
    """The point of a canonical encoding, or None (RFC 8032, 5.1.3)."""
    number = int.from_bytes(key, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if x * x % P != square or (x == 0 and sign == 1):
        return None
    return (P - x if x & 1 != sign else x), y


_verdicts = {}


def is_admitted(key):
    """Section 2.2. The verdict is remembered, as it costs milliseconds here."""
    if key not in _verdicts:
        point = _decode_point(key) if len(key) == 32 else None
        _verdicts[key] = (
            point is not None and point != IDENTITY_ELEMENT and _multiply(L, point) == IDENTITY_ELEMENT
        )
    return _verdicts[key]


def x25519_of(identity):
    y = int.from_bytes(identity, "little") & (2**255 - 1)
    return ((1 + y) * pow(1 - y, P - 2, P) % P).to_bytes(32, "little")


def is_valid_signature(identity, message, signature):
    """Section 2.3; OpenSSL compares the encoding of [S]B - [k]A with R."""
    if len(signature) != 64 or not is_admitted(identity):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(identity).verify(signature, message)
        return True
    except InvalidSignature:
        return False


def _raw(public_key):
    return public_key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class KeyPair:
    def __init__(self, seed):
        self.seed = seed
        self._signer = Ed25519PrivateKey.from_private_bytes(seed)
        self.identity = _raw(self._signer.public_key())
        half = bytearray(hashlib.sha512(seed).digest()[:32])
        half[0] &= 248
        half[31] = half[31] & 127 | 64
        self.x25519_private = bytes(half)
        self.x25519_public = _raw(X25519PrivateKey.from_private_bytes(self.x25519_private).public_key())

    def sign(self, message):
        return self._signer.sign(message)


def signed_bytes(domain, network_id, signed_part):
    return domain.encode("ascii") + network_id + hashlib.sha256(signed_part).digest()


def peer_id_bytes(identity):
    return PEER_ID_PREFIX + identity


def peer_id(identity):
    data = peer_id_bytes(identity)
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def hkdf_sha256(ikm, salt, info, length):
    key, out, block = hmac.digest(salt, ikm, "sha256"), b"", b""
    while len(out) < length:
        block = hmac.digest(key, block + info + bytes([len(out) // 32 + 1]), "sha256")
        out += block
    return out[:length]


class Network:
    def __init__(self, name, secret=b""):
        info = name.encode("utf-8")
        self.key = hkdf_sha256(secret, b"mesh/1 network", info, 32)
        self.id = hkdf_sha256(secret, b"mesh/1 network id", info, 32)
        self.tag = self.id[:8].hex()
