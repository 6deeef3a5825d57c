"""The servers that are measured beside each other: byway, nginx, HAProxy, Apache, Caddy, each told to do the same thing.

`Server` starts one with its configuration in a folder of its own, waits until the right answer comes, and says what it costs:
CPU time and memory of its whole process tree. What is measured is the business of `serve` and `arrive`.
"""

import glob
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
OUT = os.path.join(HERE, "out")
ROWS = 1_000_000
TICK = os.sysconf("SC_CLK_TCK")

# Whoever is told to stop ends as any error does, so that no server stays behind.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

# One rule of the million, from its number alone, so that the load generator needs no table: `load.lua` says the same.
WORDS = "amber atlas basic birch cargo cedar cloud delta ember field grape honey ivory maple olive river".split()


def slug(n):
    h = (n * 7919 + 104729) % 1048576
    return "-".join(WORDS[h // 16**at % 16] for at in range(5))


def path(n):
    return f"/p/{n:07}/{slug(n)}"


def target(n):
    return f"https://shop.example.com/catalog/items/{n:07}"


# --- byway ------------------------------------------------------------------------------------------------------------------


def byway_binary():
    """$BYWAY_BIN, or what was built last; None if nothing was."""
    if named := os.environ.get("BYWAY_BIN"):
        return named
    built = [os.path.join(ROOT, "target", profile, "byway") for profile in ("dist", "release")]
    return next((b for b in built if os.path.exists(b)), None)


def installed(name):
    if name == "byway":
        return byway_binary() is not None
    return shutil.which({"apache": "apache2"}.get(name, name)) is not None


def version(name):
    command = {
        "byway": [byway_binary() or "byway", "--version"], "nginx": ["nginx", "-v"], "haproxy": ["haproxy", "-v"],
        "apache": ["apache2", "-v"], "caddy": ["caddy", "version"], "wrk": ["wrk", "-v"],
        "openssl": ["openssl", "version"],
    }[name]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return name
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return f"{name} {found[0] if found else '?'}"


# --- configurations: each writes its files into a folder and gives the command ---------------------------------------------

DETOUR = "https://shop.example.com/new"


def byway_one(folder, port, _):
    rules = write(folder, "byway.toml", f'[[redirect]]\nfrom = "/old"\nto = "{DETOUR}"\nstatus = 307\n')
    return [byway_binary(), "serve", rules, "--listen", f"127.0.0.1:{port}", "--workers", "1"]


def byway_million(folder, port, how):
    rules = million(folder, "rules.csv", "from,to,status\n", lambda n: f"{path(n)},{target(n)},307\n")
    if how != "csv":
        compiled = os.path.join(folder, "rules.byway")
        if not os.path.exists(compiled) or os.path.getmtime(compiled) < os.path.getmtime(shutil.which(byway_binary())):
            began = time.monotonic()
            subprocess.run([byway_binary(), "compile", rules, "-o", compiled], check=True, stderr=subprocess.DEVNULL)
            write(folder, "compile-seconds", f"{time.monotonic() - began:.2f}")
        rules = compiled
    command = [byway_binary(), "serve", rules, "--listen", f"127.0.0.1:{port}", "--workers", "1"]
    return command + (["--map"] if how == "map" else [])


def nginx(folder, port, http, server, listen=""):
    os.makedirs(os.path.join(folder, "tmp"), exist_ok=True)
    conf = write(
        folder,
        "nginx.conf",
        f"""daemon off; master_process on; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log crit;
{"user root;" if os.geteuid() == 0 else ""}
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp;
  fastcgi_temp_path {folder}/tmp; uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
  {http}
  server {{ listen 127.0.0.1:{port}{listen}; {server} }}
}}
""",
    )
    return ["nginx", "-e", f"{folder}/error.log", "-c", conf]


def nginx_one(folder, port, _):
    return nginx(folder, port, "", f"location = /old {{ return 307 {DETOUR}; }}")


def nginx_million(folder, port, _):
    million(folder, "map.conf", "", lambda n: f"{path(n)} {target(n)};\n")
    maps = f"map_hash_max_size 2097152; map_hash_bucket_size 128; map $uri $to {{ include {folder}/map.conf; }}"
    return nginx(folder, port, maps, "location / { if ($to) { return 307 $to; } return 404; }")


def haproxy(folder, port, rules):
    conf = write(
        folder,
        "haproxy.cfg",
        f"""global
  nbthread 1
  maxconn 4000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  timeout http-keep-alive 600s
frontend f
  bind 127.0.0.1:{port}
{rules}
""",
    )
    return ["haproxy", "-db", "-f", conf]


def haproxy_one(folder, port, _):
    return haproxy(folder, port, f"  http-request redirect location {DETOUR} code 307 if {{ path /old }}")


def haproxy_million(folder, port, _):
    table = million(folder, "map.txt", "", lambda n: f"{path(n)} {target(n)}\n")
    rules = f"  http-request set-var(txn.to) path,map_str({table})\n"
    rules += "  http-request redirect location %[var(txn.to)] code 307 if { var(txn.to) -m found }"
    return haproxy(folder, port, rules)


def apache(folder, port, rules):
    conf = write(
        folder,
        "apache.conf",
        f"""ServerName bench.test
ServerRoot {folder}
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
Mutex file:{folder}
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
ErrorLog {folder}/error.log
LogLevel crit
{"User www-data" if os.geteuid() == 0 else ""}
{"Group www-data" if os.geteuid() == 0 else ""}
StartServers 1
ServerLimit 1
ThreadsPerChild 256
ThreadLimit 256
MaxRequestWorkers 256
MinSpareThreads 1
MaxSpareThreads 256
AsyncRequestWorkerFactor 8
KeepAlive On
MaxKeepAliveRequests 0
DocumentRoot {folder}
{rules}
""",
    )
    return ["apache2", "-D", "FOREGROUND", "-f", conf]


def apache_one(folder, port, _):
    return apache(folder, port, f"Redirect 307 /old {DETOUR}")


def caddy(folder, port, rules):
    text = "{\n  admin off\n  auto_https off\n}\nhttp://127.0.0.1:%d, http://:%d {\n  bind 127.0.0.1\n%s\n}\n"
    conf = write(folder, "Caddyfile", text % (port, port, rules))
    return ["env", f"HOME={folder}", "GOMAXPROCS=1", "caddy", "run", "--config", conf, "--adapter", "caddyfile"]


def caddy_one(folder, port, _):
    return caddy(folder, port, f"  redir /old {DETOUR} 307")


# every upload is sent elsewhere, for `arrive`


def byway_upload(folder, port, _):
    rules = write(folder, "byway.toml", '[[redirect]]\nfrom = "/upload/*"\nto = "https://t.test/upload/*"\nstatus = 307\n')
    return [byway_binary(), "serve", rules, "--listen", f"127.0.0.1:{port}"]


def nginx_upload(folder, port, how):
    limit = "client_max_body_size 0;" if how == "no limit" else ""
    return nginx(folder, port, limit, "location /upload/ { return 307 https://t.test$request_uri; }")


def haproxy_upload(folder, port, _):
    return haproxy(folder, port, "  http-request redirect prefix https://t.test code 307 if { path_beg /upload/ }")


def apache_upload(folder, port, _):
    return apache(folder, port, "Redirect 307 /upload https://t.test/upload")


def caddy_upload(folder, port, _):
    return caddy(folder, port, "  redir /upload/* https://t.test{uri} 307")


def write(folder, name, text):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "w") as f:
        f.write(text)
    return f.name


def million(folder, name, head, row):
    """A file of the million rules, written once."""
    os.makedirs(folder, exist_ok=True)
    file = os.path.join(folder, name)
    if not os.path.exists(file):
        with open(file + ".part", "w", buffering=1 << 20) as f:
            f.write(head)
            f.writelines(row(n) for n in range(ROWS))
        os.rename(file + ".part", file)
    return file


# --- a running server -------------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server that answers `asked` with `wanted` (or one of them) as Location; `load` seconds passed until it did."""

    def __init__(self, name, configure, folder, how="", core=None, asked="/old", wanted=DETOUR, patience=120):
        self.name, self.port = name, free_port()
        command = configure(folder, self.port, how)
        self.log = open(os.path.join(folder, "output"), "w+")
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        began = time.monotonic()
        self.process = subprocess.Popen(
            pinned + command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self.wait(asked, wanted, began + patience)
        self.load = time.monotonic() - began
        self.held_when_loaded = self.memory()

    def answer(self, asked):
        return ask(self.port, asked)

    def url(self, path="/old"):
        return f"http://127.0.0.1:{self.port}{path}"

    def wait(self, asked, wanted, end):
        while True:
            try:
                status, location, _ = self.answer(asked)
            except OSError:
                status = None
            if status == 307 and location in (wanted if isinstance(wanted, tuple) else (wanted,)):
                return
            if status is not None or self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                with open(self.log.name) as f:
                    said = f.read()[-2000:]
                raise SystemExit(f"{self.name} does not answer {asked} as it should ({status}):\n{said}")
            time.sleep(0.002)

    def tree(self):
        """The process and all below it."""
        found, at = [self.process.pid], 0
        while at < len(found):
            for task in glob.glob(f"/proc/{found[at]}/task/*/children"):
                try:
                    with open(task) as f:
                        found += [int(p) for p in f.read().split()]
                except OSError:
                    pass
            at += 1
        return found

    def cpu(self):
        """Seconds of processor, user and system, of every process, ended children too."""
        total = 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/stat") as f:
                    total += sum(map(int, f.read().rsplit(")", 1)[1].split()[11:15]))
            except OSError:
                pass
        return total / TICK

    def memory(self):
        """Bytes: resident now with shared pages counted once, resident of the largest process, its peak."""
        pss, rss, peak = 0, 0, 0
        for pid in self.tree():
            try:
                with open(f"/proc/{pid}/smaps_rollup") as f:
                    pss += kib(f.read(), "Pss")
                with open(f"/proc/{pid}/status") as f:
                    text = f.read()
                rss, peak = max(rss, kib(text, "VmRSS")), max(peak, kib(text, "VmHWM"))
            except OSError:
                pass
        return {"pss": pss, "rss": rss, "peak": peak}

    def stop(self):
        """Ends the whole tree, by the process group that it was started in."""
        try:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def kib(text, name):
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.M)
    return int(found[1]) * 1024 if found else 0


def ask(port, path, method="GET", body=b"", tls=False):
    """One request by hand: status, Location, and how many bytes the whole answer was."""
    with connected(port, tls) as s:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        s.sendall(f"{method} {path} HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n{length}\r\n".encode() + body)
        data = b""
        try:
            while more := s.recv(65536):
                data += more
        except ssl.SSLEOFError:
            pass  # nginx leaves close_notify out
    found = re.match(rb"HTTP/1\.1 (\d+)", data)
    place = re.search(rb"^location: (\S+)\r", data, re.I | re.M)
    return int(found[1]) if found else 0, place[1].decode() if place else None, len(data)


def connected(port, tls):
    connection = socket.create_connection(("127.0.0.1", port), 10)
    if not tls:
        return connection
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(connection)
