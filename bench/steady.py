#!/usr/bin/env python3
"""Requests at a fixed rate over kept-alive connections, and how long each took from the moment in which it was due.

A program of its own, so that whoever measures with it waits for nothing else; it keeps its core busy rather than sleep. It
prints a line of JSON for every request: when it was due (on the monotonic clock), and its microseconds, or null if it was lost.
"""

import argparse
import collections
import gc
import json
import os
import random
import select
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import peers  # noqa: E402

PATIENCE = 5  # seconds for an answer


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("port", type=int)
    p.add_argument("--rate", type=float, default=2_000)
    p.add_argument("--seconds", type=float, default=10)
    p.add_argument("--connections", type=int, default=32)
    p.add_argument("--million", action="store_true", help="paths of the million at random; /old otherwise")
    options = p.parse_args()
    gc.disable()
    json.dump(run(options), sys.stdout)


def run(options):
    draw = random.Random(307)
    paths = [peers.path(draw.randrange(peers.ROWS)) if options.million else "/old" for _ in range(4_096)]
    requests = [f"GET {path} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode() for path in paths]
    poll, idle, waiting = select.epoll(), collections.deque(), {}
    done = []
    for _ in range(options.connections):
        open_one(options.port, poll, idle)
    total, sent, began = int(options.rate * options.seconds), 0, time.monotonic() + 0.2
    due = began
    while sent < total or waiting:
        now = time.monotonic()
        while sent < total and now >= due and idle:
            connection = idle.popleft()
            try:
                connection.send(requests[sent % len(requests)])
                waiting[connection.fileno()] = (connection, due)
            except OSError:
                done.append((due, None))
                open_one(options.port, poll, idle)
            sent += 1
            due = began + sent / options.rate
        for number, _ in poll.poll(0):
            take(number, waiting, idle, done, poll, options.port)
        if waiting and sent >= total and now > due + PATIENCE:
            done += [(due, None) for _, due in waiting.values()]
            break
    return done


def take(number, waiting, idle, done, poll, port):
    """An answer, or the end of a connection."""
    connection, due = waiting.pop(number, (None, None))
    if connection is None:
        # A connection that ended while nobody asked is no loss.
        connection = next(one for one in idle if one.fileno() == number)
        idle.remove(connection)
    try:
        answer = connection.recv(65536)
    except OSError:
        answer = b""
    if due is not None:
        took = round((time.monotonic() - due) * 1e6) if answer.startswith(b"HTTP/1.1 307 ") else None
        done.append((due, took))
    if answer and b"onnection: close" not in answer:
        idle.append(connection)
    else:
        poll.unregister(number)
        connection.close()
        open_one(port, poll, idle)


def open_one(port, poll, idle):
    connection = socket.create_connection(("127.0.0.1", port), PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setblocking(False)
    poll.register(connection.fileno(), select.EPOLLIN)
    idle.append(connection)


if __name__ == "__main__":
    main()
