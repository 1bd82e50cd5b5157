"""raw_client.py - a client of ZooKeeper's protocol that sends whatever the test says: jute by hand, one connection."""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Failed, check  # noqa: E402

NOTIFICATION, CREATE, DELETE, EXISTS, GET, SET, GETACL, SETACL, CHILDREN, SYNC, PING, CHILDREN2, CHECK, MULTI, CREATE2 = (
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15)
RECONFIG, CHECKWATCHES, REMOVEWATCHES, CONTAINER, DELETECONTAINER, TTL, MULTIREAD = 16, 17, 18, 19, 20, 21, 22
AUTH, SETWATCHES, SASL, EPHEMERALS, ALLCHILDREN, SETWATCHES2, ADDWATCH, WHOAMI = (
    100, 101, 102, 103, 104, 105, 106, 107)
CREATESESSION, CLOSE = -10, -11
XID_EVENT, XID_PING, XID_AUTH, XID_WATCHES = -1, -2, -4, -8
OPEN = [(31, "world", "anyone")]
STAT_KEYS = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner", "len", "children", "pzxid")


def i4(v):
    return struct.pack(">i", v)


def i8(v):
    return struct.pack(">q", v)


def text(s):
    if s is None:
        return i4(-1)
    b = s if isinstance(s, bytes) else s.encode("utf-8", "surrogatepass")
    return i4(len(b)) + b


def boolean(v):
    return b"\1" if v else b"\0"


def texts(items):
    return i4(-1) if items is None else i4(len(items)) + b"".join(text(t) for t in items)


def acls(items):
    return i4(-1) if items is None else i4(len(items)) + b"".join(i4(p) + text(s) + text(i) for p, s, i in items)


def multi(ops):
    """[(type, record)] as the record of a multi."""
    return b"".join(i4(op) + b"\0" + i4(-1) + record for op, record in ops) + i4(-1) + b"\1" + i4(-1)


def frame(payload):
    return i4(len(payload)) + payload


def hello(timeout=30000, session=0, password=b"\0" * 16, seen=0, short=False):
    """A connect request, without its length; short: of 44 bytes, as before readOnly was."""
    return i4(0) + i8(seen) + i4(timeout) + i8(session) + text(password) + (b"" if short else b"\0")


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        check(0 <= n <= self.left(), "an answer is too short: %r" % self.data)
        self.at += n
        return self.data[self.at - n:self.at]

    def i4(self):
        return struct.unpack(">i", self.take(4))[0]

    def i8(self):
        return struct.unpack(">q", self.take(8))[0]

    def text(self):
        n = self.i4()
        return None if n < 0 else self.take(n)

    def left(self):
        return len(self.data) - self.at


class Connection:
    """Bytes out, packets in; EOFError where the server has ended it."""

    def __init__(self, address, timeout=30):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except ConnectionError as e:
            raise EOFError() from e

    def exactly(self, n):
        while len(self.held) < n:
            try:
                more = self.socket.recv(65536)
            except socket.timeout as e:
                raise Failed("%s:%d does not answer" % self.socket.getpeername()[:2]) from e
            except ConnectionError as e:
                raise EOFError() from e
            if not more:
                raise EOFError()
            self.held += more
        taken, self.held = self.held[:n], self.held[n:]
        return taken

    def packet(self):
        return self.exactly(struct.unpack(">i", self.exactly(4))[0])

    def connect(self, **of_hello):
        """The answer's (timeout, session, password, what follows)."""
        self.send(frame(hello(**of_hello)))
        r = Reader(self.packet())
        r.i4()
        return r.i4(), r.i8(), r.text(), r.take(r.left())

    def ended(self):
        """Waits for the end; what came before it."""
        came = self.held
        try:
            for more in iter(lambda: self.socket.recv(65536), b""):
                came += more
        except ConnectionError:
            pass
        return came

    def close(self):
        self.socket.close()


class Session(Connection):
    """A connection with a session."""

    def __init__(self, address, timeout=30000):
        super().__init__(address)
        self.xid, self.events = 0, []
        self.timeout, self.id, self.password, _ = self.connect(timeout=timeout)
        check(self.timeout > 0, "no session")

    def request(self, op, record=b""):
        self.xid += 1
        return frame(i4(XID_PING if op == PING else XID_AUTH if op == AUTH else self.xid) + i4(op) + record)

    def ask(self, op, record=b""):
        """(error, zxid, body) of the answer; events that come before it go to self.events."""
        self.send(self.request(op, record))
        while True:
            r = Reader(self.packet())
            xid, zxid, err = r.i4(), r.i8(), r.i4()
            if xid != XID_EVENT:
                return err, zxid, r
            self.events.append((r.i4(), r.i4(), r.text()))
