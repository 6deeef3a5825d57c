"""Clients that follow the 307 to an origin, which counts what reaches it: the method and every byte of the body."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib import Fail, Skip, case
from programs import PROGRAMS


class Origin(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def count(self):
        got = 0
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while size := int(self.rfile.readline().split(b";")[0], 16):
                got += self.skip(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
        else:
            got = self.skip(int(self.headers.get("Content-Length", "0")))
        body = json.dumps({"method": self.command, "path": self.path, "bytes": got}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = count

    def skip(self, size):
        left = size
        while left:
            data = self.rfile.read(min(left, 1 << 20))
            if not data:
                break
            left -= len(data)
        return size - left

    def log_message(self, *_):
        pass


def start_origin(port):
    """The origin on that port, or None if somebody else has it."""
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Origin)
    except OSError:
        return None
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


# Bodies that cannot be sent twice (a generator, a stream) are the client's own trouble, and not asked here.
FOLLOWERS = ["curl", "curl-expect", "requests-bytes", "requests-file", "wget", "fetch-string", "fetch-blob", "axios", "got"]


def arrives(name, send, size, tls=False):
    def ask(world):
        if world.origin is None:
            raise Skip("no origin: its port is taken")
        url = (world.tls_url if tls else world.url)(f"/follow/sink/{name}")
        seen = send(world, url, size, follow=True)
        if seen.error:
            raise Fail(seen.error)
        try:
            got = json.loads(seen.text)
        except ValueError:
            raise Fail(f"it ended at {seen.status} {seen.text[:80]!r}") from None
        if got != {"method": "POST", "path": f"/sink/{name}", "bytes": size}:
            raise Fail(f"the origin got {got}")

    return ask


for _name in FOLLOWERS:
    for _label, _size in (("1B", 1), ("4MiB", 4 << 20)):
        case(f"follow/{_name}-{_label}")(arrives(_name, PROGRAMS[_name][0], _size))
