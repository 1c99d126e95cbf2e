"""What nodes say of themselves on $mesh/node (docs/protocol.md, section 12.4)."""

from .codec import WireError, decode


def decode_node_payload(payload):
    """A dict of name, agent, record (or None), neighbours, started_at and count; None for a payload that says nothing."""
    if len(payload) > 8_192:
        return None
    try:
        value = decode(payload)
    except WireError:
        return None
    if not isinstance(value, dict):
        return None
    name, agent, started_at = value.get(1, ""), value.get(2, ""), value.get(5, 0)
    if any(not isinstance(text, str) or len(text.encode()) > 64 for text in (name, agent)):
        return None
    if 3 in value and not (isinstance(value[3], bytes) and 0 < len(value[3]) <= 2_560):
        return None
    neighbours = value.get(4, [])
    if not isinstance(neighbours, list) or len(neighbours) > 128:
        return None
    if any(not isinstance(key, bytes) or len(key) != 32 for key in neighbours):
        return None
    count = value.get(6, len(neighbours))
    if type(started_at) is not int or type(count) is not int or count < len(neighbours):
        return None
    return {
        "name": name,
        "agent": agent,
        "record": value.get(3),
        "neighbours": neighbours,
        "started_at": started_at,
        "count": count,
    }
