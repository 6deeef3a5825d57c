#!/usr/bin/env python3
"""Sends real clients and hand-written requests to a running server, and says for each whether the 307 arrived.

    byway serve tests/clients/rules.toml --listen 127.0.0.1:8080
    tests/clients/run.py --base http://127.0.0.1:8080                 # all but the heavy ones
    tests/clients/run.py --base http://127.0.0.1:8080 --case raw malformed curl/4MiB
    tests/clients/run.py --serve target/release/byway --case linger    # starts and stops the server itself
    tests/clients/run.py --serve target/release/byway --rules-add '[server.linger]\\nwindow = "2s"' --stall 2 --case linger/stalled-is-cut

One line each: `ok NAME`, `FAIL NAME: why`, `skip NAME: why`; then the counts. Exits 1 if any failed. A skip for want of what
BYWAY_REQUIRE names (a comma list) is a failure. npm packages and `requests` come from $BYWAY_TESTBED as scripts/test lays it
out, npm packages also from the node_modules that $NODE_CLIENTS names.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import lib  # noqa: E402
import programs  # noqa: E402
import follow  # noqa: E402
import raw  # noqa: E402, F401
import malformed  # noqa: E402, F401
import h2  # noqa: E402, F401
import tls  # noqa: E402, F401
import uses  # noqa: E402, F401
import behind  # noqa: E402, F401

RULES = os.path.join(HERE, "rules.toml")
ORIGIN = 18307  # the port that rules.toml names


def main():
    options = arguments()
    programs.with_requests()
    if options.list:
        for name, (_, heavy) in lib.CASES.items():
            print(name + (" (heavy)" if heavy else ""))
        return 0
    names = lib.chosen(options.case)
    follows = any("follow" in name for name in names)
    origin = follow.start_origin(0 if options.serve else options.origin_port) if follows else None
    with tempfile.TemporaryDirectory(prefix="byway-clients-") as folder:
        server = None
        try:
            if options.serve:
                server, options.base, options.tls_base = start(options, folder, origin)
            host, port = re.fullmatch(r"http://([^:/]+):(\d+)/?", options.base).groups()
            return report(names, lib.World(host, int(port), folder, options, origin, server), options, server)
        finally:
            if server:
                server.terminate()
                server.wait(30)


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--base", help="the server, as http://ADDRESS:PORT; it serves rules.toml")
    p.add_argument("--tls-base", help="where it speaks TLS, as https://ADDRESS:PORT; the certificate that it shows is trusted")
    p.add_argument("--serve", metavar="BYWAY", help="start this byway with rules.toml instead")
    p.add_argument("--rules-add", default="", metavar="TOML", help="with --serve: text before the rules, such as a [server] table")
    p.add_argument("--case", nargs="+", metavar="NAME", help="cases, groups, globs; heavy ones only by name or as `heavy`")
    p.add_argument("--list", action="store_true", help="only say what there is")
    p.add_argument("--no-skip", action="store_true", help="a case that cannot be asked here has failed")
    p.add_argument("--origin-port", type=int, default=ORIGIN, help="where the origin of /follow/* listens")
    p.add_argument("--stall", type=float, default=10, help="seconds within which a stalled sender is found out (10)")
    p.add_argument("--per-address", type=int, default=16, help="how many may linger for one address (16)")
    p.add_argument("--quick", type=float, default=3, help="seconds that a plain request may take beside many senders (3)")
    options = p.parse_args()
    if not (options.base or options.serve or options.list):
        p.error("--base or --serve")
    return options


def start(options, folder, origin):
    """The server with these rules and its addresses, once it says where it listens."""
    rules = os.path.join(folder, "byway.toml")
    with open(RULES) as f:
        text = f.read()
    if origin:
        text = text.replace(f"127.0.0.1:{ORIGIN}", f"127.0.0.1:{origin.server_port}")
    with open(rules, "w") as f:
        f.write(options.rules_add.replace("\\n", "\n") + "\n" + text)
    log = open(os.path.join(folder, "stderr"), "w+")
    listens = ["--listen", "127.0.0.1:0", "--listen-tls", "127.0.0.1:0", "--tls-self-signed"]
    server = subprocess.Popen([options.serve, "serve", rules, *listens], stdin=subprocess.DEVNULL, stderr=log)
    for _ in range(600):
        with open(log.name) as f:
            said = f.read()
        if found := re.search(r"listening on (http://\S+:\d+)\nlistening on (https://\S+:\d+)\n", said):
            return server, found[1], found[2]
        if server.poll() is not None:
            break
        time.sleep(0.05)
    server.kill()
    sys.exit(f"{options.serve} did not start:\n{said}")


def report(names, world, options, server):
    required = [name.strip() for name in os.environ.get("BYWAY_REQUIRE", "").split(",")]
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for name in names:
        began = time.monotonic()
        try:
            lib.CASES[name][0](world)
            word, why = "ok", ""
        except lib.Skip as e:
            why = str(e)  # it begins with the name of what is missing
            word = "FAIL" if options.no_skip or why.split()[0] in required else "skip"
        except lib.Fail as e:
            word, why = "FAIL", str(e)
        except Exception as e:
            word, why = "FAIL", f"{type(e).__name__}: {e}"
        if server and server.poll() is not None:
            word, why = "FAIL", f"the server ended with {server.returncode}"
        counts[word] += 1
        took = time.monotonic() - began
        slow = f"  ({took:.1f} s)" if took > 5 else ""
        print(f"{word:4} {name}{': ' + ' '.join(why.split()) if why else ''}{slow}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    sys.exit(main())
