"""The server at the other end of a redirect: it keeps what arrives, over http or https, and shows a page with a form."""

import json
import os
import queue
import shutil
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lib import Fail, Skip

PATIENCE = 30  # seconds; what arrives at all arrives at once


class Arrived:
    """A request as it arrived."""

    def __init__(self, method, target, fields, body):
        self.method, self.target, self.fields, self.body = method, target, fields, body

    def __repr__(self):
        return f"{self.method} {self.target} {self.fields.get('Content-Type')} {self.body[:80]!r}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if self.server.has_not and self.path.startswith(self.server.has_not):
            return self.say("there is no such page", "text/plain", 404)
        if self.path == "/page":
            return self.say(self.server.page, "text/html; charset=utf-8")
        if self.path not in ("/healthz", "/favicon.ico"):
            self.server.arrived.put(Arrived(self.command, self.path, self.headers, body))
        self.say("it arrived", "text/plain")

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def say(self, text, media_type, status=200):
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass  # a browser that goes away, or one that does not trust us, is no news


class Receiver:
    """Listens on a port of its choice until it is closed; what begins with `has_not` is not there (404)."""

    def __init__(self, host="localhost", tls=None, has_not=""):
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.arrived, self.server.page, self.server.has_not = queue.Queue(), "", has_not
        self.port = self.server.server_port
        self.base = f"{'https' if tls else 'http'}://{host}:{self.port}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Nobody listens there any more."""
        self.server.shutdown()
        self.server.server_close()

    def shows(self, page):
        """The page is at `/page` from now on; where that is."""
        self.server.page = page
        return f"{self.base}/page"

    def next(self):
        """The next request that arrives."""
        try:
            return self.server.arrived.get(timeout=PATIENCE)
        except queue.Empty:
            raise Fail("nothing arrived") from None


def certificate(folder):
    """A certificate for localhost, with its key, in one file."""
    path = os.path.join(folder, "receiver.pem")
    if not shutil.which("openssl"):
        raise Skip("openssl is not installed")
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    done = subprocess.run(["openssl", *made, *names, "-keyout", path, "-out", path + ".chain"], capture_output=True, text=True)
    if done.returncode:
        raise Fail(f"openssl: {done.stderr.strip()}")
    with open(path + ".chain") as chain, open(path, "a") as both:
        both.write(chain.read())
    return path


def form(action, cookie="", fields=(("item", "kettle"), ("note", "two words, & more"))):
    """A page whose form sends itself there by POST."""
    inputs = "".join(f'<input name="{name}" value="{value.replace("&", "&amp;")}">' for name, value in fields)
    keep = "".join(f"document.cookie = {json.dumps(part.strip() + '; path=/')};" for part in cookie.split(";") if part)
    return (
        f'<!doctype html><form id=form method=post action="{action.replace("&", "&amp;")}">{inputs}</form>'
        f"<script>{keep}document.getElementById('form').submit()</script>"
    )


FORM_BODY = b"item=kettle&note=two+words%2C+%26+more"
