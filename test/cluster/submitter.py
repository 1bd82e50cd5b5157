"""submitter.py - clients of the control socket (service/control_wire.h) that see what zabctl hides: each
acknowledgement's time, and every RESEND, REFUSED, ERROR and end of a connection."""
import select
import socket
import struct
import threading
import time

HELLO, START, SUBMIT, ERROR, READY, ACKS, RESEND, REFUSED = 1, 8, 9, 11, 12, 13, 14, 15
MAGIC, VERSION = 0x5a414243, 1


class Submitter:
    """One client with `window` requests outstanding at one node."""

    def __init__(self, node, client, window):
        self.node, self.client, self.window = node, client, window
        self.acked = self.sent = 0
        self.times = []  # (when, zxid of the newest)
        self.errors = []
        self.ready = False
        self.input = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(node.socket)
        self.say(HELLO, struct.pack(">ii", MAGIC, VERSION))
        self.say(START, struct.pack(">QQQ", client, 0, 0))

    def say(self, kind, body):
        self.socket.sendall(struct.pack(">IB", len(body) + 1, kind) + body)

    def fill(self):
        while self.ready and self.sent < self.acked + self.window:
            self.sent += 1
            self.say(SUBMIT, struct.pack(">QQ", self.client, self.sent) + b"%d of %d" % (self.sent, self.client))

    def take(self, kind, body):
        if kind == ACKS:
            sequence, zxid = struct.unpack(">QQ", body[-16:])
            self.acked = max(self.acked, sequence)
            self.times.append((time.monotonic(), zxid))
        elif kind == READY:
            self.ready = True
        elif kind != HELLO:
            name = {RESEND: "RESEND", REFUSED: "REFUSED", ERROR: "ERROR"}.get(kind, str(kind))
            self.errors.append("%s at node %d: %r" % (name, self.node.id, body))

    def receive(self):
        data = self.socket.recv(1 << 16)
        if not data:
            self.errors.append("node %d closes the connection" % self.node.id)
        self.input += data
        while len(self.input) >= 5:
            length, kind = struct.unpack(">IB", self.input[:5])
            if len(self.input) < 4 + length:
                break
            self.take(kind, self.input[5:4 + length])
            self.input = self.input[4 + length:]
        return data


class Load:
    """All of the submitters, in one thread, until `count` requests of each are acknowledged."""

    def __init__(self, submitters, count):
        self.submitters, self.count = submitters, count
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def errors(self):
        return [e for s in self.submitters for e in s.errors]

    def over(self):
        return self.errors() or all(s.acked >= self.count for s in self.submitters)

    def run(self):
        by_fd = {s.socket.fileno(): s for s in self.submitters}
        poll = select.poll()
        for fd in by_fd:
            poll.register(fd, select.POLLIN)
        while not self.over():
            for fd, _ in poll.poll(1000):
                try:
                    if by_fd[fd].receive():
                        by_fd[fd].fill()
                except OSError as e:
                    by_fd[fd].errors.append(str(e))

    def join(self, seconds):
        self.thread.join(seconds)
        return not self.thread.is_alive() and bool(self.over())

    def gaps(self):
        """Seconds between two acknowledgements to anybody, the longest first: all, and those at which a new
        epoch begins."""
        all_of_them, at_changes, epoch = [], [], None
        times = sorted(t for s in self.submitters for t in s.times)
        for (before, _), (when, zxid) in zip(times, times[1:]):
            all_of_them.append(when - before)
            if epoch is not None and zxid >> 32 > epoch:
                at_changes.append(when - before)
            epoch = max(epoch or 0, zxid >> 32)
        return sorted(all_of_them, reverse=True), sorted(at_changes, reverse=True)
