"""HTTP/2 in clear text, with prior knowledge: uploads by curl, nghttp and h2load, and the frames themselves.

What must be seen (RFC 9113 §8.1): the answer ends with END_STREAM whatever the body does; a body that stops coming is ended
by `RST_STREAM(NO_ERROR)`; and the connection serves the next stream. When the reset comes matters to real clients: curl 7.88
loses an answer that the reset follows at once, and waits for ever without one; a client that writes everything before it reads
needs credit to its end.
"""

import os
import re
import signal
import struct
import time

from lib import SIZES, Fail, Skip, case
from programs import node, run, upload


def h2_curl(size):
    """One upload each: curl 7.88 fails on any second request of a connection that it opened with prior knowledge."""

    def ask(world):
        said = ["-sS", "-o", os.devnull, "-w", "%{http_code} %{http_version} %{redirect_url}"]
        for how in (["-T", world.file(SIZES[size])], ["--data-binary", "@" + world.file(SIZES[size])]):
            done = run(["curl", "--http2-prior-knowledge", *said, "-X", "POST", "-H", "Expect:", *how, world.url("/upload/a")], 30)
            if done.returncode or done.stdout != "307 2 https://t.test/upload/a":
                raise Fail(f"{how[0]}: exit {done.returncode}: {done.stdout} {done.stderr.strip()}")

    return ask


for _size in ("1B", "20MiB", "100MiB"):
    case(f"h2/curl-{_size}")(h2_curl(_size))


for _size in ("1B", "4MiB"):
    case(f"h2/node-{_size}")(upload("node", node("http2"), _size))


@case("h2/nghttp")
def nghttp(world):
    done = run(["nghttp", "-v", "-d", world.file(4 << 20), world.url("/upload/a")], 30)
    if not re.search(r":status: 307", done.stdout):
        raise Fail(f"exit {done.returncode}: {done.stdout[-200:]}")
    found = re.search(r"recv RST_STREAM.*\n\s*\(error_code=(\w+)", done.stdout)
    if found and found[1] != "NO_ERROR":
        raise Fail(f"RST_STREAM({found[1]})")


def h2load(name, requests, streams, size):
    @case(f"h2/h2load-{name}")
    def ask(world):
        body = ["-d", world.file(size)] if size else []
        done = run(["h2load", "-n", str(requests), "-c", "2", "-m", str(streams), *body, world.url("/upload/a")], 60)
        found = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx", done.stdout)
        if not found or int(found[2]) != requests:
            lines = [line for line in done.stdout.splitlines() if re.match(r"requests:|status codes:", line)]
            raise Fail(f"exit {done.returncode}: {' '.join(lines) or done.stderr.strip()[:200]}")


h2load("get", 2000, 20, 0)
h2load("1B", 2000, 20, 1)
h2load("64KiB", 500, 10, 64 << 10)
h2load("1MiB", 100, 10, 1 << 20)


# --- frames by hand ----------------------------------------------------------------------------------------------------------

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
DIGITS = {format(n, "05b"): str(n) for n in range(3)} | {format(0b011001 + n - 3, "06b"): str(n) for n in range(3, 10)}


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(fields):
    """HPACK without a table and without Huffman: every field a literal, never indexed."""
    out = b""
    for name, value in fields:
        out += b"\x10"
        for text in (name.encode("latin-1"), value.encode("latin-1")):
            assert len(text) < 127
            out += bytes([len(text)]) + text
    return out


def status_of(block):
    """:status out of the first field of a first answer, where no dynamic table is in play."""
    while block and block[0] & 0xE0 == 0x20:  # a table size update
        block = block[1:]
    first = block[0]
    if first & 0x80:
        return {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}.get(first & 0x7F)
    index, at = (first & 0x3F, 1) if first & 0x40 else (first & 0x0F, 1)
    if index not in range(8, 15):
        raise Fail(f"the first field of the answer is not :status ({block[:4].hex()})")
    length, text = block[at] & 0x7F, block[at + 1 : at + 1 + (block[at] & 0x7F)]
    if not block[at] & 0x80:
        return int(text)
    bits, word, out = "".join(format(b, "08b") for b in text), "", ""
    for bit in bits:
        word += bit
        if word in DIGITS:
            out, word = out + DIGITS[word], ""
    if len(out) != 3:
        raise Fail(f":status cannot be read from {text.hex()} ({length} bytes)")
    return int(out)


