"""Noise_XXpsk0_25519_ChaChaPoly_SHA256 and the records that follow it (docs/protocol.md, sections 5.1 and 6)."""

import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from .codec import WireError

PREAMBLE = b"mesh/1\n"
PROTOCOL = b"Noise_XXpsk0_25519_ChaChaPoly_SHA256"
REKEY_EVERY = 65_536
PLAIN_MAX = 65_519


def _nonce(counter):
    return bytes(4) + counter.to_bytes(8, "little")


def seal(key, counter, associated, plain):
    return ChaCha20Poly1305(key).encrypt(_nonce(counter), plain, associated)


def open_sealed(key, counter, associated, sealed, kind):
    try:
        return ChaCha20Poly1305(key).decrypt(_nonce(counter), sealed, associated)
    except (InvalidTag, ValueError) as error:
        raise WireError(kind, "the tag does not match") from error


def rekeyed(key):
    return seal(key, 2**64 - 1, b"", bytes(32))[:32]


def public_of(private):
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def diffie_hellman(private, public):
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise WireError("bad-handshake", "the shared secret is zero") from error


class Handshake:
    """One side. Messages are written and read in turn; after the third, `keys` are (dialer's, listener's)."""

    def __init__(self, dialer, static_private, psk, ephemeral_private):
        self.dialer = dialer
        self.static = static_private
        self.ephemeral = ephemeral_private
        self.psk = psk
        self.remote_static = None
        self.remote_ephemeral = None
        self.hash = self.chain = hashlib.sha256(PROTOCOL).digest()
        self.key = None
        self.counter = 0
        self._mix_hash(PREAMBLE)

    # SymmetricState

    def _hkdf(self, material, count):
        temporary = hmac.digest(self.chain, material, "sha256")
        out, block = [], b""
        for number in range(1, count + 1):
            block = hmac.digest(temporary, block + bytes([number]), "sha256")
            out.append(block)
        return out

    def _mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def _mix_key(self, material):
        self.chain, self.key = self._hkdf(material, 2)
        self.counter = 0

    def _mix_key_and_hash(self, material):
        self.chain, middle, self.key = self._hkdf(material, 3)
        self.counter = 0
        self._mix_hash(middle)

    def _encrypt(self, plain):
        sealed = seal(self.key, self.counter, self.hash, plain)
        self.counter += 1
        self._mix_hash(sealed)
        return sealed

    def _decrypt(self, sealed):
        plain = open_sealed(self.key, self.counter, self.hash, sealed, "bad-handshake")
        self.counter += 1
        self._mix_hash(sealed)
        return plain

    # HandshakeState: what the pattern's tokens do on this side

    def _send_e(self):
        public = public_of(self.ephemeral)
        self._mix_hash(public)
        self._mix_key(public)
        return public

    def _receive_e(self, public):
        if len(public) != 32:
            raise WireError("bad-handshake", "the message is too short")
        self.remote_ephemeral = public
        self._mix_hash(public)
        self._mix_key(public)

    def _send_s(self):
        return self._encrypt(public_of(self.static))

    def _receive_s(self, sealed):
        self.remote_static = self._decrypt(sealed)

    def _ee(self):
        self._mix_key(diffie_hellman(self.ephemeral, self.remote_ephemeral))

    def _es(self):
        pair = (self.ephemeral, self.remote_static) if self.dialer else (self.static, self.remote_ephemeral)
        self._mix_key(diffie_hellman(*pair))

    def _se(self):
        pair = (self.static, self.remote_ephemeral) if self.dialer else (self.ephemeral, self.remote_static)
        self._mix_key(diffie_hellman(*pair))

    def write_1(self):
        self._mix_key_and_hash(self.psk)
        return self._send_e() + self._encrypt(b"")

    def read_1(self, message):
        self._mix_key_and_hash(self.psk)
        self._receive_e(message[:32])
        return self._decrypt(message[32:])

    def write_2(self, payload):
        out = self._send_e()
        self._ee()
        out += self._send_s()
        self._es()
        return out + self._encrypt(payload)

    def read_2(self, message):
        self._receive_e(message[:32])
        self._ee()
        self._receive_s(message[32:80])
        self._es()
        return self._decrypt(message[80:])

    def write_3(self, payload):
        out = self._send_s()
        self._se()
        return out + self._encrypt(payload)

    def read_3(self, message):
        self._receive_s(message[:48])
        self._se()
        return self._decrypt(message[48:])

    def split(self):
        """(key of what the dialer sends, key of what the listener sends)."""
        return tuple(self._hkdf(b"", 2))


class RecordCipher:
    """One direction after the handshake."""

    def __init__(self, key, counter=0):
        self.key = key
        self.counter = counter

    def _count(self):
        self.counter += 1
        if self.counter % REKEY_EVERY == 0:
            self.key = rekeyed(self.key)

    def seal(self, plain):
        """`u16 length || sealed`."""
        sealed = seal(self.key, self.counter, b"", plain)
        self._count()
        return len(sealed).to_bytes(2, "big") + sealed

    def open(self, sealed):
        if not 17 <= len(sealed) <= 65_535:
            raise WireError("bad-record", "length out of range")
        plain = open_sealed(self.key, self.counter, b"", sealed, "bad-record")
        self._count()
        return plain
