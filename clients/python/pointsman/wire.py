"""The wire: messages of proto/wire.proto and frames of docs/WIRE.md, by hand.

Messages are dictionaries; fields that hold their default are not sent and come back
as the default. Only what the route socket needs: no maps, no oneof, no groups.
clients/golden/frames.json has bytes that every client must make and read.
"""

import struct

HEADER = struct.Struct("<IBBHQ")  # length, version, kind, flags, correlation id
VERSION = 1
ERROR_KIND = 255

_DOUBLE = struct.Struct("<d")
_FIXED64 = struct.Struct("<Q")

# Field number -> (name, type). Types: "str", "bytes", "double", "bool", "uint",
# "int64", "fixed64", "floats" (packed), "uints" (packed), "names" (repeated str), or
# a message: ("one", M) and ("many", M).
NAMED_WEIGHT = {1: ("number", "uint"), 2: ("name", "str"), 3: ("weight", "double")}
WEIGHTS = {1: ("quality", "double"), 2: ("cost", "double")}
RANKED = {
    1: ("name", "str"),
    2: ("quality", "double"),
    3: ("quality_deviation", "double"),
    4: ("cost_usd", "double"),
    5: ("utility", "double"),
    6: ("probability", "double"),
}
ROUTE = {
    1: ("text", "str"),
    2: ("embedding", "floats"),
    3: ("preset", "str"),
    4: ("weights", ("one", WEIGHTS)),
    5: ("allowed", "names"),
    6: ("cost_cap_usd", "double"),
    7: ("quality_floor", "double"),
    8: ("tokens_in", "uint"),
    9: ("no_explore", "bool"),
    10: ("tenant", "str"),
    11: ("explain", "uint"),
    12: ("candidates_max", "uint"),
    13: ("latency_cap_ms", "double"),
    14: ("incumbent", "str"),
    15: ("switch_cost", "double"),
    16: ("observed", "str"),
}
ROUTE_REPLY = {
    1: ("token", "bytes"),
    2: ("model", "str"),
    3: ("model_epoch", "uint"),
    4: ("propensity", "double"),
    5: ("ranked", ("many", RANKED)),
    6: ("gold_wanted", "bool"),
    7: ("gold_probability", "double"),
    8: ("audit", "bool"),
    9: ("forced", "bool"),
    10: ("generation", "uint"),
    11: ("durability", "uint"),
    12: ("clusters", ("many", NAMED_WEIGHT)),
    13: ("tasks", ("many", NAMED_WEIGHT)),
    14: ("expires_at_us", "int64"),
    15: ("observed", "bool"),
    16: ("advised", "str"),
    17: ("followed", "bool"),
}
ERROR = {
    1: ("code", "uint"),
    2: ("reason", "str"),
    3: ("message", "str"),
    4: ("retry", "uint"),
    5: ("retry_after_ms", "uint"),
}
ROUTE_BATCH = {1: ("routes", ("many", ROUTE))}
BATCH_ITEM = {1: ("reply", ("one", ROUTE_REPLY)), 2: ("error", ("one", ERROR))}
ROUTE_BATCH_REPLY = {1: ("items", ("many", BATCH_ITEM))}
OUTCOME = {
    1: ("token", "bytes"),
    2: ("tokens_in", "uint"),
    3: ("tokens_out", "uint"),
    4: ("latency_ms", "double"),
    5: ("failed", "bool"),
    6: ("verdict", "uint"),
    7: ("cost_usd", "double?"),
    8: ("revision", "uint"),
    9: ("tenant", "str"),
}
RATE = {
    1: ("token", "bytes"),
    2: ("source", "str"),
    3: ("value", "double"),
    4: ("subject", "str"),
    5: ("revision", "uint"),
    6: ("tenant", "str"),
}
PREFER = {
    1: ("winner", "bytes"),
    2: ("loser", "bytes"),
    3: ("tie", "bool"),
    4: ("source", "str"),
    5: ("subject", "str"),
    6: ("revision", "uint"),
    7: ("tenant", "str"),
}
GOLD = {1: ("token", "bytes"), 2: ("value", "double"), 3: ("revision", "uint"), 4: ("tenant", "str")}
RETRACT = {
    1: ("token", "bytes"),
    2: ("source", "str"),
    3: ("subject", "str"),
    4: ("revision", "uint"),
    5: ("tenant", "str"),
}
ACK = {1: ("code", "uint"), 2: ("sequence", "uint"), 3: ("durability", "uint")}
STATUS = {}
STATUS_REPLY = {
    1: ("version", "str"),
    2: ("generation", "uint"),
    3: ("bundle", "str"),
    4: ("last_sequence", "uint"),
    5: ("synced_sequence", "uint"),
    6: ("learned_sequence", "uint"),
    7: ("state_hash", "fixed64"),
    8: ("models", "uint"),
    9: ("clusters", "uint"),
    10: ("decisions", "uint"),
    11: ("outcomes", "uint"),
    12: ("ratings", "uint"),
    13: ("gold", "uint"),
    14: ("preferences", "uint"),
    15: ("frozen", "bool"),
    16: ("embedder", "str"),
    17: ("dimension", "uint"),
    18: ("refused", "uint"),
    19: ("uptime_seconds", "double"),
}
PING = {1: ("payload", "bytes")}
VOTE_ANSWER = {1: ("text", "str"), 2: ("model", "str"), 3: ("confidence", "double?")}
VOTE = {
    1: ("token", "bytes"),
    2: ("answers", ("many", VOTE_ANSWER)),
    3: ("kind", "str"),
    4: ("tenant", "str"),
}
VOTE_GROUP = {1: ("answers", "uints")}
VOTE_REPLY = {
    1: ("chosen", "uint"),
    2: ("answer", "str"),
    3: ("model", "str"),
    4: ("agreement", "double"),
    5: ("escalate", "bool"),
    6: ("groups", ("many", VOTE_GROUP)),
    7: ("kind", "str"),
}