class H2:
    def __init__(self, wire, window=65535):
        self.wire = wire
        wire.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window)))

    def ask(self, stream, fields, end=True):
        self.wire.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, literal(fields)))

    def frames(self, seconds, first=False):
        """Every frame until the server ends, or that long; with `first`, no longer than until one is there."""
        end, seen = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            while len(self.wire.held) >= 9 and len(self.wire.held) >= 9 + (size := int.from_bytes(self.wire.held[:3], "big")):
                kind, flags = self.wire.held[3], self.wire.held[4]
                stream = int.from_bytes(self.wire.held[5:9], "big") & 0x7FFFFFFF
                payload, self.wire.held = self.wire.held[9 : 9 + size], self.wire.held[9 + size :]
                seen.append((kind, flags, stream, payload))
                if kind == SETTINGS and not flags & ACK:
                    self.wire.send(frame(SETTINGS, ACK, 0))
            if first and seen:
                break
            self.wire.sock.settimeout(left)
            try:
                if not self.wire.more():
                    break
            except TimeoutError:
                break
            except ConnectionError:
                break
        return seen

    def until(self, stream, seconds=10):
        """Every frame until that stream is answered or reset, or the connection given up."""
        end, seen = time.monotonic() + seconds, []
        while (left := end - time.monotonic()) > 0:
            got = self.frames(left, first=True)
            seen += got
            over = any(at == stream and (kind == RST or flags & END_STREAM) for kind, flags, at, _ in got)
            if not got or over or any(kind == GOAWAY for kind, *_ in got):
                break
        return seen


