#!/usr/bin/env python3
"""Asks the real nginx and Apache what the cases in nginx.md and apache.md say they answer.

    measure.py [--update] [--only WORD] [--page FILE] [nginx] [apache]

Every case gets a port of its own on loopback, inside one server process per kind, with its own configuration in a
temporary folder. Request lines go out byte for byte; status and Location are compared with what stands after `->`.
Another page of such cases, for one of the servers, is named with --page. With --update the file's right-hand sides are
rewritten instead.

Exit: 0 all as written (or rewritten) | 1 differences, or a case that cannot be read or started | 77 a server is missing,
and nothing else is wrong.

Only the standard library, and only processes that this script started are ended.
"""

import argparse
import grp
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = "/srv/www"  # how the fixtures name the document root of a case
PORT = "8080"      # how the fixtures name the port of a case in configuration
REDIRECTS = range(300, 400)
MISSING = 77


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that servers end with us
    arguments = read_arguments()
    different = missing = False
    for kind in arguments.servers:
        server = SERVERS[kind]
        program = find_program(server)
        if program is None:
            print(f"{kind}: not measured, `{server.program}` is not installed (apt-get install {server.package})",
                  file=sys.stderr)
            missing = True
            continue
        try:
            different |= measure(server, program, arguments)
        except Unmeasurable as why:
            print(f"{kind}: {why}", file=sys.stderr)
            different = True
    sys.exit(1 if different else MISSING if missing else 0)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("servers", nargs="*", metavar="SERVER", help="nginx, apache (both when none is named)")
    parser.add_argument("--update", action="store_true", help="rewrite what stands after `->`")
    parser.add_argument("--page", metavar="FILE", type=Path, help="the page of cases, in place of the server's own")
    parser.add_argument("--only", metavar="WORD", default="", help="only cases whose heading contains this")
    arguments = parser.parse_args()
    for name in arguments.servers:
        if name not in SERVERS:
            parser.error(f"no such server: {name} (there are {', '.join(SERVERS)})")
    arguments.servers = arguments.servers or list(SERVERS)
    return arguments


def measure(server, program, arguments):
    """Runs the cases of one fixture; true if any answer differs."""
    began = time.monotonic()
    path = arguments.page or HERE / server.fixture
    fixture = Fixture(path)
    cases = [case for case in fixture.cases if arguments.only.lower() in case.heading.lower()]
    if not cases:
        raise Unmeasurable(f"{path.name} has no case" + (f" named {arguments.only}" if arguments.only else ""))

    asked = different = 0
    with Running(server, program, cases) as running:
        for case in cases:
            for line in case.requests:
                asked += 1
                answer = running.ask(case, line)
                if arguments.update:
                    line.expected = answer
                elif answer != line.expected:
                    different += 1
                    print(f"{path.name}:{line.number + 1}: {case.heading}\n  asked    {line.request}\n"
                          f"  written  {line.expected or '(nothing)'}\n  measured {answer}")
    if arguments.update:
        fixture.write(cases)

    version = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    version = (version.stdout + version.stderr).split("\n", 1)[0]
    outcome = "rewritten" if arguments.update else f"{different} different"
    print(f"{server.kind}: {len(cases)} cases, {asked} requests, {outcome}, {time.monotonic() - began:.1f} s ({version})")
    if different:
        wanted = re.search(r"\d+\.\d+\.\d+", fixture.lines[2] if len(fixture.lines) > 2 else "")
        if wanted and wanted.group() not in version:
            print(f"{server.kind}: the fixture was measured with {wanted.group()}")
    return different > 0


# Fixtures ------------------------------------------------------------------------------------------------------------


class Unmeasurable(Exception):
    """A case that cannot be read, or a server that does not start."""


