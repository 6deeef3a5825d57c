"""Requests written by hand: what a well-formed request may look like on the wire, and what becomes of a body nobody wants.

Groups: `raw` (framing and connections), `expect`, `head` (what every redirect says), `linger` (slow, stalled and many senders).
"""

import re
import socket
import struct
import threading
import time

from lib import Fail, Skip, case, redirect

GET = b"GET /old HTTP/1.1\r\nHost: a.test\r\n\r\n"


def post(length, extra=b"", path=b"/upload/a"):
    return b"POST %s HTTP/1.1\r\nHost: a.test\r\nContent-Length: %d\r\n%s\r\n" % (path, length, extra)


CHUNKED = b"POST /upload/a HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n"
UPLOADED = "https://t.test/upload/a"


def then_next(wire):
    """The connection is good for another request."""
    wire.send(GET)
    redirect(wire.answer(), "/new")


def next_or_closed(wire, answer):
    """Kept, and good for another request; or announced as closed, and closed in order."""
    if answer.closes():
        wire.ends(10)
    else:
        then_next(wire)


# --- raw ---------------------------------------------------------------------------------------------------------------------


@case("raw/get-100-times")
def many(world):
    with world.wire() as wire:
        for _ in range(100):
            then_next(wire)


@case("raw/http10")
def http10(world):
    with world.wire() as wire:
        wire.send(b"POST /upload/a HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello")
        answer = redirect(wire.answer(), UPLOADED)
        if answer.all("transfer-encoding"):
            raise Fail("chunked, to HTTP/1.0")
        wire.ends(10)


@case("raw/http10-get-without-host")
def http10_get(world):
    with world.wire() as wire:
        wire.send(b"GET /old HTTP/1.0\r\n\r\n")
        redirect(wire.answer(), "/new")
        wire.ends(10)


