"""Real clients, each sending one body: what they were given to read, as `Seen`, or why they read nothing.

`PROGRAMS` is the table that `bench/arrive` and the cases share. Clients are told not to follow, so that reading the 307 itself
is what is asked of them.
"""

import http.client
import importlib.util
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from urllib.parse import urlsplit

from lib import HEAVY, SIZES, Fail, Skip, case

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CHUNK = bytes(1 << 20)


class Seen:
    """What the client says it read."""

    def __init__(self, status=None, location=None, error=None, text=""):
        self.status, self.location, self.error, self.text = status, location, error, text


def testbed():
    """Where scripts/test puts what it installs."""
    return os.environ.get("BYWAY_TESTBED") or os.path.join(ROOT, "target", "testbed")


def with_requests():
    """Starts this script again under the test bed's Python, where that has `requests` and this one has not."""
    python = os.path.join(testbed(), "venv", "bin", "python")
    if importlib.util.find_spec("requests") is None and os.path.exists(python) and sys.executable != python:
        os.execv(python, [python, *sys.argv])


def run(command, limit=120, **variables):
    if not shutil.which(command[0]):
        raise Skip(f"{command[0]} is not installed")
    fixed = {"text": True, "errors": "replace", "stdin": subprocess.DEVNULL, "env": {**os.environ, **variables}}
    try:
        return subprocess.run(command, capture_output=True, timeout=limit, **fixed)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, -1, "", f"still running after {limit} s")


def curl(*arguments):
    """curl exits non-zero only when it did not read an answer; what it read is in its own words."""

    def send(world, url, size, follow=False):
        filled = [a.replace("FILE", world.file(size)) for a in arguments]
        out = os.path.join(world.folder, "curl-body")
        said = "%{http_code}\n%{redirect_url}\n%{size_upload}\n"
        more = ["-L", "--post301", "--post302"] if follow else []
        more += ["--cacert", world.trusted] if url.startswith("https:") else []
        done = run(["curl", "-sS", "-o", out, "-w", said, *more, *filled, url])
        status, location, _ = (done.stdout + "\n\n\n").split("\n")[:3]
        if done.returncode:
            return Seen(error=f"exit {done.returncode}: {done.stderr.strip()}")
        with open(out, errors="replace") as f:
            return Seen(int(status), location, text=f.read())

    return send


def node(client):
    def send(world, url, size, follow=False):
        if not shutil.which("node"):
            raise Skip("node is not installed")
        os.environ.setdefault("NODE_CLIENTS", os.path.join(testbed(), "node_modules"))
        trusts = {"NODE_EXTRA_CA_CERTS": world.trusted} if url.startswith("https:") else {}
        done = run(["node", os.path.join(HERE, "node.mjs"), client, url, str(size), *(["follow"] if follow else [])], **trusts)
        try:
            said = json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            return Seen(error=f"exit {done.returncode}: {done.stderr.strip()[-200:]}")
        if "missing" in said:
            raise Skip(said["missing"])
        return Seen(said.get("status"), said.get("location"), said.get("error"), said.get("text") or "")

    return send


def wget(world, url, size, follow=False):
    out = os.path.join(world.folder, "wget-body")
    limits = [] if follow else ["--max-redirect=0"]
    done = run(["wget", "-S", "-nv", "--tries=1", "-O", out, *limits, f"--post-file={world.file(size)}", url])
    lines = re.findall(r"^\s*HTTP/\S+ (\d+)", done.stderr, re.M)
    places = re.findall(r"^\s*Location: (\S+)", done.stderr, re.M | re.I)
    if not lines:
        said = done.stderr.strip().splitlines()
        return Seen(error=f"exit {done.returncode}: {said[-1] if said else 'no answer read'}")
    with open(out, errors="replace") as f:
        return Seen(int(lines[-1]), places[-1] if places else None, text=f.read())