class Case:
    def __init__(self, heading, index):
        self.heading = heading
        self.index = index
        self.config = ""     # what stands in the `nginx` or `apache` block
        self.htaccess = []   # (folder below the document root, text)
        self.maps = []       # (file below the document root, text)
        self.requests = []   # Line
        self.blocks = []     # lists of Line, one per `requests` block: they are aligned together
        self.port = None
        self.root = None

    def files(self):
        """The names after `# files:`, a folder ending in a slash."""
        texts = [self.config] + [text for _, text in self.htaccess]
        for text in texts:
            for names in re.findall(r"^\s*# files:(.*)$", text, re.MULTILINE):
                yield from names.split()


class Line:
    """`METHOD URL [Header: value]… -> expected`, as one line of a `requests` block."""

    SHAPE = re.compile(r"^(?P<method>\S+)\s+http://(?P<host>[^/\s]*)(?P<target>/\S*)(?P<headers>(?:\s+\[[^\]]*\])*)\s*$")

    def __init__(self, number, text, path):
        self.number = number
        request, arrow, expected = text.partition("->")
        self.request = request.strip()
        self.expected = expected.strip() if arrow else ""
        shape = self.SHAPE.match(self.request)
        if shape is None:
            raise Unmeasurable(f"{path.name}:{number + 1}: not a request: {text}")
        self.method, self.host, self.target = shape["method"], shape["host"], shape["target"]
        self.headers = re.findall(r"\[([^\]]*)\]", shape["headers"])

    def bytes(self, port):
        """The request as it goes out, its escapes undone and the real port in place."""
        lines = [f"{self.method} {self.target} HTTP/1.1", f"Host: {self.host}", *self.headers, "Connection: close"]
        if self.method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
            lines.append("Content-Length: 0")
        return b"".join(unescape(line.replace("{port}", str(port))) + b"\r\n" for line in lines) + b"\r\n"


class Fixture:
    def __init__(self, path):
        self.path = path
        self.lines = path.read_text(encoding="utf-8").split("\n")
        self.cases = []
        self.read()

    def read(self):
        case = info = start = None
        for number, line in enumerate(self.lines):
            if info is None and line.startswith("## "):
                case = Case(line[3:].strip(), len(self.cases))
                self.cases.append(case)
            elif info is None and line.startswith("```"):
                info, start = line[3:].strip(), number + 1
            elif info is not None and line == "```":
                if case is not None:
                    self.block(case, info, start, number)
                info = None
        if info is not None:
            raise Unmeasurable(f"{self.path.name}:{start}: the block `{info}` does not end")

    def block(self, case, info, start, end):
        text = "\n".join(self.lines[start:end]) + "\n"
        name, _, rest = info.partition(" ")
        if name in ("nginx", "apache"):
            case.config += text
        elif name == "htaccess":
            case.htaccess.append((rest.strip().strip("/"), text))
        elif name == "map":
            case.maps.append((rest.strip(), text))
        elif name == "requests":
            block = [Line(number, self.lines[number], self.path) for number in range(start, end)
                     if self.lines[number].strip() and not self.lines[number].startswith("#")]
            case.requests += block
            case.blocks.append(block)
        else:
            raise Unmeasurable(f"{self.path.name}:{start}: a block of unknown kind `{info}`")

    def write(self, cases):
        for block in (block for case in cases for block in case.blocks):
            method = max(len(line.method) for line in block)
            for line in block:
                line.request = line.method.ljust(method) + " " + line.request[len(line.method):].lstrip()
            width = max(len(line.request) for line in block)
            for line in block:
                self.lines[line.number] = f"{line.request.ljust(width)}  ->  {line.expected}"
        self.path.write_text("\n".join(self.lines), encoding="utf-8")


def unescape(text):
    """`\\xNN` becomes the byte; everything else is UTF-8."""
    return re.sub(rb"\\x([0-9a-fA-F]{2})", lambda hit: bytes([int(hit[1], 16)]), text.encode("utf-8"))


def escape(raw):
    """Bytes as a fixture shows them: printable ASCII as it is, the rest, backslashes and outer blanks as `\\xNN`."""
    out = "".join(chr(byte) if 0x20 <= byte < 0x7F and byte != 0x5C else f"\\x{byte:02x}" for byte in raw)
    return re.sub(r"^ +| +$", lambda blanks: "\\x20" * len(blanks[0]), out)