@case("raw/http10-keep-alive")
def http10_kept(world):
    with world.wire() as wire:
        for _ in range(2):
            wire.send(b"GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = redirect(wire.answer(), "/new")
            if "keep-alive" not in ",".join(answer.all("connection")).lower():
                return wire.ends(10)  # not keeping it is a server's right, if it then closes


@case("raw/connection-close")
def asked_to_close(world):
    with world.wire() as wire:
        wire.send(b"GET /old HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        if not redirect(wire.answer(), "/new").closes():
            raise Fail("asked to close, the answer does not say that it will")
        wire.ends(10)


@case("raw/pipelined-post-get")
def pipelined(world):
    with world.wire() as wire:
        wire.send(post(5) + b"hello" + GET + post(0) + GET)
        for location in (UPLOADED, "/new", UPLOADED, "/new"):
            redirect(wire.answer(), location)


@case("raw/pipelined-large-body")
def pipelined_large(world):
    with world.wire() as wire:
        sender = threading.Thread(target=wire.send, args=(post(1 << 20) + bytes(1 << 20) + GET,), daemon=True)
        sender.start()
        redirect(wire.answer(), UPLOADED)
        redirect(wire.answer(), "/new")


@case("raw/body-that-looks-like-a-request")
def looks_like(world):
    with world.wire() as wire:
        wire.send(post(len(GET)) + GET)
        redirect(wire.answer(), UPLOADED)
        if not wire.quiet(0.5):
            raise Fail("the body was answered as a request")


@case("raw/chunked-then-next")
def chunked(world):
    with world.wire() as wire:
        wire.send(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
        next_or_closed(wire, redirect(wire.answer(), UPLOADED))


@case("raw/chunked-pipelined")
def chunked_pipelined(world):
    with world.wire() as wire:
        wire.send(CHUNKED + b"5;a=b;c=\"d\"\r\nhello\r\n000A\r\n0123456789\r\n0\r\nX-Trailer: yes\r\n\r\n" + GET)
        redirect(wire.answer(), UPLOADED)
        redirect(wire.answer(), "/new")


@case("raw/chunked-later")
def chunked_later(world):
    with world.wire() as wire:
        wire.send(CHUNKED)
        answer = redirect(wire.answer(), UPLOADED)
        for piece in (b"5", b"\r", b"\nhel", b"lo\r\n", b"0\r\n", b"\r\n"):
            time.sleep(0.05)
            wire.send(piece)
        next_or_closed(wire, answer)


@case("raw/chunked-broken")
def chunked_broken(world):
    with world.wire() as wire:
        wire.send(CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n" + GET)
        said, ended = wire.rest(10)
        if said.count(b"HTTP/1.1 ") > 1 or not ended:
            raise Fail("a request was read after a body whose end nobody can know" if ended else "left open")


@case("raw/head-in-single-bytes")
def bytewise(world):
    with world.wire() as wire:
        for at in range(len(GET)):
            wire.send(GET[at : at + 1])
        redirect(wire.answer(), "/new")


@case("raw/empty-line-before")
def empty_line(world):
    with world.wire() as wire:
        wire.send(b"\r\n" + GET)
        redirect(wire.answer(), "/new")


@case("raw/client-half-closes")
def half_closes(world):
    for request, location in ((GET, "/new"), (post(5) + b"hello", UPLOADED)):
        with world.wire() as wire:
            wire.send(request)
            wire.sock.shutdown(socket.SHUT_WR)
            redirect(wire.answer(), location)
            wire.ends(10)


@case("raw/client-vanishes")
def vanishes(world):
    for _ in range(20):
        with world.wire() as wire:
            wire.send(post(1 << 20) + bytes(1000))
    world.lives()


@case("raw/client-resets")
def resets(world):
    for _ in range(20):
        with world.wire() as wire:
            wire.send(post(1 << 20) + bytes(1000))
            wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    world.lives()


@case("raw/upgrade-is-not-taken")
def upgrade(world):
    with world.wire() as wire:
        wire.send(GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
        redirect(wire.answer(), "/new")


@case("raw/absolute-form")
def absolute(world):
    by_host = "https://shop.test/by-host"
    rows = [(b"http://shop.test/hosted", by_host), (b"http://SHOP.test:80/hosted", by_host), (b"http://other.test/old", "/new")]
    for target, location in rows:
        with world.wire() as wire:
            wire.send(b"GET %s HTTP/1.1\r\nHost: other.test\r\n\r\n" % target)
            redirect(wire.answer(), location)


@case("raw/slashes-choose-no-host")
def slashes(world):
    for path in (b"/rel//evil.test/a", b"/rel///evil.test/a", b"/rel/%5Cevil.test", b"/rel/%2F%2Fevil.test"):
        with world.wire() as wire:
            wire.send(b"GET %s HTTP/1.1\r\nHost: a.test\r\n\r\n" % path)
            answer = wire.answer()
            if answer.status == 307 and re.match(r"/[/\\]|[^/]", answer.one("location")):
                raise Fail(f"{path!r} was sent to {answer.one('location')!r}")


# --- head --------------------------------------------------------------------------------------------------------------------


@case("head/fields")
def fields(world):
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "PROPFIND"):
        for path, status, cache in (("/old", 307, "no-store"), ("/moved", 308, "max-age=3600")):
            with world.wire() as wire:
                length = b"Content-Length: 0\r\n" if method in ("POST", "PUT", "PATCH") else b""
                wire.send(f"{method} {path} HTTP/1.1\r\nHost: a.test\r\n".encode() + length + b"\r\n")
                answer = redirect(wire.answer(method), "/new", status)
                if not re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.one("date")):
                    raise Fail(f"Date: {answer.one('date')}")
                if cache not in answer.one("cache-control"):
                    raise Fail(f"Cache-Control of a {status}: {answer.one('cache-control')}")
                if method != "HEAD" and int(answer.one("content-length")) != len(answer.body):
                    raise Fail("Content-Length is not the body's")
                if answer.all("transfer-encoding"):
                    raise Fail("Content-Length and Transfer-Encoding")
                if answer.body and not answer.all("content-type"):
                    raise Fail("a body without Content-Type")
                then_next(wire)  # so that a body after HEAD, or one byte too many, shows


@case("head/head-says-what-get-says")
def head_is_get(world):
    heads = []
    for method in ("GET", "HEAD"):
        with world.wire() as wire:
            wire.send(f"{method} /old HTTP/1.1\r\nHost: a.test\r\n\r\n".encode())
            answer = redirect(wire.answer(method), "/new")
            heads.append({(k.lower(), v) for k, v in answer.fields if k.lower() != "date"})
            if not wire.quiet(0.2):
                raise Fail(f"more came after the answer to {method}")
    if heads[0] != heads[1]:
        raise Fail(f"they differ in {sorted(heads[0] ^ heads[1])}")


# --- expect ------------------------------------------------------------------------------------------------------------------

EXPECT = b"Expect: 100-continue\r\n"


@case("expect/final-answer-first")
def expect(world):
    with world.wire() as wire:
        wire.send(post(1 << 20, EXPECT))
        if (answer := wire.answer()).status == 100:
            raise Fail("100 came first")
        redirect(answer, UPLOADED)
        if not answer.closes():
            raise Fail("the answer does not announce the close")
        wire.ends(10)


@case("expect/what-follows-is-not-answered")
def expect_then_next(world):
    """The client skipped its body and went on. Whatever comes now may be that body: it is neither body nor request."""
    with world.wire() as wire:
        wire.send(post(len(GET), EXPECT))
        redirect(wire.answer(), UPLOADED)
        try:
            wire.send(GET + GET)
        except ConnectionError:
            pass
        said, ended = wire.rest(12)
        if said:
            raise Fail(f"answered on a connection given up: {said[:40]!r}")
        if not ended:
            raise Fail("still open 12 s later")


@case("expect/body-sent-all-the-same")
def expect_ignored(world):
    """A client that does not wait (or whose patience ran out) must read the answer, not a reset."""
    with world.wire() as wire:
        wire.send(post(8 << 20, EXPECT))
        time.sleep(0.3)
        sent = 0
        try:
            for _ in range(8):
                wire.send(bytes(1 << 20))
                sent += 1
        except (ConnectionError, TimeoutError) as e:
            raise Fail(f"{e} after {sent} MiB: a client that reads later has lost the answer") from None
        redirect(wire.answer(), UPLOADED)


@case("expect/body-in-the-same-breath")
def expect_at_once(world):
    with world.wire() as wire:
        wire.send(post(5, EXPECT) + b"hello")
        next_or_closed(wire, redirect(wire.answer(), UPLOADED))


@case("expect/http10-has-none")
def expect_http10(world):
    with world.wire() as wire:
        wire.send(b"POST /upload/a HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello")
        redirect(wire.answer(), UPLOADED)
        wire.ends(10)


@case("expect/unknown")
def expect_unknown(world):
    with world.wire() as wire:
        wire.send(post(0, b"Expect: 299-miracle\r\n"))
        if (status := wire.answer().status) not in (307, 417):
            raise Fail(f"{status}")


@case("expect/no-body-announced")
def expect_no_body(world):
    with world.wire() as wire:
        wire.send(GET[:-2] + EXPECT + b"\r\n")
        redirect(wire.answer(), "/new")


# --- linger ------------------------------------------------------------------------------------------------------------------


@case("linger/one-byte-a-second")
def trickle(world):
    """The answer waits for no body byte, and the sender, slow as it is, is not cut at once."""
    with world.wire() as wire:
        began = time.monotonic()
        wire.send(post(1000))
        redirect(wire.answer(), UPLOADED)
        if (took := time.monotonic() - began) > 5:
            raise Fail(f"the answer took {took:.1f} s")
        for _ in range(3):
            time.sleep(1)
            try:
                wire.send(b"x")
            except ConnectionError as e:
                raise Fail(f"cut within 3 s: {e}") from None


@case("linger/slow-to-the-end")
def slow(world):
    """Ten bytes in two seconds are a whole body: the connection lives on."""
    with world.wire() as wire:
        wire.send(post(10))
        answer = redirect(wire.answer(), UPLOADED)
        for _ in range(10):
            time.sleep(0.2)
            wire.send(b"x")
        next_or_closed(wire, answer)


@case("linger/length-beyond-the-budget")
def beyond(world):
    with world.wire() as wire:
        wire.send(post((4 << 30) + 1))
        answer = redirect(wire.answer(), UPLOADED)
        if not answer.closes():
            raise Fail("a body beyond the budget, and no Connection: close")
        wire.send(bytes(4 << 20))  # discarded, not reset


@case("linger/length-within-the-budget")
def within(world):
    with world.wire() as wire:
        wire.send(post(4 << 30))
        if redirect(wire.answer(), UPLOADED).closes():
            raise Fail("a body that fits the budget, and Connection: close all the same")


@case("linger/stalled-is-cut", heavy=True)
def stalled(world):
    """Whoever sends nothing is cut: after the window of the least rate, and the half-close's five seconds."""
    limit = world.options.stall + 5 + 3
    with world.wire() as wire:
        wire.send(post(1 << 20) + b"x")
        redirect(wire.answer(), UPLOADED)
        began = time.monotonic()
        said, ended = wire.rest(limit)
        if said or not ended:
            raise Fail(f"more was said: {said[:40]!r}" if said else f"still open after {limit:g} s")
        if (took := time.monotonic() - began) < min(1, world.options.stall / 2):
            raise Fail(f"cut after {took:.1f} s, without the patience that was promised")
    world.lives()


def many_senders(world, sources, count):
    """So many lingering connections; each must have read its answer. Ends with how many the server kept."""
    if not world.host.startswith("127."):
        raise Skip("other addresses of ours need a server on 127.0.0.0/8")
    wires, stop = [], threading.Event()
    try:
        for at in range(count):
            wire = world.wire(sources[at % len(sources)])
            wires.append(wire)
            wire.send(post(1 << 30) + bytes(20000))
            redirect(wire.answer(), UPLOADED)

        def feed():
            while not stop.wait(0.25):
                for wire in wires:
                    try:
                        wire.sock.send(bytes(20000), socket.MSG_DONTWAIT)
                    except OSError:
                        pass

        threading.Thread(target=feed, daemon=True).start()
        slowest = 0.0
        for _ in range(100):
            began = time.monotonic()
            world.lives()
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.01)
        if slowest > world.options.quick:
            raise Fail(f"a plain request took {slowest * 1000:.0f} ms beside {count} senders")
        kept = 0
        for wire in wires:
            wire.sock.setblocking(False)
            try:
                kept += 1 if wire.sock.recv(1) else 0
            except BlockingIOError:
                kept += 1
            except OSError:
                pass
        return kept
    finally:
        stop.set()
        for wire in wires:
            wire.sock.close()


@case("linger/many-from-one-address")
def many_one(world):
    most = world.options.per_address
    kept = many_senders(world, ["127.0.0.9"], most + 16)
    if kept > most:
        raise Fail(f"{kept} linger for one address, {most} may")
    if not kept:
        raise Fail("all were cut, though some may linger")


@case("linger/many-from-many-addresses")
def many_many(world):
    many_senders(world, [f"127.0.1.{n}" for n in range(1, 65)], 256)
    world.lives()