# Name of a request -> (kind, its fields, fields of the reply).
REQUESTS = {
    "Route": (1, ROUTE, ROUTE_REPLY),
    "RouteBatch": (2, ROUTE_BATCH, ROUTE_BATCH_REPLY),
    "Outcome": (3, OUTCOME, ACK),
    "Rate": (4, RATE, ACK),
    "Prefer": (5, PREFER, ACK),
    "Gold": (6, GOLD, ACK),
    "Retract": (7, RETRACT, ACK),
    "Status": (8, STATUS, STATUS_REPLY),
    "Ping": (9, PING, PING),
    "Vote": (10, VOTE, VOTE_REPLY),
}


def _varint(value):
    if value < 128:
        return bytes((value,))
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _sized(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _encode_field(number, kind, value):
    if kind == "str":
        return _sized(number, value.encode()) if value else b""
    if kind == "bytes":
        return _sized(number, value) if value else b""
    if kind == "double" or kind == "double?":
        if value is None or (kind == "double" and value == 0):
            return b""
        return _varint(number << 3 | 1) + _DOUBLE.pack(value)
    if kind == "fixed64":
        return _varint(number << 3 | 1) + _FIXED64.pack(value) if value else b""
    if kind in ("uint", "bool", "int64"):
        return _varint(number << 3) + _varint(int(value) & (2**64 - 1)) if value else b""
    if kind == "floats":
        return _sized(number, struct.pack("<%df" % len(value), *value)) if value else b""
    if kind == "uints":
        return _sized(number, b"".join(map(_varint, value))) if value else b""
    if kind == "names":
        return b"".join(_sized(number, name.encode()) for name in value)
    repeated, inner = kind
    if repeated == "one":
        return _sized(number, encode(inner, value)) if value is not None else b""
    return b"".join(_sized(number, encode(inner, item)) for item in value)


def encode(fields, message):
    """The bytes of `message`, a dictionary; fields in the order of their numbers."""
    return b"".join(
        [_encode_field(number, kind, message[name]) for number, (name, kind) in fields.items() if name in message]
    )


def _default(kind):
    if isinstance(kind, tuple):
        return [] if kind[0] == "many" else None
    return {
        "str": "",
        "bytes": b"",
        "double": 0.0,
        "double?": None,
        "bool": False,
        "floats": [],
        "uints": [],
        "names": [],
    }.get(kind, 0)


def _read_varint(data, at):
    value = data[at]
    at += 1
    if value < 128:
        return value, at
    value &= 127
    shift = 7
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


def _decode_sized(kind, data, message, name):
    if kind == "str":
        message[name] = data.decode()
    elif kind == "bytes":
        message[name] = data
    elif kind == "floats":
        message[name] = list(struct.unpack("<%df" % (len(data) // 4), data))
    elif kind == "uints":
        at = 0
        values = message.setdefault(name, [])
        while at < len(data):
            value, at = _read_varint(data, at)
            values.append(value)
    elif kind == "names":
        message.setdefault(name, []).append(data.decode())
    elif kind[0] == "one":
        message[name] = _decode(kind[1], data)
    else:
        message.setdefault(name, []).append(_decode(kind[1], data))


def decode(fields, data):
    """The dictionary that `data` holds, with every known field; unknown ones are passed
    over. Raises ValueError when the bytes are no message."""
    try:
        return _decode(fields, data)
    except (IndexError, struct.error) as error:
        raise ValueError("the bytes are no message: %s" % error) from None


def _decode(fields, data):
    message = {}
    at = 0
    end = len(data)
    while at < end:
        tag = data[at]
        at += 1
        if tag > 127:
            tag, at = _read_varint(data, at - 1)
        name, kind = fields.get(tag >> 3, (None, None))
        shape = tag & 7
        if shape == 2:
            size = data[at]
            at += 1
            if size > 127:
                size, at = _read_varint(data, at - 1)
            if at + size > end:
                raise ValueError("a field runs past the end of the message")
            if name is not None:
                _decode_sized(kind, data[at : at + size], message, name)
            at += size
        elif shape == 1:
            if name is not None:
                unpack = _FIXED64 if kind == "fixed64" else _DOUBLE
                message[name] = unpack.unpack_from(data, at)[0]
            at += 8
        elif shape == 0:
            value, at = _read_varint(data, at)
            if kind == "bool":
                value = value != 0
            elif kind == "int64" and value >= 2**63:
                value -= 2**64
            if name is not None:
                message[name] = value
        elif shape == 5:
            at += 4
        else:
            raise ValueError("a field has an unknown shape")
    for name, kind in fields.values():
        if name not in message:
            message[name] = _default(kind)
    return message


def frame(kind, correlation, payload):
    return HEADER.pack(len(payload), VERSION, kind, 0, correlation) + payload
