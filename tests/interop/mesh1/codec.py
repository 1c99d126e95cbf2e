"""Varints and the CBOR profile (docs/protocol.md, sections 1.1 and 1.2).

The decoder is written by hand because cbor2 accepts far more than the profile; cbor2 encodes.
"""

import cbor2

INTEGER_MAX = 2**53 - 1
NESTING_MAX = 6
ITEMS_MAX = 65_536
MAP_ENTRIES_MAX = 64


class WireError(Exception):
    """Bytes that break the protocol. `kind` is the error code that the vectors use."""

    def __init__(self, kind, text):
        super().__init__(f"{kind}: {text}")
        self.kind = kind


def write_varint(value):
    if not 0 <= value <= INTEGER_MAX:
        raise ValueError("varint out of range")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data, at):
    """(value, offset behind it), or None when more bytes are needed."""
    value = 0
    for count in range(8):
        if at + count >= len(data):
            return None
        byte = data[at + count]
        value |= (byte & 127) << (7 * count)
        if byte < 128:
            if count > 0 and byte == 0:
                raise WireError("bad-frame", "varint is not in its shortest form")
            if value > INTEGER_MAX:
                raise WireError("bad-frame", "varint above 2^53 - 1")
            return value, at + count + 1
    raise WireError("bad-frame", "varint longer than 8 bytes")


def encode(value):
    """Values of int, bytes, str, list, dict (keys in the order given), bool and None."""
    return cbor2.dumps(value)


def decode(data):
    """The one item that `data` is, or WireError `bad-cbor`."""
    reader = Reader(data)
    value = reader.item()
    reader.finish()
    return value


class Reader:
    """Reads items one after the other; each method raises WireError `bad-cbor` for anything else."""

    def __init__(self, data):
        self.data = data
        self.at = 0
        self.items = 0

    # By position

    def array(self):
        """Enters an array: its count."""
        value = self._expect(4)
        if value > len(self.data) - self.at:
            raise WireError("bad-cbor", "more items than bytes")
        return value

    def integer(self):
        return self._expect(0)

    def byte_string(self):
        return self._take(self._expect(2))

    def text(self):
        return self._utf8(self._expect(3))

    def skip(self, depth):
        """Any item, inside so many arrays."""
        self.items = 0
        self.item(depth)

    def finish(self):
        if self.at != len(self.data):
            raise WireError("bad-cbor", "bytes behind the item")

    # Any item

    def item(self, depth=0):
        self.items += 1
        if self.items > ITEMS_MAX:
            raise WireError("bad-cbor", "too many items")
        major, value = self._head()
        if major == 0:
            return value
        if major == 2:
            return self._take(value)
        if major == 3:
            return self._utf8(value)
        if major == 7:
            return {20: False, 21: True, 22: None}[value]
        if major not in (4, 5):
            raise WireError("bad-cbor", "a negative integer or a tag")
        if depth == NESTING_MAX:
            raise WireError("bad-cbor", "nested too deeply")
        # Every item has at least one byte, so a length beyond the bytes left cannot be true: refuse it before the loop.
        if value * (major - 3) > len(self.data) - self.at:
            raise WireError("bad-cbor", "more items than bytes")
        return self._map(value, depth) if major == 5 else [self.item(depth + 1) for _ in range(value)]

    def _map(self, count, depth):
        if count > MAP_ENTRIES_MAX:
            raise WireError("bad-cbor", "too many entries in a map")
        out = {}
        for _ in range(count):
            key = self.item(depth + 1)
            if isinstance(key, bool) or not isinstance(key, (int, str)):
                raise WireError("bad-cbor", "a map key that is neither integer nor text")
            if key in out:
                raise WireError("bad-cbor", "a map key twice")
            out[key] = self.item(depth + 1)
        return out

    def _expect(self, wanted):
        major, value = self._head()
        if major != wanted:
            raise WireError("bad-cbor", f"major type {major} where {wanted} belongs")
        return value

    def _take(self, length):
        if length > len(self.data) - self.at:
            raise WireError("bad-cbor", "the item ends early")
        part = bytes(self.data[self.at : self.at + length])
        self.at += length
        return part

    def _utf8(self, length):
        try:
            return self._take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            raise WireError("bad-cbor", "text that is not UTF-8") from error

    def _head(self):
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            if first not in (0xF4, 0xF5, 0xF6):
                raise WireError("bad-cbor", "a float, or a simple value outside the profile")
            return major, info
        if info < 24:
            return major, info
        if info > 27:
            raise WireError("bad-cbor", "an indefinite length or a reserved head")
        size = 1 << (info - 24)
        value = int.from_bytes(self._take(size), "big")
        if value < (24 if size == 1 else 1 << (4 * size)):
            raise WireError("bad-cbor", "a head that is not in its shortest form")
        if value > INTEGER_MAX:
            raise WireError("bad-cbor", "an integer above 2^53 - 1")
        return major, value
