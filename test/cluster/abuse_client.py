#!/usr/bin/python3
"""abuse_client.py [NAME...] - the clients' port: requests cut anywhere, lengths and operations that cannot be, silent
and half-open connections, ten thousand of them, clients that do not read and clients that send a byte at a time.
Beside each another client works on; BAD_INPUT.md has what is answered."""
import os
import resource
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, counters  # noqa: E402
from cluster import SLOW, Cluster, Skipped, check, run_tests, wait_for  # noqa: E402
from raw_client import *  # noqa: E402,F403  its names are the protocol's

RECORDS = [(CREATE, text("/a") + text(b"x") + acls(OPEN) + i4(0)), (CREATE2, text("/b") + text(b"x") + acls(OPEN) + i4(0)),
           (CONTAINER, text("/c") + text(b"x") + acls(OPEN) + i4(4)), (TTL, text("/t") + text(b"x") + acls(OPEN) + i4(5) + i8(99)),
           (DELETE, text("/none") + i4(-1)), (SET, text("/a") + text(b"x") + i4(-1)), (SETACL, text("/a") + acls(OPEN) + i4(-1)),
           (EXISTS, text("/a") + b"\1"), (GET, text("/a") + b"\1"), (CHILDREN, text("/") + b"\1"), (CHILDREN2, text("/") + b"\0"),
           (GETACL, text("/a")), (SYNC, text("/a")), (EPHEMERALS, text("/")), (ALLCHILDREN, text("/")), (ADDWATCH, text("/a") + i4(0)),
           (CHECKWATCHES, text("/a") + i4(3)), (REMOVEWATCHES, text("/a") + i4(3)),
           (SETWATCHES, i8(0) + texts(["/a"]) * 3), (SETWATCHES2, i8(0) + texts(["/a"]) * 5),
           (MULTI, multi([(CREATE, text("/m") + text(b"x") + acls(OPEN) + i4(0)), (DELETE, text("/m") + i4(-1))])),
           (MULTIREAD, multi([(GET, text("/a") + b"\0"), (CHILDREN, text("/") + b"\0")]))]


class Other(threading.Thread):
    """The client that is not to notice anything: writes and reads, and keeps how long the slowest took."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.session, self.slowest, self.done, self.error, self.stop = Session(address), 0.0, 0, None, threading.Event()
        self.session.ask(CREATE, text("/other") + text(b"") + acls(OPEN) + i4(0))
        self.start()

    def run(self):
        try:
            while not self.stop.wait(0.002):
                begin = time.monotonic()
                value = b"%d" % self.done
                err, _, _ = self.session.ask(SET, text("/other") + text(value) + i4(-1))
                got, _, r = self.session.ask(GET, text("/other") + b"\0")
                check(err == 0 and got == 0 and r.text() == value, "another client's answers: %d %d" % (err, got))
                self.slowest = max(self.slowest, time.monotonic() - begin)
                self.done += 1
        except Exception as e:
            self.error = repr(e)

    def end(self):
        self.stop.set()
        self.join(30)
        self.session.close()


class Node:
    """One node, another client of it, and the address."""

    def __init__(self, name):
        self.cluster = Cluster("client-" + name, nodes=1, base_port=26000, prefix="build/abuse", app="tree", ports=[],
                               max_client_cnxns=0, timeout_us=2000000, heartbeat_us=50000, disk_timeout_ms=30000, tick_ms=2000)
        self.name = name

    def __enter__(self):
        self.cluster.__enter__()
        self.cluster.start()
        self.cluster.wait_serving()
        self.node = self.cluster.nodes[0]
        self.address = ("127.0.0.1", self.cluster.base_port + 1)
        self.other = Other(self.address)
        wait_for("the other client", lambda: self.other.done > 3 or self.other.error)
        return self

    def __exit__(self, error, *rest):
        if error is None:
            before = self.other.done
            wait_for("the other client to go on", lambda: self.other.done > before + 3 or self.other.error)
        self.other.end()
        if error is None:
            check(not self.other.error, "the other client: %s" % self.other.error)
            check(self.other.slowest < 3 * SLOW, "the other client waited %.1f s" % self.other.slowest)
        self.cluster.__exit__(error, *rest)

    def rss(self):
        with open("/proc/%d/statm" % self.node.process.pid) as f:
            return int(f.read().split()[1]) * resource.getpagesize()

    def said(self, row, action):
        """action's answer stands in the log, in one line."""
        since = len(self.node.log())
        action()
        wait_for("a line about: " + row, lambda: "\n" in self.node.log()[since:], 20)
        time_line = self.node.log()[since:]
        answered(row, time_line)
        check(len(time_line.splitlines()) == 1, "%s: not one line: %s" % (row, time_line))


def ends(address, *sent):
    c = Connection(address)
    for s in sent:
        c.send(s)
    c.ended()
    c.close()


def test_every_truncation_and_every_number_in_a_request():
    with Node("cut") as n:
        s = Session(n.address)
        for op, record in RECORDS:
            for i in range(len(record)):
                err, _, r = s.ask(op, record[:i])
                check(err == -5 and not r.left(), "operation %d cut to %d bytes: %d" % (op, i, err))
        odd = (-1, -2, -(1 << 31), 0, 1 << 20, (1 << 31) - 1)
        for op, record in RECORDS:
            for at in range(len(record) - 3):
                out = [s.request(op, record[:at] + i4(v) + record[at + 4:]) for v in odd]
                s.send(b"".join(out))
                for _ in out:  # what they are is the differential test's: here each is answered
                    while struct.unpack(">i", s.packet()[:4])[0] == XID_EVENT:
                        pass
        check(s.ask(PING)[0] == 0, "the connection goes on")
        s.close()


