"""What every case shares: the table of cases, the answers they may give, and a socket that reads HTTP/1.1 exactly.

A case is a function of a `World`. It returns when all is well, raises `Fail` when the server is at fault and `Skip` when the
case cannot be asked here (a program that is not installed). Nothing in this file knows a particular client.
"""

import fnmatch
import os
import re
import socket
import ssl
import time


class Fail(Exception):
    """The server did something else than it should."""


class Skip(Exception):
    """The case cannot be asked here, and why."""


CASES = {}  # name -> (function, heavy), in the order of the files


def case(name, heavy=False):
    def keep(function):
        assert name not in CASES, name
        CASES[name] = (function, heavy)
        return function

    return keep


def chosen(patterns):
    """The names that the patterns mean: a case, a group (`raw`), a glob (`*/1B`), or `heavy`. None: all that is not heavy."""
    if not patterns:
        return [name for name, (_, heavy) in CASES.items() if not heavy]
    names = []
    for pattern in patterns:
        found = [
            name
            for name, (_, heavy) in CASES.items()
            if name == pattern
            or (pattern == "heavy" and heavy)
            or (name.startswith(pattern + "/") and not heavy)
            or (any(c in pattern for c in "*?[") and fnmatch.fnmatch(name, pattern))
        ]
        if not found:
            raise SystemExit(f"no case is called {pattern!r}; --list shows them")
        names += [name for name in found if name not in names]
    return names


class World:
    """Where the server is (and its process, if it is our own), what it was told, and where files may go."""

    def __init__(self, host, port, folder, options, origin, server=None):
        self.host, self.port, self.folder, self.options, self.origin, self.server = host, port, folder, options, origin, server
        self.trusted = None

    def url(self, path):
        return f"http://{self.host}:{self.port}{path}"

    def tls_url(self, path):
        """The same over TLS. From here on `trusted` is the file of the one certificate that clients trust."""
        if not self.options.tls_base:
            raise Skip("--tls-base: it is not known where the server speaks TLS")
        if not self.trusted:
            address = re.fullmatch(r"https://([^:/]+):(\d+)/?", self.options.tls_base).groups()
            path_of_it = os.path.join(self.folder, "trusted.pem")
            with open(path_of_it, "w") as f:
                f.write(ssl.get_server_certificate((address[0], int(address[1])), timeout=30))
            self.trusted = path_of_it
        return self.options.tls_base.rstrip("/") + path

    def file(self, size):
        """A file of so many zero bytes; sparse, so that 1 GiB costs nothing."""
        path = os.path.join(self.folder, f"body-{size}")
        if not os.path.exists(path):
            with open(path, "wb") as f:
                f.truncate(size)
        return path

    def wire(self, source=None, timeout=10):
        return Wire(self.host, self.port, source, timeout)

    def lives(self):
        """The server still answers a plain request on a new connection."""
        with self.wire() as wire:
            wire.send(b"GET /old HTTP/1.1\r\nHost: a.test\r\n\r\n")
            redirect(wire.answer(), "/new")


class Answer:
    def __init__(self, version, status, fields, body):
        self.version, self.status, self.fields, self.body = version, status, fields, body

    def all(self, name):
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def one(self, name):
        values = self.all(name)
        if len(values) != 1:
            raise Fail(f"{len(values)} {name} fields in a {self.status}")
        return values[0]

    def closes(self):
        tokens = ",".join(self.all("connection")).lower()
        return "close" in tokens or (self.version == "HTTP/1.0" and "keep-alive" not in tokens)


class Wire:
    """One connection. Reads what the framing says and not one byte more, so that a wrong length shows."""

    def __init__(self, host, port, source=None, timeout=10):
        self.sock = socket.create_connection((host, port), timeout, (source, 0) if source else None)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        data = self.sock.recv(65536)
        self.held += data
        return len(data)

    def until(self, mark):
        while mark not in self.held:
            if not self.more():
                raise Fail(f"closed after {self.held[:60]!r}, without an answer" if self.held else "closed without an answer")
        head, self.held = self.held.split(mark, 1)
        return head

    def take(self, count):
        while len(self.held) < count:
            if not self.more():
                raise Fail(f"closed {count - len(self.held)} bytes short of its own Content-Length")
        data, self.held = self.held[:count], self.held[count:]
        return data

    def answer(self, method="GET"):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        found = re.fullmatch(r"(HTTP/1\.[01]) ([1-5][0-9][0-9]) ?(.*)", lines[0])
        if not found:
            raise Fail(f"not a status line: {lines[0]!r}")
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise Fail(f"not a field line: {line!r}")
            fields.append((name, value.strip(" \t")))
        answer = Answer(found[1], int(found[2]), fields, b"")
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        if answer.all("transfer-encoding"):
            while size := int(self.until(b"\r\n").split(b";")[0], 16):
                answer.body += self.take(size)
                self.take(2)
            while self.until(b"\r\n"):
                pass
        elif answer.all("content-length"):
            answer.body = self.take(int(answer.one("content-length")))
        elif answer.closes():
            while self.more():
                pass
            answer.body, self.held = self.held, b""
        else:
            raise Fail(f"{answer.status} with neither a length nor a close")
        return answer

    def quiet(self, seconds):
        """Nothing is held, and nothing comes, not even an end, for so long."""
        self.sock.settimeout(seconds)
        try:
            return not self.held and self.more() < 0
        except TimeoutError:
            return not self.held
        finally:
            self.sock.settimeout(10)

    def ends(self, within):
        """The server ends its side within so many seconds, without a further byte. A reset counts only where it is allowed."""
        if self.held:
            raise Fail(f"more came than was asked for: {self.held[:60]!r}")
        self.sock.settimeout(within)
        try:
            if self.more():
                raise Fail(f"more came than was asked for: {self.held[:60]!r}")
        except TimeoutError:
            raise Fail(f"the connection was still open {within:g} s later") from None
        except ConnectionResetError:
            raise Fail("the connection was reset") from None
        finally:
            self.sock.settimeout(10)

    def rest(self, within):
        """All that comes until the server ends or resets its side, and whether it did."""
        end = time.monotonic() + within
        data, self.held = self.held, b""
        while (left := end - time.monotonic()) > 0:
            self.sock.settimeout(left)
            try:
                more = self.sock.recv(65536)
            except TimeoutError:
                break
            except ConnectionError:
                return data, True
            if not more:
                return data, True
            data += more
        return data, False


def redirect(answer, location, status=307):
    """The answer is that redirect. What every answer of ours must say beside it is asked by the group `head`."""
    if answer.status != status:
        raise Fail(f"{answer.status} instead of {status}")
    if answer.one("location") != location:
        raise Fail(f"Location {answer.one('location')!r} instead of {location!r}")
    return answer


SIZES = {"1B": 1, "64KiB": 64 << 10, "1MiB": 1 << 20, "4MiB": 4 << 20, "20MiB": 20 << 20, "100MiB": 100 << 20, "1GiB": 1 << 30}
HEAVY = {"1GiB"}
