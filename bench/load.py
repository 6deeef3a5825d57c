"""One turn of load by wrk on a core of its own, and what it cost the server; and how tables of such turns are written."""

import json
import os
import statistics
import subprocess
import sys

import peers

LUA = os.path.join(peers.HERE, "load.lua")


def turn(server, sends, seed, seconds, core, connections=64, url=None):
    """Figures of wrk, and the processor time that the server took for them."""
    command = ["taskset", "-c", core, "wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--latency",
               "-s", LUA, url or server.url(), "--", sends, str(seed)]
    before, mine = server.cpu(), os.times()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60)
    spent, after = server.cpu() - before, os.times()
    try:
        said = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("FIGURES "))[8:])
    except StopIteration:
        raise SystemExit(f"wrk: {done.stdout}{done.stderr}") from None
    if said["refused"] or not said["requests"]:
        raise SystemExit(f"{server.name} failed under load: {said}")
    lasted = said["microseconds"] / 1e6
    generator = after.children_user + after.children_system - mine.children_user - mine.children_system
    return {"rate": said["requests"] / lasted, "p50": said["p50"], "p99": said["p99"], "cpu": spent / said["requests"] * 1e6,
            "errors": said["errors"], "busy": spent / lasted, "generator": generator / lasted}


def middle(rows):
    """The median of every figure."""
    return {name: statistics.median(row[name] for row in rows) for name in rows[0]}


def heading(command, programs):
    """By what, on what and with what was measured."""
    with open("/proc/cpuinfo") as f:
        model = next((line.split(":")[1].strip() for line in f if line.startswith("model name")), "unknown processor")
    said = " ".join([command, *sys.argv[1:]])
    machine = f"{model}, {os.cpu_count()} cores, Linux {os.uname().release.split('-')[0]}"
    return f"`{said}` on {machine}: {', '.join(map(peers.version, programs))}."


def table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "| --- |" + " ---: |" * (len(columns) - 1)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def keep(name, text):
    """Prints a report, and keeps it in bench/out."""
    os.makedirs(peers.OUT, exist_ok=True)
    with open(os.path.join(peers.OUT, name + ".md"), "w") as f:
        f.write(text + "\n")
    print(text)


def say(text):
    print(text, file=sys.stderr, flush=True)
