#!/usr/bin/env python3
"""Requests at a fixed rate over kept-alive connections, and how long each took from the moment in which it was due.

A program of its own, so that whoever measures with it waits for nothing else; it keeps its core busy rather than sleep. It
prints JSON: of every request when it was due (on the monotonic clock), and its microseconds, or null if it was lost; and when an
answer that it looked for was due first.
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
    p.add_argument("--look", nargs=2, metavar=("PATH", "LOCATION"), help="asks for this path, too, until it leads there")
    options = p.parse_args()
    gc.disable()
    json.dump(run(options), sys.stdout)


def run(options):
    draw = random.Random(307)
    paths = [peers.path(draw.randrange(peers.ROWS)) if options.million else "/old" for _ in range(4_096)]
    if options.look:
        paths[::20] = [options.look[0]] * len(paths[::20])
    world = World(options.port, f"Location: {options.look[1]}\r\n".encode() if options.look else None)
    requests = [f"GET {path} HTTP/1.1\r\nHost: bench.test\r\n\r\n".encode() for path in paths]
    for _ in range(options.connections):
        world.open_one()
    total, sent, began = int(options.rate * options.seconds), 0, time.monotonic() + 0.2
    due = began
    while sent < total or world.waiting:
        now = time.monotonic()
        while sent < total and now >= due and world.idle:
            world.send(requests[sent % len(requests)], due)
            sent += 1
            due = began + sent / options.rate
        for number, _ in world.poll.poll(0):
            world.take(number)
        if world.waiting and sent >= total and now > due + PATIENCE:
            world.done += [(due, None) for _, due in world.waiting.values()]
            break
    return {"requests": world.done, "seen": world.seen}


class World:
    """The connections, those that are idle and those that wait for an answer, and what came of all requests."""

    def __init__(self, port, wanted):
        self.port, self.wanted, self.seen = port, wanted, None
        self.poll, self.idle, self.waiting, self.done = select.epoll(), collections.deque(), {}, []

    def open_one(self):
        connection = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self.poll.register(connection.fileno(), select.EPOLLIN)
        self.idle.append(connection)

    def send(self, request, due):
        connection = self.idle.popleft()
        try:
            connection.send(request)
            self.waiting[connection.fileno()] = (connection, due)
        except OSError:
            self.done.append((due, None))
            self.open_one()

    def take(self, number):
        """An answer, or the end of a connection."""
        connection, due = self.waiting.pop(number, (None, None))
        if connection is None:
            # A connection that ended while nobody asked is no loss.
            connection = next(one for one in self.idle if one.fileno() == number)
            self.idle.remove(connection)
        try:
            answer = connection.recv(65536)
        except OSError:
            answer = b""
        if due is not None:
            took = round((time.monotonic() - due) * 1e6) if answer.startswith(b"HTTP/1.1 307 ") else None
            self.done.append((due, took))
            if self.wanted and self.seen is None and self.wanted in answer:
                self.seen = due
        if answer and b"onnection: close" not in answer:
            self.idle.append(connection)
        else:
            self.poll.unregister(number)
            connection.close()
            self.open_one()


if __name__ == "__main__":
    main()