# Servers -------------------------------------------------------------------------------------------------------------


class Nginx:
    kind, program, package, fixture = "nginx", "nginx", "nginx-light", "nginx.md"

    @staticmethod
    def configure(folder, cases):
        includes = []
        for case in cases:
            own = folder / f"case{case.index}.conf"
            text = re.sub(rf"\blisten {PORT}\b", f"listen 127.0.0.1:{case.port}", case.config)
            text = re.sub(rf"\b{PORT}\b", str(case.port), text)
            # `root` is the frame's: a server block of a case names none.
            text = re.sub(r"^server \{", lambda _: f"server {{ root {case.root};", text, flags=re.MULTILINE)
            own.write_text(text.replace(ROOT, str(case.root)), encoding="utf-8")
            includes.append(f"    include {own};")
        user = "user {} {};".format(*nobody()) if os.geteuid() == 0 else ""
        temporary = "\n".join(f"    {kind}_temp_path {folder}/{kind};"
                              for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = folder / "nginx.conf"
        conf.write_text(f"{user}\nmaster_process off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\n"
                        "events { worker_connections 256; }\n"
                        f"http {{\n    access_log off;\n    log_not_found off;\n    server_names_hash_bucket_size 128;\n"
                        f"{temporary}\n" + "\n".join(includes) + "\n}\n", encoding="utf-8")
        return ["-p", str(folder), "-c", str(conf), "-e", str(folder / "error.log")], ["-g", "daemon off;"], ["-t"]


class Apache:
    kind, program, package, fixture = "apache", "apache2", "apache2", "apache.md"
    modules = ("mpm_event", "authz_core", "alias", "rewrite", "dir", "mime", "setenvif")
    folders = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2")

    @classmethod
    def configure(cls, folder, cases):
        modules = next((Path(path) for path in cls.folders if Path(path, "mod_rewrite.so").exists()), None)
        if modules is None:
            raise Unmeasurable("its modules are in none of " + ", ".join(cls.folders))
        types = folder / "mime.types"
        types.write_text("text/html html\n", encoding="utf-8")
        text = [f"ServerRoot {folder}", "ServerName frame.test", f"PidFile {folder}/apache.pid",
                f"ErrorLog {folder}/error.log", f"DefaultRuntimeDir {folder}", f"Mutex file:{folder} default"]
        text += [f"LoadModule {name}_module {modules}/mod_{name}.so" for name in cls.modules]
        text += [f"TypesConfig {types}", "StartServers 1", "ThreadsPerChild 16", "MaxRequestWorkers 16",
                 "MinSpareThreads 1", "MaxSpareThreads 16", "ServerLimit 1"]
        if os.geteuid() == 0:
            text += ["User {}\nGroup {}".format(*nobody())]
        for case in cases:
            own = case.config
            if "<VirtualHost" not in own:
                own = f"<VirtualHost *:{PORT}>\n{own}</VirtualHost>\n"
            own = re.sub(rf"\b{PORT}\b", str(case.port), own)
            own = re.sub(r"^<VirtualHost .*>$", lambda line: f"{line[0]}\nDocumentRoot {case.root}", own,
                         flags=re.MULTILINE)
            own = own.replace(ROOT, str(case.root))
            text += [f"Listen 127.0.0.1:{case.port}", f"<Directory {case.root}>", "AllowOverride All",
                     "Options FollowSymLinks", "Require all granted", "</Directory>", own]
        conf = folder / "apache.conf"
        conf.write_text("\n".join(text) + "\n", encoding="utf-8")
        return ["-d", str(folder), "-f", str(conf), "-E", str(folder / "startup.log")], ["-DFOREGROUND"], ["-t"]


SERVERS = {server.kind: server for server in (Nginx, Apache)}


def find_program(server):
    folders = os.environ.get("PATH", "") + os.pathsep + "/usr/sbin" + os.pathsep + "/usr/local/sbin"
    return shutil.which(server.program, path=folders)


def nobody():
    """User and group that a server started as root serves as: they need only read the temporary folder."""
    return "nobody", grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name


class Running:
    """One server process with every case on a port of its own, from start to end of the `with`."""

    def __init__(self, server, program, cases):
        self.server, self.program, self.cases = server, program, cases

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="byway-spike-"))
        try:
            self.folder.chmod(0o755)
            for case in self.cases:
                case.root = self.folder / f"www{case.index:02}"
                lay_out(case)
            for attempt in range(3):  # another program may take a free port between the look and the start
                give_ports(self.cases)
                if self.start():
                    return self
            raise Unmeasurable(f"does not start:\n{self.log()}")
        except BaseException:
            self.__exit__()
            raise

    def start(self):
        common, run, check = self.server.configure(self.folder, self.cases)
        checked = subprocess.run([self.program, *common, *check], capture_output=True, text=True, check=False)
        if checked.returncode != 0:
            raise Unmeasurable(f"refuses a configuration:\n{checked.stdout}{checked.stderr}{self.log()}")
        self.process = subprocess.Popen([self.program, *common, *run], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        until = time.monotonic() + 10
        while time.monotonic() < until and self.process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.cases[-1].port), 1).close()
                return True
            except OSError:
                time.sleep(0.01)
        self.stop()
        return False

    def ask(self, case, line):
        """What the server answers, in the words of a fixture."""
        with socket.create_connection(("127.0.0.1", case.port), 10) as wire:
            wire.sendall(line.bytes(case.port))
            answer = b""
            while piece := wire.recv(65536):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        first, *fields = head.split(b"\r\n")
        shape = re.match(rb"HTTP/1\.[01] (\d{3})\b", first)
        if shape is None:
            raise Unmeasurable(f"{case.heading}: no answer to {line.request}: {answer[:80]!r}")
        status = int(shape[1])
        location = location_of(fields)
        if location is not None:
            return f"{status} {self.location(case, location)}"
        if status in REDIRECTS:
            return f"{status} (no Location)"
        named = re.match(rb"file (\S+)\n$", body)
        if status == 200 and named:
            return f"200 file {named[1].decode()}"
        return str(status)

    @staticmethod
    def location(case, raw):
        raw = raw[1:] if raw.startswith(b" ") else raw  # the one blank that both servers write after the colon
        said = escape(raw).replace(f":{case.port}", ":{port}").replace(str(case.root), ROOT)
        return said or "(empty)"

    def log(self):
        names = ("error.log", "startup.log")
        return "\n".join((self.folder / name).read_text(errors="replace")[-2000:]
                         for name in names if (self.folder / name).exists())

    def stop(self):
        process = getattr(self, "process", None)
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the session that start() made: it and its children
            process.wait()

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def location_of(fields):
    """The value of Location, with the line breaks that a request smuggled into it: lines that begin `X-Injected:`."""
    names = [field.split(b":", 1)[0].lower() for field in fields]
    if b"location" not in names:
        return None
    first = names.index(b"location")
    last = first + 1
    while last < len(names) and names[last] == b"x-injected":
        last += 1
    return b"\r\n".join([fields[first].split(b":", 1)[1], *fields[first + 1:last]])


def lay_out(case):
    """The document root of a case: every file says its own name."""
    case.root.mkdir()
    for folder, text in case.htaccess:
        (case.root / folder).mkdir(parents=True, exist_ok=True)
        (case.root / folder / ".htaccess").write_text(text.replace(ROOT, str(case.root)), encoding="utf-8")
    for name, text in case.maps:
        (case.root / name).write_text(text, encoding="utf-8")
    for name in case.files():
        path = case.root / name.lstrip("/")
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"file /{name.lstrip('/')}\n", encoding="utf-8")


def give_ports(cases):
    held = []
    for case in cases:
        probe = socket.socket()
        probe.bind(("127.0.0.1", 0))
        held.append(probe)
        case.port = probe.getsockname()[1]
    for probe in held:
        probe.close()


if __name__ == "__main__":
    main()
