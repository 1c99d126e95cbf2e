"""One connection over a blocking socket: preamble, handshake, about, frames (docs/protocol.md, sections 4 to 7)."""

import os
import time

from . import frames
from .codec import WireError, encode
from .identity import is_admitted, x25519_of
from .noise import PREAMBLE, PLAIN_MAX, Handshake, RecordCipher

HANDSHAKE_MAX = 2_048
AGENT = "meshd_peer.py/1"


class Goodbye(Exception):
    def __init__(self, code, text):
        super().__init__(f"goodbye {code}: {text}")
        self.code = code


class Session:
    def __init__(self, connection, keys, network, deadline):
        self._connection = connection
        self._keys = keys
        self._network = network
        self._deadline = deadline
        self._reader = frames.FrameReader()
        self._held = b""
        self._received = 0
        self.remote = None
        self.about = None

    # The byte stream

    def _receive(self):
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("nothing more came in time")
        self._connection.settimeout(left)
        chunk = self._connection.recv(65_536)
        if not chunk:
            raise WireError("connection-lost", f"the stream ended without goodbye after {self._received} bytes")
        self._received += len(chunk)
        self._held += chunk

    def _take(self, length):
        while len(self._held) < length:
            self._receive()
        part, self._held = self._held[:length], self._held[length:]
        return part

    def _take_record(self, length_max):
        length = int.from_bytes(self._take(2), "big")
        if not 1 <= length <= length_max:
            raise WireError("bad-record", f"a record of {length} bytes")
        return self._take(length)

    def _send_handshake(self, message):
        self._connection.sendall(len(message).to_bytes(2, "big") + message)

    # Handshake

    def _payload(self):
        return encode({1: self._keys.identity})

    def _prove(self, payload, static):
        identity = frames.decode_handshake_payload(payload)
        if not is_admitted(identity) or x25519_of(identity) != static:
            raise WireError("bad-identity", "the identity does not belong to the static key")
        if static == self._keys.x25519_public:
            raise WireError("self-connection", "that is this node")
        self.remote = identity

    def _start(self, dialer):
        return Handshake(dialer, self._keys.x25519_private, self._network.key, os.urandom(32))

    def dial(self):
        noise = self._start(True)
        first = noise.write_1()
        self._connection.sendall(PREAMBLE + len(first).to_bytes(2, "big") + first)
        payload = noise.read_2(self._take_record(HANDSHAKE_MAX))
        self._prove(payload, noise.remote_static)
        self._send_handshake(noise.write_3(self._payload()))
        mine, theirs = noise.split()
        self._open(mine, theirs)

    def accept(self):
        if self._take(len(PREAMBLE)) != PREAMBLE:
            raise WireError("bad-preamble", "another protocol")
        noise = self._start(False)
        noise.read_1(self._take_record(HANDSHAKE_MAX))
        self._send_handshake(noise.write_2(self._payload()))
        payload = noise.read_3(self._take_record(HANDSHAKE_MAX))
        self._prove(payload, noise.remote_static)
        theirs, mine = noise.split()
        self._open(mine, theirs)

    def _open(self, mine, theirs):
        self._sealer, self._opener = RecordCipher(mine), RecordCipher(theirs)
        self.send(frames.ABOUT, encode({1: AGENT, 2: "python"}))
        while self.about is None:
            kind, body = self._next_frame()
            if kind == frames.ABOUT:
                self.about = frames.decode_about(body, self.remote, self._network.id)
            elif kind == frames.PEERS:
                frames.decode_peers(body, self._network.id)
            elif kind == frames.GOODBYE:
                raise Goodbye(*frames.decode_goodbye(body))
            elif kind in frames.BODY_MAX_OF:
                raise WireError("bad-frame", f"frame type {kind} before about")

    # Open

    def send(self, kind, body):
        data = frames.encode_frame(kind, body)
        for at in range(0, len(data), PLAIN_MAX):
            self._connection.sendall(self._sealer.seal(data[at : at + PLAIN_MAX]))

    def _next_frame(self):
        while (frame := self._reader.next()) is None:
            self._reader.push(self._opener.open(self._take_record(65_535)))
        return frame

    def bundles(self):
        """The bodies of bundle frames as they come; link frames are answered on the way."""
        while True:
            kind, body = self._next_frame()
            if kind == frames.BUNDLE:
                yield body
            elif kind == frames.PING:
                self.send(frames.PONG, body)
            elif kind == frames.ASK_PEERS:
                frames.decode_ask_peers(body)
                self.send(frames.PEERS, encode([]))
            elif kind == frames.PEERS:
                frames.decode_peers(body, self._network.id)
            elif kind == frames.GOODBYE:
                raise Goodbye(*frames.decode_goodbye(body))
            elif kind == frames.ABOUT:
                raise WireError("bad-frame", "a second about")

    def leave(self, code, text):
        """Goodbye, FIN, and the other end's bytes until it has closed too."""
        self.send(frames.GOODBYE, frames.encode_goodbye(code, text))
        self._connection.shutdown(1)
        try:
            while True:
                self._receive()
                self._held = b""
        except (WireError, OSError):
            return