def test_operations_that_are_none():
    with Node("operation") as n:
        for op in (0, 10, 13, 20, 23, 99, 108, 999, -1, -2, -10, -12, 1 << 30, -(1 << 31)):
            s = Session(n.address)
            check(s.ask(op, text("/a") + i4(-1))[0] == -6, "operation %d is not UNIMPLEMENTED" % op)
            check(s.ended() == b"", "operation %d: something behind the answer" % op)
            s.close()


def test_connect_requests_cut_and_lengths_that_cannot_be():
    with Node("hello") as n:
        whole = hello()
        for short in (False, True):
            c = Connection(n.address)
            timeout, session, password, rest = c.connect(short=short)
            check(timeout > 0 and session and len(password) == 16 and len(rest) == (0 if short else 1), "a connect request of %d bytes" % (45 - short))
            c.close()
        for i in range(8, len(whole) - 1):
            n.said("2181: a connect request cut short", lambda i=i: ends(n.address, frame(whole[:i])))
        for length in (-1, -(1 << 31), 1048576, (1 << 31) - 1):
            n.said("2181: a length that cannot be", lambda v=length: ends(n.address, i4(v) + b"x" * 8))
            s = Session(n.address)
            n.said("2181: a length that cannot be", lambda v=length, s=s: (s.send(i4(v) + b"x" * 8), s.ended()))
            s.close()
        for length in (0, 1, 7):
            n.said("2181: a packet without a header", lambda v=length: ends(n.address, i4(v) + b"x" * 8))
        n.said("2181: text", lambda: ends(n.address, b"GET / HTTP/1.0\r\n\r\n"))


def test_a_client_that_sends_a_byte_at_a_time():
    with Node("byte") as n:
        c = Connection(n.address)
        for byte in frame(hello()):
            c.send(bytes([byte]))
        c.packet()
        for op, record in RECORDS[:8]:
            for byte in frame(i4(7) + i4(op) + record):
                c.send(bytes([byte]))
            check(struct.unpack(">i", c.packet()[:4])[0] in (7, XID_EVENT), "operation %d, byte by byte" % op)
        c.close()


def test_silent_and_half_open_connections_end_in_ten_seconds():
    with Node("silent") as n:
        half = [Connection(n.address) for _ in range(3)]
        half[1].send(frame(hello())[:20])
        half[2].send(i4(1000000))
        half[2].socket.shutdown(socket.SHUT_WR)
        begin = time.monotonic()
        for c in half:
            c.ended()
            c.close()
        took = time.monotonic() - begin
        check(7 < took < 20 * SLOW, "they ended after %.1f s" % took)


def test_ten_thousand_idle_connections():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10000
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * wanted + 1000), max(hard, 2 * wanted + 1000)))
    except (ValueError, OSError):
        if hard < wanted + 1000:
            raise Skipped("%d files may be open (ulimit -Hn)" % hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Node("idle") as n:
        before = n.rss()
        idle = []
        for _ in range(wanted):
            c = socket.socket()
            c.connect(n.address)
            c.sendall(frame(hello(timeout=40000)))
            idle.append(c)
        for c in idle:
            c.settimeout(60)
            check(len(c.recv(64)) > 36, "one of them has no session")
        each = (n.rss() - before) / wanted
        check(each < 16384, "an idle connection costs %d bytes" % each)
        for c in idle:
            c.close()


def slow_reader(n, requests, bound, what):
    """Sends requests for as long as they are taken, and reads nothing: memory stays within the bound."""
    s = Session(n.address)
    before = n.rss()

    def within():
        check(n.rss() - before < bound, "%s: %d MB more for one client" % (what, (n.rss() - before) >> 20))
    s.socket.settimeout(1)
    out = b"".join(requests(s))
    end = time.monotonic() + 8
    try:
        while time.monotonic() < end:
            s.socket.sendall(out)
            within()
        check(False, "%s: it is read from without end" % what)
    except socket.timeout:
        pass  # it is no longer read from
    within()
    return s


def test_a_client_that_does_not_read_its_answers():
    with Node("slow") as n:
        s = Session(n.address)
        s.ask(CREATE, text("/big") + text(b"x" * 500000) + acls(OPEN) + i4(0))
        s.close()

        slow_reader(n, lambda s: [s.request(GET, text("/big") + b"\0")] * 1000, 64 << 20, "reads").close()



def test_a_client_that_does_not_read_its_events():
    with Node("events") as n:
        s = Session(n.address)
        for i in range(200):
            s.ask(ADDWATCH, text("/" + "d" * 3000 + "/%d" % i) + i4(0))
        s.ask(ADDWATCH, text("/") + i4(1))
        w = Session(n.address)
        w.ask(CREATE, text("/" + "d" * 3000) + text(b"") + acls(OPEN) + i4(0))
        before = n.rss()

        def flood():
            record = text("/" + "d" * 3000) + text(b"") + i4(-1)
            for _ in range(100):
                w.send(b"".join(w.request(SET, record) for _ in range(100)))
                for _ in range(100):
                    w.packet()
        n.said("2181: a client that does not read its watch events", flood)
        check(n.rss() - before < 96 << 20, "%d MB more" % ((n.rss() - before) >> 20))
        w.close()
        s.close()


TESTS = [v for k, v in sorted(globals().items()) if k.startswith("test_")]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or any(w in t.__name__ for w in wanted)]))