def request(method="POST", path="/upload/a", authority="a.test", scheme="http", more=()):
    return [(":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *more]


def answer_on(frames, stream):
    """The status on that stream; None if it was reset, the connection given up, or nothing said."""
    for kind, _, at, payload in frames:
        if kind == HEADERS and at == stream:
            return status_of(payload)
    return None


@case("h2/early-answer-frames")
def early(world):
    with world.wire() as wire:
        h2 = H2(wire)
        h2.ask(1, request(), end=False)
        frames = h2.until(1)
        if (status := answer_on(frames, 1)) != 307:
            raise Fail(f"{status or 'no answer'} before the body")
        if not any(kind in (DATA, HEADERS) and flags & END_STREAM and at == 1 for kind, flags, at, _ in frames):
            raise Fail("the answer does not end its stream")
        end = time.monotonic() + 20
        while not any(kind == RST for kind, *_ in frames) and time.monotonic() < end:
            frames += h2.frames(1, first=True)
        resets = [payload for kind, _, at, payload in frames if kind == RST and at == 1]
        if resets != [bytes(4)]:
            raise Fail(f"not one RST_STREAM(NO_ERROR) within 20 s of silence: {[p.hex() for p in resets]}")
        # What was on its way already is no error of the connection, and the next stream is served.
        wire.send(frame(DATA, 0, 1, bytes(8000)) + frame(DATA, END_STREAM, 1, bytes(8000)))
        h2.ask(3, request("GET", "/old"))
        frames = h2.until(3)
        if any(kind == GOAWAY for kind, *_ in frames):
            raise Fail("GOAWAY after data that was already on its way")
        if not any(kind == HEADERS and at == 3 for kind, _, at, _ in frames):
            raise Fail("the next stream got no answer")


@case("h2/credit-of-the-connection-comes-back")
def credit(world):
    """Forty uploads of 16,000 bytes, each cut short by its answer, are ten times the connection's first window."""
    with world.wire() as wire:
        h2 = H2(wire)
        window, seen = 65535, 0
        for turn in range(40):
            stream = 1 + 2 * turn
            h2.ask(stream, request(), end=False)
            if window < 16000:
                raise Fail(f"no credit left for upload {turn + 1}: what was thrown away was not given back")
            wire.send(frame(DATA, 0, stream, bytes(16000)))
            window -= 16000
            end = time.monotonic() + 10
            while (seen <= turn or window < 16000) and time.monotonic() < end:
                for kind, _, at, payload in h2.frames(1, first=True):
                    if kind == WINDOW and at == 0:
                        window += int.from_bytes(payload, "big")
                    if kind == HEADERS and at == stream:
                        seen += 1
        if seen != 40:
            raise Fail(f"{seen} of 40 were answered")


class Writer:
    """A client that, while it writes a body on stream 1, minds nothing but its credit (httpx)."""

    def __init__(self, wire, size):
        self.h2, self.wire, self.left = H2(wire), wire, size
        self.credit, self.seen = {0: 65535, 1: 65535}, []
        self.h2.ask(1, request(), end=False)

    def write(self, most):
        """As much as there is credit for, and no more than that; how much it was."""
        written = 0
        while size := min(self.left, 16384, most - written, *self.credit.values()):
            self.left -= size
            written += size
            self.credit = {at: c - size for at, c in self.credit.items()}
            self.wire.send(frame(DATA, 0 if self.left else END_STREAM, 1, bytes(size)))
        return written

    def read(self, seconds):
        """What has come, or comes first within that time."""
        got = self.h2.frames(seconds, first=True)
        for kind, flags, at, payload in got:
            if kind == SETTINGS and not flags & ACK:
                for n in range(0, len(payload), 6):
                    if payload[n : n + 2] == b"\0\4":
                        self.credit[1] += int.from_bytes(payload[n + 2 : n + 6], "big") - 65535
            if kind == WINDOW and at in self.credit:
                self.credit[at] += int.from_bytes(payload, "big")
            if kind == RST and at == 1:
                raise Fail(f"reset ({payload.hex()}) with {self.left} bytes of the body to come: such a client loses its answer")
            if kind == GOAWAY:
                raise Fail(f"GOAWAY with {self.left} bytes of the body to come")
        self.seen += got
        return got

    def to_the_end(self):
        while self.left:
            if not self.write(self.left) and not self.read(30):
                raise Fail(f"30 s without credit for the last {self.left} bytes: such a client waits for ever")
        end = time.monotonic() + 30
        while answer_on(self.seen, 1) is None and time.monotonic() < end:
            self.read(1)
        if (status := answer_on(self.seen, 1)) != 307:
            raise Fail(f"{status or 'no answer'} after the body")


@case("h2/writes-first-reads-later")
def writes_first(world):
    with world.wire() as wire:
        Writer(wire, 4 << 20).to_the_end()


@case("h2/writer-that-pauses")
def writer_pauses(world):
    """A client, or the network before it, may stand still for a second and a half."""
    with world.wire() as wire:
        writer = Writer(wire, 1 << 20)
        while writer.left > 512 << 10:
            writer.write(16384) or writer.read(30)
        time.sleep(1.5)
        writer.to_the_end()


@case("h2/server-that-was-not-let-run")
def server_asleep(world):
    """A machine that slept has read nothing for longer than any stall; what came meanwhile counts all the same."""
    if not world.server:
        raise Skip("--serve: only a server of our own can be stopped")
    with world.wire() as wire:
        writer = Writer(wire, 1 << 20)
        while writer.left > 512 << 10:
            writer.write(16384) or writer.read(30)
        time.sleep(0.1)  # all is read that was sent: from here on the server waits
        os.kill(world.server.pid, signal.SIGSTOP)
        try:
            time.sleep(0.1)
            writer.write(16384) or writer.read(0.1)
            time.sleep(3)
        finally:
            os.kill(world.server.pid, signal.SIGCONT)
        writer.to_the_end()


@case("h2/beside-what-a-broken-connection-left")
def beside_broken(world):
    """More streams than may linger for one address, gone with their connection: the next client does not pay for them."""
    for _ in range(10):
        with world.wire() as wire:
            h2 = H2(wire)
            count, answered, end = world.options.per_address + 4, 0, time.monotonic() + 30
            for turn in range(count):
                h2.ask(1 + 2 * turn, request(), end=False)
            while answered < count and time.monotonic() < end:
                answered += sum(kind == HEADERS for kind, *_ in h2.frames(1, first=True))
            if answered < count:
                raise Fail(f"{answered} of {count} streams were answered")
        with world.wire() as wire:
            Writer(wire, 256 << 10).to_the_end()


# name, fields, statuses that are right; None: the stream reset or the connection given up
BAD = {400, None}
MALFORMED = [
    ("userinfo", request("GET", "/old", "u:p@a.test"), BAD),
    # The library that reads HTTP/2 drops a fragment before anyone can refuse it; it must not come back in a Location.
    ("fragment", request("GET", "/old#x"), BAD | {307}),
    ("path-without-slash", request("GET", "old"), BAD),
    ("path-empty", request("GET", ""), BAD),
    ("path-with-space", request("GET", "/old x"), BAD),
    ("path-not-ascii", request("GET", "/\xf6ld"), BAD),
    ("no-authority", [(":method", "GET"), (":scheme", "http"), (":path", "/old")], BAD),
    ("host-differs", request("GET", "/old", more=[("host", "b.test")]), BAD),
    ("two-hosts", request("GET", "/old", more=[("host", "a.test"), ("host", "a.test")]), BAD | {307}),
    ("connect", [(":method", "CONNECT"), (":authority", "a.test:443")], {400, 404, 405, 501, None}),
    ("asterisk-get", request("GET", "*"), BAD),
    ("upper-case-name", request("GET", "/old", more=[("X-Y", "z")]), BAD),
    ("connection-field", request("GET", "/old", more=[("connection", "close")]), BAD),
    ("transfer-encoding", request("GET", "/old", more=[("transfer-encoding", "chunked")]), BAD),
    ("line-end-in-value", request("GET", "/old", more=[("x", "a\r\nb: c")]), BAD),
    ("length-of-nothing", request("POST", "/old", more=[("content-length", "5")]), BAD | {307}),
]


def h2_malformed(fields, right):
    def ask(world):
        with world.wire() as wire:
            h2 = H2(wire)
            h2.ask(1, fields)
            status = answer_on(h2.until(1), 1)
            if status not in right:
                words = ", ".join("a reset" if s is None else str(s) for s in sorted(right, key=lambda s: s or 0))
                raise Fail(f"{status or 'a reset'} instead of {words}")
        with world.wire() as wire:
            h2 = H2(wire)
            h2.ask(1, request("GET", "/old"))
            if answer_on(h2.until(1), 1) != 307:
                raise Fail("and now the server no longer answers")

    return ask


for _name, _fields, _right in MALFORMED:
    case(f"h2-malformed/{_name}")(h2_malformed(_fields, _right))
