"""Streams (docs/protocol.md, section 10): their frames, and what a receiver makes of one after others."""

from .codec import WireError, decode, read_varint

OPEN, DATA, CREDIT, END, RESET, ACCEPT = 0x30, 0x31, 0x32, 0x33, 0x34, 0x35
TYPES = (OPEN, DATA, CREDIT, END, RESET, ACCEPT)
LARGEST = 2**53 - 1


def _number(body, at):
    head = read_varint(body, at)
    if head is None:
        raise WireError("bad-stream", "it ends in a number")
    return head


def read(kind, body):
    """What the frame says, as a dict; or WireError."""
    stream, at = _number(body, 0)
    if stream == 0:
        raise WireError("bad-stream", "stream 0")
    said = {"stream": stream}
    if kind == DATA:
        return {**said, "data": body[at:]}
    if kind in (CREDIT, RESET):
        said["credit" if kind == CREDIT else "code"], at = _number(body, at)
    if kind in (CREDIT, RESET, END):
        if at != len(body):
            raise WireError("bad-stream", "bytes behind the numbers")
        return said
    value = decode(body[at:])
    if not isinstance(value, list) or len(value) < 2 or not _is_number(value[1]):
        raise WireError("bad-stream", "not a pair with a credit")
    first, said["credit"] = value[:2]
    if kind == ACCEPT:
        if not _is_number(first):
            raise WireError("bad-stream", "the index is no number")
        return {**said, "index": first}
    if not isinstance(first, list) or not 1 <= len(first) <= 16:
        raise WireError("bad-stream", "not 1 to 16 names")
    if any(not isinstance(name, str) or not 1 <= len(name.encode()) <= 64 for name in first):
        raise WireError("bad-stream", "a name that is none")
    return {**said, "names": first}


def _is_number(value):
    return isinstance(value, int) and not isinstance(value, bool)


class Receiver:
    """One end that grants each stream `credit` bytes and no more, and says nothing but its answers."""

    def __init__(self, is_dialer, handlers, opens, credit):
        self.parity = 1 if is_dialer else 0
        self.handlers = handlers
        self.credit = credit
        self.highest = {self.parity: 0, 1 - self.parity: 0}
        # By number: the names that wait for an accept (or None), bytes it may send, all credit it gave, whether it has ended.
        self.streams = {}
        for place, names in enumerate(opens):
            number = 2 * place + (1 if is_dialer else 2)
            self.highest[self.parity] = number
            self.streams[number] = {"names": names, "may_send": 0, "given": 0, "ended": False}

    def receive(self, kind, body):
        said = read(kind, body)
        number = said["stream"]
        if kind == OPEN:
            if number % 2 == self.parity or number <= self.highest[number % 2]:
                raise WireError("bad-stream", "a number that is not to be had")
            self.highest[number % 2] = number
            if any(name in self.handlers for name in said["names"]):
                state = {"names": None, "may_send": self.credit, "given": said["credit"], "ended": False}
                self.streams[number] = state
            return
        if number > self.highest[number % 2]:
            raise WireError("bad-stream", "never opened")
        stream = self.streams.get(number)
        if stream is None:
            return
        if kind == RESET:
            del self.streams[number]
        elif kind == ACCEPT:
            if stream["names"] is None or said["index"] >= len(stream["names"]):
                raise WireError("bad-stream", "an accept that does not fit")
            stream.update(names=None, may_send=self.credit, given=said["credit"])
        elif stream["names"] is not None:
            raise WireError("bad-stream", "before the accept")
        elif kind == CREDIT:
            stream["given"] += said["credit"]
            if stream["given"] > LARGEST:
                raise WireError("bad-stream", "too much credit")
        elif stream["ended"]:
            raise WireError("bad-stream", "behind the end")
        elif kind == END:
            stream["ended"] = True
        elif len(said["data"]) > stream["may_send"]:
            raise WireError("bad-stream", "beyond the credit")
        else:
            stream["may_send"] -= len(said["data"])
