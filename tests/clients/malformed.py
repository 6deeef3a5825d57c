"""Requests that are no requests. Each row: what was sent, and which statuses are right; `None` means closed without a word.

RFC 9112 §2.2, §3, §5, §6 and §11.2; RFC 9110 §5.5, §7.2. Behind every row whose framing is in doubt stands one more request:
it must never be answered.
"""

from lib import Fail, case

SECOND = b"GET /moved HTTP/1.1\r\nHost: a.test\r\n\r\n"
BAD = {400, None}


def get(target=b"/old", fields=b"Host: a.test\r\n", version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + fields + b"\r\n"


def framed(fields, body=b"0\r\n\r\n", version=b"HTTP/1.1"):
    return b"POST /upload/a " + version + b"\r\nHost: a.test\r\n" + fields + b"\r\n" + body + SECOND


def host(value):
    return get(fields=b"Host:" + value + b"\r\n")


# name, bytes, right answers. A row whose bytes end in SECOND has its framing in doubt.
ROWS = [
    # framing (RFC 9112 §6)
    ("length-and-chunked", framed(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), BAD),
    ("chunked-and-length", framed(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), BAD),
    ("two-lengths", framed(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"), BAD),
    ("length-list", framed(b"Content-Length: 5, 6\r\n", b"hello"), BAD),
    ("length-plus", framed(b"Content-Length: +5\r\n", b"hello"), BAD),
    ("length-minus", framed(b"Content-Length: -5\r\n", b"hello"), BAD),
    ("length-hex", framed(b"Content-Length: 0x5\r\n", b"hello"), BAD),
    ("length-empty", framed(b"Content-Length:\r\n", b""), BAD),
    ("length-past-64-bits", framed(b"Content-Length: 18446744073709551621\r\n", b"hello"), BAD | {413}),
    ("coding-unknown", framed(b"Transfer-Encoding: xchunked\r\n"), BAD | {501}),
    ("coding-not-last", framed(b"Transfer-Encoding: chunked, gzip\r\n"), BAD | {501}),
    ("coding-twice", framed(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), BAD | {501}),
    ("coding-identity", framed(b"Transfer-Encoding: identity\r\n"), BAD | {501}),
    ("coding-vertical-tab", framed(b"Transfer-Encoding: \x0bchunked\r\n"), BAD | {501}),
    ("coding-quoted", framed(b'Transfer-Encoding: "chunked"\r\n'), BAD | {501}),
    ("chunked-http10", framed(b"Transfer-Encoding: chunked\r\n", version=b"HTTP/1.0"), BAD | {501}),
    # lines and fields (RFC 9112 §2.2, §5)
    ("bare-lf", b"GET /old HTTP/1.1\nHost: a.test\n\n", BAD),
    ("bare-lf-in-fields", get(fields=b"Host: a.test\nX: y\r\n"), BAD),
    ("bare-cr-in-value", get(fields=b"Host: a.test\r\nX: a\rb\r\n"), BAD),
    ("space-before-colon", get(fields=b"Host: a.test\r\nX : y\r\n"), BAD),
    ("space-before-colon-of-length", framed(b"Content-Length : 5\r\n", b"hello"), BAD),
    ("space-before-first-field", b"GET /old HTTP/1.1\r\n Host: a.test\r\n\r\n", BAD),
    ("folded", get(fields=b"Host: a.test\r\nX: a\r\n b\r\n"), BAD | {307}),
    ("no-colon", get(fields=b"Host: a.test\r\nnonsense\r\n"), BAD),
    ("empty-name", get(fields=b"Host: a.test\r\n: y\r\n"), BAD),
    ("name-not-a-token", get(fields=b"Host: a.test\r\nX(y): z\r\n"), BAD),
    ("nul-in-value", get(fields=b"Host: a.test\r\nX: a\x00b\r\n"), BAD),
    ("control-in-value", get(fields=b"Host: a.test\r\nX: a\x01b\r\n"), BAD),
    # Host (RFC 9112 §3.2)
    ("no-host", get(fields=b""), BAD),
    ("two-hosts", get(fields=b"Host: a.test\r\nHost: b.test\r\n"), BAD),
    ("two-hosts-alike", get(fields=b"Host: a.test\r\nHost: a.test\r\n"), BAD),
    ("two-hosts-absolute", get(b"http://a.test/old", b"Host: a.test\r\nHost: b.test\r\n"), BAD),
    ("host-userinfo", host(b" u:p@a.test"), BAD),
    ("host-path", host(b" a.test/x"), BAD),
    ("host-list", host(b" a.test, b.test"), BAD),
    ("host-space", host(b" a b"), BAD),
    ("host-port", host(b" a.test:8x"), BAD),
    ("host-port-too-large", host(b" a.test:99999"), BAD | {307}),
    ("host-bracket", host(b" [::1"), BAD),
    ("host-crlf-escape", host(b" a.test%0d%0aX:y"), BAD | {307}),
    # target (RFC 9112 §3.2, RFC 3986)
    ("userinfo", get(b"http://user:pw@shop.test/old"), BAD),
    ("absolute-without-host", get(b"http:///old"), BAD),
    ("absolute-other-scheme", get(b"ftp://a.test/old"), BAD | {421}),
    ("fragment", get(b"/old#x"), BAD),
    ("relative-target", get(b"old"), BAD),
    ("empty-target", b"GET  HTTP/1.1\r\nHost: a.test\r\n\r\n", BAD),
    ("asterisk-get", get(b"*"), BAD),
    ("asterisk-options", get(b"*", method=b"OPTIONS"), {200, 204, 400, 404, 405, 501}),
    ("connect", get(b"a.test:443", method=b"CONNECT"), {400, 404, 405, 501, None}),
    ("connect-path", get(b"/old", method=b"CONNECT"), {400, 404, 405, 501, None}),
    ("nul-in-target", get(b"/ol\x00d"), BAD),
    ("control-in-target", get(b"/ol\x01d"), BAD),
    ("del-in-target", get(b"/old\x7f"), BAD),
    ("tab-in-target", get(b"/old\tx"), BAD),
    ("cr-in-target", get(b"/old\rx"), BAD),
    ("not-ascii", get("/öld".encode()), BAD),
    ("space-in-target", get(b"/old x"), BAD),
    ("quote", get(b'/old"'), BAD),
    ("angle", get(b"/old<x>"), BAD),
    ("backslash", get(b"/old\\x"), BAD),
    ("broken-percent", get(b"/old%zz"), BAD),
    # Browsers send a lone `%` in a query; it is taken, and written as `%25`.
    ("broken-percent-in-query", get(b"/old?a=%4"), {307}),
    # version and method
    ("version-2", get(version=b"HTTP/2.0"), BAD | {505}),
    ("version-3", get(version=b"HTTP/3.1"), BAD | {505}),
    ("version-short", get(version=b"HTTP/1"), BAD | {505}),
    ("version-lower", get(version=b"http/1.1"), BAD | {505}),
    ("version-long", get(version=b"HTTP/1.11"), BAD | {505}),
    ("no-version", b"GET /old\r\n\r\n", BAD | {505}),
    ("method-not-a-token", get(method=b"G@T"), BAD | {405, 501}),
    ("no-method", b" /old HTTP/1.1\r\nHost: a.test\r\n\r\n", BAD),
    ("tls-hello", bytes.fromhex("16030100c8010000c40303") + bytes(200), BAD),
    ("noise", bytes(range(128, 256)) * 4 + b"\r\n\r\n", BAD),
    # size
    ("long-target", get(b"/old?" + b"a" * 200_000), {414}),
    ("long-method", get(method=b"A" * 200_000), {400, 405, 414, 431, 501, None}),
    ("huge-field", get(fields=b"Host: a.test\r\nX: " + b"a" * 1_000_000 + b"\r\n"), {431}),
    ("many-fields", get(fields=b"Host: a.test\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(5000))), {431}),
    ("many-small-fields", get(fields=b"Host: a.test\r\n" + b"".join(b"X%d: y\r\n" % n for n in range(400))), {431, 307}),
]


def ask(sent, right):
    def run(world):
        with world.wire() as wire:
            # A server that has seen enough stops reading: what it said before is still there to be read.
            try:
                wire.send(sent)
            except ConnectionError:
                pass
            doubtful = sent.endswith(SECOND)
            said, ended = wire.rest(1.0 if not doubtful else 8.0)
            if not said and not ended:  # a machine under load takes its time
                said, ended = wire.rest(10.0)
        statuses = [int(line[9:12]) for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.") and line[9:12].isdigit()]
        first = statuses[0] if statuses else None
        words = ", ".join("a close" if s is None else str(s) for s in sorted(right, key=lambda s: s or 0))
        if first not in right:
            raise Fail(f"{first or 'no answer'} instead of {words}")
        if first is None and not ended:
            raise Fail("neither answered nor closed")
        if len(statuses) > 1:
            raise Fail(f"and then {statuses[1:]}, to what follows a request whose end is in doubt")
        if doubtful and not ended:
            raise Fail("kept open, though nobody can know where the next request begins")
        if b"\x0a\x00" in said or b"X:y" in said.split(b"\r\n\r\n")[0]:
            raise Fail("what was sent came back as a field")
        world.lives()

    return run


for _name, _sent, _right in ROWS:
    case(f"malformed/{_name}")(ask(_sent, _right))
