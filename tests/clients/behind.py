"""Bodies through the recipes of `docs/behind.md`: nginx, HAProxy and Caddy in front of byway, and what the page says of them.

The blocks of the page are what runs. A body is sent by hand, half of it and then the rest, to see when the answer comes; and by
real clients, who must read the redirect and, where they follow it, arrive at the receiver with all they sent.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from lib import Fail, Skip, Wire, case, redirect
from programs import PROGRAMS, ROOT, delivered, http_client
from receiver import Receiver

RULES = """
[server]
trusted_proxies = ["127.0.0.0/8"]

[[redirect]]
from = "/api/v1/*"
to   = "RECEIVER/api/v2/*"
"""

HAPROXY = "defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n\n"


def recipe(language, name):
    with open(os.path.join(ROOT, "docs", "behind.md")) as f:
        found = re.search(rf"^```{language} as={name}\n(.*?)^```$", f.read(), re.M | re.S)
    if not found:
        raise Fail(f"docs/behind.md has no block `{language} as={name}` any more")
    return found[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if not found:
        raise Skip(f"{name} is not installed")
    return found


def nginx(*names):
    def command(front):
        parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = " ".join(f"{part}_temp_path {front.folder}/{part};" for part in parts)
        inner = "".join(front.filled(recipe("nginx", name)) for name in names)
        text = f"pid {front.folder}/pid; error_log stderr; daemon off; master_process off;\nevents {{}}\nhttp {{ access_log off; {folders}\n"
        path = front.write("nginx.conf", f"{text}server {{ listen 127.0.0.1:{front.port};\n{inner}\n}} }}\n")
        return [program("nginx"), "-p", front.folder, "-c", path]

    return command


def haproxy(front):
    return [program("haproxy"), "-f", front.write("haproxy.cfg", HAPROXY + front.filled(recipe("haproxy", "first-stop")))]


def caddy(name):
    def command(front):
        # `http://127.0.0.1:PORT` would be that host alone; other hosts must come through as well.
        text = front.filled(recipe("caddy", name)).replace(f"http://127.0.0.1:{front.port}", f"http://:{front.port}")
        path = front.write("Caddyfile", f"{{\n    admin off\n    auto_https off\n}}\n{text}")
        return [program("caddy"), "run", "--config", path, "--adapter", "caddyfile"]

    return command


class Front:
    """A recipe that runs: in front the other server, then byway and the site, and the receiver to which the rules lead."""

    def __init__(self, world, command):
        if not world.options.serve:
            raise Skip("--serve: the recipes are run with a byway of their own")
        self.world, self.command, self.started = world, command, []

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="byway-behind-")
        self.folder, self.port = self.temporary.name, free_port()
        self.receiver, self.site = Receiver("127.0.0.1"), Receiver("127.0.0.1", has_not="/api/")
        try:
            rules = self.write("byway.toml", RULES.replace("RECEIVER", self.receiver.base))
            self.byway = self.listens([self.world.options.serve, "serve", rules, "--listen", "127.0.0.1:0"])
            self.start(self.command(self))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.started:
            process.terminate()
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self.receiver.close()
        self.site.close()
        self.temporary.cleanup()

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def filled(self, text):
        site = f"127.0.0.1:{self.site.port}"
        return text.replace("UPSTREAM", self.byway).replace("SITE", site).replace("LISTEN", f"127.0.0.1:{self.port}")

    def listens(self, command):
        """Starts byway; where it then listens."""
        log = os.path.join(self.folder, "byway.log")
        with open(log, "w") as f:
            self.started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=f))
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with open(log) as f:
                if found := re.search(r"listening on http://(\S+:\d+)\n", f.read()):
                    return found[1]
            time.sleep(0.02)
        raise Fail("byway does not listen")

    def start(self, command):
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=self.folder, env={**os.environ, "HOME": self.folder}, **quiet)
        self.started.append(process)
        end = time.monotonic() + 30
        while time.monotonic() < end and process.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
        raise Fail(f"{command[0]} does not listen")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def post(self, path, length):
        """The head of a POST of so many bytes, to a host that is not the address."""
        head = f"POST {path} HTTP/1.1\r\nHost: www.example.com\r\nContent-Type: text/x-parts\r\nContent-Length: {length}\r\n\r\n"
        wire = Wire("127.0.0.1", self.port, timeout=30)
        wire.send(head.encode())
        return wire


# name · how it is started · half a body is sent, and the answer comes · a POST that no rule takes reaches the site
FRONTS = {
    "nginx": (nginx("first-stop"), False, True),
    "nginx-early": (nginx("first-stop", "early"), True, True),
    "nginx-fallback": (nginx("fallback"), False, True),
    "haproxy": (haproxy, True, True),
    "caddy": (caddy("first-stop"), False, False),
    "caddy-moved": (caddy("moved"), False, True),
}
READERS = ("curl", "requests-bytes", "fetch-string", "http.client")


def when(front, early):
    """Half of 64 KiB, then what comes, then the rest."""
    wanted = f"{front.receiver.base}/api/v2/x?y=z"
    with front.post("/api/v1/x?y=z", 65536) as wire:
        wire.send(bytes(32768))
        if early:
            return redirect(wire.answer(), wanted)
        if not wire.quiet(1):
            raise Fail("the answer came before the body, and the page says that it does not")
        wire.sock.settimeout(30)
        wire.send(bytes(32768))
        redirect(wire.answer(), wanted)


def bodies(front):
    for name in READERS:
        send = PROGRAMS[name][0]
        if name == "http.client":  # what the connection is good for afterwards is the other server's
            def send(*words):
                return http_client(*words, again=False)

        for size in (1, 1 << 20, 20 << 20):
            if trouble := delivered(send(front.world, front.url("/api/v1/up?a=b"), size), f"{front.receiver.base}/api/v2/up?a=b"):
                raise Fail(f"{name} with {size} bytes: {trouble}")
    for name in ("curl", "requests-bytes", "fetch-string"):
        seen = PROGRAMS[name][0](front.world, front.url("/api/v1/up?a=%20b"), 1 << 20, follow=True)
        if seen.error or seen.text.strip() != "it arrived":
            raise Fail(f"{name} follows: {seen.error or seen.text[:80]}")
        got = front.receiver.next()
        if (got.method, got.target, len(got.body)) != ("POST", "/api/v2/up?a=%20b", 1 << 20):
            raise Fail(f"{name} follows: {got}, {len(got.body)} bytes")


def unmatched(front, reaches):
    with front.post("/form?a=b", 1 << 20) as wire:
        try:
            wire.send(b"z" * (1 << 20))
        except ConnectionError:
            pass
        answer = wire.answer()
    if not reaches:
        if answer.status != 502:
            raise Fail(f"the page says 502, and it was {answer.status}")
        return
    got = front.site.next()
    if (answer.status, got.method, got.target, got.fields.get("Content-Type")) != (200, "POST", "/form?a=b", "text/x-parts"):
        raise Fail(f"{answer.status}; the site got {got}")
    if got.body != b"z" * (1 << 20):
        raise Fail(f"the site got {len(got.body)} bytes of 1 MiB")


def behind(command, early, reaches):
    def ask(world):
        with Front(world, command) as front:
            when(front, early)
            bodies(front)
            unmatched(front, reaches)

    return ask


for _name, (_command, _early, _reaches) in FRONTS.items():
    case(f"behind/{_name}")(behind(_command, _early, _reaches))
