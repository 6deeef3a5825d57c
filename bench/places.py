"""A made-up database of places with the shape of a real one, so that looking an address up costs what it costs in life.

The tree is as deep and as bushy as that of a free database of countries (some hundred thousand networks, IPv4 below ::/96), and
a record holds what such records hold: country, registered country and continent, with names in eight languages. Who is where is
drawn. The format is MaxMind DB 2.0.
"""

import os
import random
import struct

COUNTRIES = {"DE": "EU", "FR": "EU", "AT": "EU", "PL": "EU", "IT": "EU", "ES": "EU", "US": "NA", "CA": "NA", "BR": "SA", "JP": "AS",
             "IN": "AS", "AU": "OC"}
LANGUAGES = ("de", "en", "es", "fr", "ja", "pt-BR", "ru", "zh-CN")
ALWAYS, NEVER, OFTEN = 14, 24, 0.6  # networks are split down to /14, never below /24, and in between this often
SEED = 307
BUILT = 1_700_000_000


def database(folder):
    """The file, written once."""
    path = os.path.join(folder, "places.mmdb")
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        with open(path + ".part", "wb") as f:
            f.write(mmdb())
        os.rename(path + ".part", path)
    return path


def mmdb():
    draw, records, data = random.Random(SEED), [], bytearray()
    for number, (country, continent) in enumerate(COUNTRIES.items()):
        records.append(len(data))
        data += encoded(record(number, country, continent))
    nodes = [[number + 1, None] for number in range(96)]  # the way down to ::/96, where IPv4 is
    for node in nodes:
        node[1] = EMPTY
    waiting = [(95, 0, 0)]  # a node, which of its sides, and how many bits are decided below it
    while waiting:
        node, side, depth = waiting.pop()
        if depth < ALWAYS or depth < NEVER and draw.random() < OFTEN:
            nodes.append([None, None])
            nodes[node][side] = len(nodes) - 1
            waiting += [(len(nodes) - 1, 1, depth + 1), (len(nodes) - 1, 0, depth + 1)]
        else:
            nodes[node][side] = ~draw.randrange(len(records))
    count = len(nodes)

    def pointer(side):
        if side is EMPTY:
            return count.to_bytes(3, "big")
        return (side if side >= 0 else count + 16 + records[~side]).to_bytes(3, "big")

    tree = b"".join(pointer(left) + pointer(right) for left, right in nodes)
    about = {"binary_format_major_version": Small(2), "binary_format_minor_version": Small(0), "build_epoch": Big(BUILT),
             "database_type": "Byway-Bench-Country", "description": {"en": "made up, for benchmarks"}, "ip_version": Small(6),
             "languages": list(LANGUAGES), "node_count": count, "record_size": Small(24)}
    return tree + bytes(16) + bytes(data) + b"\xab\xcd\xefMaxMind.com" + encoded(about)


EMPTY = object()


class Small(int):
    """A number of 16 bits."""


class Big(int):
    """A number of 64 bits."""


def record(number, country, continent):
    names = {language: f"{country} in {language}, as people call it" for language in LANGUAGES}
    place = {"geoname_id": 2_000_000 + number, "iso_code": country, "names": names}
    return {"continent": {"code": continent, "geoname_id": 6_255_148, "names": names}, "country": place, "registered_country": place}


def encoded(value):
    if isinstance(value, dict):
        return head(7, len(value)) + b"".join(encoded(key) + encoded(one) for key, one in value.items())
    if isinstance(value, list):
        return head(11, len(value)) + b"".join(map(encoded, value))
    if isinstance(value, str):
        return head(2, len(value.encode())) + value.encode()
    if isinstance(value, Small):
        return head(5, 2) + struct.pack(">H", value)
    if isinstance(value, Big):
        return head(9, 8) + struct.pack(">Q", value)
    return head(6, 4) + struct.pack(">I", value)


def head(kind, size):
    """The control byte of a field: three bits of kind, five of size, and what does not fit behind it."""
    extended = bytes([kind - 7]) if kind > 7 else b""
    bits = 0 if kind > 7 else kind
    if size < 29:
        return bytes([bits << 5 | size]) + extended
    assert size < 29 + 256, "made-up records are short"
    return bytes([bits << 5 | 29]) + extended + bytes([size - 29])