def http_client(world, url, size, follow=False, again=True):
    """Writes the whole body, then reads; then, if so wanted, asks again on the connection, if it was left open."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if parts.scheme == "https":
        trusts = ssl.create_default_context(cafile=world.trusted)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=120, context=trusts)
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)
    try:
        connection.putrequest("POST", target)
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        for _ in range(size >> 20):
            connection.send(CHUNK)
        connection.send(bytes(size & 0xFFFFF))
        answer = connection.getresponse()
        seen = Seen(answer.status, answer.headers["Location"], text=answer.read().decode("latin-1"))
        if follow and seen.location:
            return http_client(world, seen.location, size)
        if again and not answer.will_close:
            connection.request("GET", target)
            second = connection.getresponse()
            if second.status != seen.status or second.headers["Location"] != seen.location:
                seen.error = f"the next request on the connection got {second.status} {second.headers['Location']}"
        return seen
    except (OSError, http.client.HTTPException) as e:
        return Seen(error=f"{type(e).__name__}: {e}")
    finally:
        connection.close()


def requests_with(body):
    def send(world, url, size, follow=False):
        try:
            import requests
        except ImportError:
            raise Skip("requests is not installed") from None
        try:
            with body(world, size) as data:
                trusts = world.trusted if url.startswith("https:") else None
                r = requests.post(url, data=data, allow_redirects=follow, timeout=120, verify=trusts)
                return Seen(r.status_code, r.headers.get("Location"), text=r.text)
        except requests.RequestException as e:
            return Seen(error=f"{type(e).__name__}: {e}"[:200])

    return send


class as_bytes:
    def __init__(self, world, size):
        self.data = bytes(size)

    def __enter__(self):
        return self.data

    def __exit__(self, *_):
        pass


class as_generator(as_bytes):
    def __init__(self, world, size):
        self.data = (bytes(min(65536, size - at)) for at in range(0, size, 65536))


def as_file(world, size):
    return open(world.file(size), "rb")


# name · sends · may be asked for 1 GiB (memory and patience of the client)
PROGRAMS = {
    "http.client": (http_client, True),
    "curl": (curl("-X", "POST", "-H", "Expect:", "--data-binary", "@FILE"), False),
    "curl-expect": (curl("-X", "POST", "-H", "Expect: 100-continue", "--data-binary", "@FILE"), False),
    "curl-T": (curl("-X", "POST", "-H", "Expect:", "-T", "FILE"), True),
    "curl-T-expect": (curl("-X", "PUT", "-T", "FILE"), True),
    "curl-chunked": (curl("-X", "POST", "-H", "Expect:", "-H", "Transfer-Encoding: chunked", "-T", "FILE"), True),
    "requests-bytes": (requests_with(as_bytes), False),
    "requests-file": (requests_with(as_file), False),
    "requests-generator": (requests_with(as_generator), False),
    "wget": (wget, False),
    "fetch-string": (node("fetch-string"), False),
    "fetch-blob": (node("fetch-blob"), False),
    "fetch-stream": (node("fetch-stream"), False),
    "node-http": (node("http"), False),
    "undici": (node("undici"), False),
    "axios": (node("axios"), False),
    "got": (node("got"), False),
}

# Over TLS alone, since in the clear they are asked by hand (h2): which protocol, TLS says.
TLS_PROGRAMS = {
    "curl-h1": curl("--http1.1", "-X", "POST", "-H", "Expect:", "--data-binary", "@FILE"),
    "curl-h1-T": curl("--http1.1", "-X", "POST", "-H", "Expect:", "-T", "FILE"),
    "curl-h2": curl("--http2", "-X", "POST", "-H", "Expect:", "--data-binary", "@FILE"),
    "curl-h2-T": curl("--http2", "-X", "POST", "-H", "Expect:", "-T", "FILE"),
    "http.client": http_client,
    "requests-bytes": requests_with(as_bytes),
    "requests-file": requests_with(as_file),
    "node-https": node("http"),
    "node-http2": node("http2"),
    "fetch-blob": node("fetch-blob"),
    "fetch-stream": node("fetch-stream"),
}


def delivered(seen, location, status=307):
    """Whether the client read that redirect, and if not, what happened instead."""
    if seen.error:
        return seen.error
    if seen.status != status:
        return f"it read {seen.status} instead of {status}"
    if location and seen.location != location:
        return f"it read Location {seen.location!r} instead of {location!r}"
    return None


def upload(name, send, size):
    def ask(world):
        trouble = delivered(send(world, world.url(f"/upload/{name}"), SIZES[size]), f"https://t.test/upload/{name}")
        if trouble:
            raise Fail(trouble)

    return ask


for _size in SIZES:
    for _name, (_send, _huge) in PROGRAMS.items():
        if _size not in HEAVY or _huge:
            case(f"{_name}/{_size}", heavy=_size in HEAVY)(upload(_name, _send, _size))


@case("http.client/expect-by-hand")
def expect_by_hand(world):
    """Asks leave, is redirected, skips its body, and asks again with the same object."""
    connection = http.client.HTTPConnection(world.host, world.port, timeout=10)
    for turn in ("first", "second"):
        connection.putrequest("POST", "/upload/a")
        connection.putheader("Content-Length", "1000000")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        if answer.status != 307:
            raise Fail(f"the {turn} request got {answer.status}")
        if not answer.will_close:
            raise Fail("the connection was kept, though the body may or may not follow")
    connection.request("GET", "/old")
    if (status := connection.getresponse().status) != 307:
        raise Fail(f"the request after it got {status}")


@case("curl/next-request-on-the-connection")
def curl_reuses(world):
    body = ["-X", "POST", "-H", "Expect:", "--data-binary", f"@{world.file(4 << 20)}"]
    said = ["-sS", "-o", os.devnull, "-w", "%{http_code} %{num_connects}\n"]
    done = run(["curl", *said, *body, world.url("/upload/a"), "--next", *said, world.url("/old")])
    # curl itself gives up a connection on which it was answered before it had sent everything.
    if [line.split()[0] for line in done.stdout.splitlines()] != ["307", "307"]:
        raise Fail(f"exit {done.returncode}: {done.stdout!r} {done.stderr.strip()!r}")
