#!/usr/bin/python3
"""differential.py [SEQUENCES [OPERATIONS [SEED]]] - the same requests to a real ZooKeeper and to Zabline.

Seeded random operations of three sessions (all opcodes but those below, bad arguments, ACLs, multi, sequential and
ephemeral names, watches of all kinds) go one by one to Debian's ZooKeeper server and to one node of Zabline. Answers,
error codes, Stats, and watch events with their order must be the same. Times are left aside, session ids and zxids
are told by what made them (the n-th session, the n-th write).

Deliberate differences, and there are no others:
  an event's header has its transaction's zxid, as in 3.9; 3.8 says -1
  sync and the return of a session consume a zxid (they are committed by a quorum)
  create with the flag of a container or of a TTL node is BADARGUMENTS, as only createContainer and createTTL make them
  one-shot and persistent watches of one client at one path stand beside each other, as in 3.9; in 3.8 the later
    takes the earlier's place (so here A and B have the one, C the other)
  checkWatches says whether this client watches, as in 3.9; 3.8 whether anybody does (not asked)
  a watch event is not sent to who may not read the znode, as since 3.8.4 (so ACLs here always let all read)
  /zookeeper/config is empty at a ZooKeeper that is alone (not asked for)
  children come in another order: in none that ZooKeeper promises (compared sorted)
"""
import os
import random
import shutil
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import PORT_OFFSET, SUFFIX, Cluster, Failed, Skipped, check, run_tests, wait_for  # noqa: E402

JAR = "/usr/share/java/zookeeper.jar"
CREATE, DELETE, EXISTS, GET, SET, GETACL, SETACL, CHILDREN, PING, CHILDREN2, CHECK, MULTI, CREATE2 = (
    1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15)
REMOVEW, CONTAINER, TTL, MULTIREAD, EPHEMERALS, ALLCHILDREN, ADDWATCH, CLOSE = 18, 19, 21, 22, 103, 104, 106, -11
STAT_KEYS = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner", "len", "children", "pzxid")


def i4(v):
    return struct.pack(">i", v)


def i8(v):
    return struct.pack(">q", v)


def text(s):
    b = s if isinstance(s, bytes) else s.encode("utf-8", "surrogatepass")
    return i4(len(b)) + b


def boolean(v):
    return b"\1" if v else b"\0"


def texts(items):
    return i4(len(items)) + b"".join(text(t) for t in items)


def acls(items):
    return i4(len(items)) + b"".join(i4(p) + text(s) + text(i) for p, s, i in items)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        check(self.at + n <= len(self.data), "an answer is too short: %r" % self.data)
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


class Session:
    """One connection, of the test's own client."""

    def __init__(self, side, name):
        self.side, self.name, self.events, self.xid = side, name, [], 0
        self.socket = socket.create_connection(side.address, timeout=30)
        self.send(i4(0) + i8(0) + i4(30000) + i8(0) + text(b"\0" * 16) + b"\0")
        r = Reader(self.packet())
        r.i4()
        check(r.i4() > 0, "no session")
        self.id = r.i8()
        side.sessions[self.id] = name

    def send(self, data):
        self.socket.sendall(i4(len(data)) + data)

    def packet(self):
        def exactly(n):
            b = b""
            while len(b) < n:
                more = self.socket.recv(n - len(b))
                if not more:
                    raise EOFError()
                b += more
            return b
        return exactly(struct.unpack(">i", exactly(4))[0])

    def ask(self, op, record=b"", xid=None):
        """(error, zxid, body) of the answer; events that come before it go to self.events."""
        if xid is None:
            self.xid += 1
            xid = self.xid
        self.send(i4(xid) + i4(op) + record)
        while True:
            r = Reader(self.packet())
            got, zxid, err = r.i4(), r.i8(), r.i4()
            if got == -1 and op != -1:
                self.events.append((r.i4(), r.i4(), r.text()))
                continue
            check(got == xid, "an answer to %d instead of %d" % (got, xid))
            return err, zxid, r


class Side:
    """One of the two servers, as it shows to the test: zxids and sessions by what made them."""

    def __init__(self, address):
        self.address, self.sessions, self.writes = address, {}, {}

    def zxid(self, z):
        return self.writes.get(z, z and "old")

    def stat(self, r):
        v = struct.unpack(">qqqqiiiqiiq", r.take(68))
        s = dict(zip(STAT_KEYS, v))
        for k in ("czxid", "mzxid", "pzxid"):
            s[k] = self.zxid(s[k])
        s["owner"] = self.sessions.get(s["owner"], s["owner"])
        s["ctime"] = s["mtime"] = bool(s["ctime"])
        return tuple(sorted(s.items()))

    def body(self, op, r):
        if op in (CREATE,):
            return r.text()
        if op in (CREATE2, CONTAINER, TTL):
            return r.text(), self.stat(r)
        if op in (EXISTS, SET, SETACL):
            return self.stat(r)
        if op == GET:
            return r.text(), self.stat(r)
        if op in (CHILDREN, EPHEMERALS):
            return sorted(r.text() for _ in range(r.i4()))
        if op == CHILDREN2:
            return sorted(r.text() for _ in range(r.i4())), self.stat(r)
        if op == GETACL:
            return [(r.i4(), r.text(), r.text()) for _ in range(r.i4())], self.stat(r)
        if op in (MULTI, MULTIREAD):
            return self.results(r)
        return r.take(r.left())

    def results(self, r):
        out = []
        while True:
            kind, done, err = r.i4(), r.take(1), r.i4()
            if done == b"\1":
                return out
            out.append((kind, err, r.i4() if kind == -1 else None if kind in (DELETE, CHECK) else self.body(kind, r)))


class Maker:
    """Random requests, the same for both sides."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def path(self):
        r = self.random
        if r.random() < 0.04:
            return r.choice(["", "a", "/a/", "//", "/a//b", "/.", "/a/..", "/\x01", "/zookeeper", "/zookeeper/quota", "/",
                             b"/\xff", "/\ue000"])
        return "".join("/" + r.choice("abc") for _ in range(r.randint(1, 3)))

    def acl(self):
        r = self.random
        if r.random() < 0.85:
            return [(31, "world", "anyone")]
        return r.choice([[], [(31, "world", "nobody")], [(1, "world", "anyone"), (1, "world", "anyone")],
                         [(1, "world", "anyone"), (30, "digest", "u:x")], [(31, "auth", "")], [(31, "ip", "127.0.0.1/8")],
                         [(31, "ip", "bad")], [(1, "world", "anyone"), (14, "ip", "10.0.0.1")], [(31, "none", "x")],
                         [(5, "world", "anyone")], [(1, "world", "anyone"), (24, "auth", "")]])

    def version(self):
        return self.random.choice([-1, -1, -1, 0, 1, 2])

    def data(self):
        return self.random.choice([b"", b"x", b"some data", None])

    def create(self, op=CREATE):
        flags = {CONTAINER: 4, TTL: self.random.choice([5, 6])}.get(op, self.random.choice([0, 0, 0, 1, 2, 3, 9]))
        data = self.data()
        record = text(self.path()) + (i4(-1) if data is None else text(data)) + acls(self.acl()) + i4(flags)
        return record + (i8(self.random.choice([100000, 0, -5, 1 << 41])) if op == TTL else b"")

    def write(self):
        op = self.random.choice([CREATE, CREATE, CREATE, CREATE2, DELETE, SET, SET, CHECK])
        if op in (CREATE, CREATE2):
            return op, self.create(op)
        if op == SET:
            return op, text(self.path()) + text(self.data() or b"") + i4(self.version())
        return op, text(self.path()) + i4(self.version())

    def multi(self):
        ops = [self.write() for _ in range(self.random.randint(0, 4))]
        return b"".join(i4(op) + b"\0" + i4(-1) + rec for op, rec in ops) + i4(-1) + b"\1" + i4(-1)

    def multi_read(self):
        ops = [(self.random.choice([GET, CHILDREN]), self.path()) for _ in range(self.random.randint(0, 3))]
        return b"".join(i4(op) + b"\0" + i4(-1) + text(p) + b"\0" for op, p in ops) + i4(-1) + b"\1" + i4(-1)

    def request(self, who):
        r = self.random
        watch = boolean(r.random() < 0.4 and who < 2)
        n = r.randint(0, 99)
        if n < 40:
            op, record = self.write()
            return (op, record) if op != CHECK else (EXISTS, text(self.path()) + watch)
        if n < 43:
            return CONTAINER, self.create(CONTAINER)
        if n < 46:
            return TTL, self.create(TTL)
        if n < 54:
            return MULTI, self.multi()
        if n < 57:
            return SETACL, text(self.path()) + acls(self.acl()) + i4(self.version())
        if n < 88:
            op = r.choice([EXISTS, GET, CHILDREN, CHILDREN2])
            return op, text(self.path()) + watch
        if n < 90:
            return GETACL, text(self.path())
        if n < 92:
            path = self.path() or "/a"
            return (ADDWATCH, text(path) + i4(len(path) % 3 > 0)) if who == 2 else (PING, b"")
        if n < 94:
            return REMOVEW, text(self.path()) + i4(r.choice([1, 2, 3]) if who < 2 else 3)
        if n < 95:
            return EPHEMERALS, text(r.choice(["/", "", "/a", "/b"]))
        if n < 96:
            return ALLCHILDREN, text(self.path())
        if n < 97:
            return MULTIREAD, self.multi_read()
        return r.choice([CREATE, SET, GET, DELETE]), r.choice([b"", b"\0\0", i4(5) + b"/a", i4(-5)])


WRITES = {CREATE, CREATE2, CONTAINER, TTL, DELETE, SET, SETACL, MULTI, CLOSE}


def step(side, sessions, who, op, record, number):
    """What one request does to one side: its answer, then every session's events."""
    err, zxid, r = sessions[who].ask(op, record, -2 if op == PING else None)
    if op in WRITES:
        side.writes[zxid] = number
    answer = (err, side.zxid(zxid) if op in WRITES else None, side.body(op, r) if not err and op != CLOSE else r.left())
    events = []
    for s in sessions:
        if s is sessions[who] and op == CLOSE:
            continue
        s.ask(PING, xid=-2)
        events.append((s.name, s.events))
        s.events = []
    return answer, events


def clear(side):
    """Both begin with the same tree: what an earlier sequence made goes."""
    s = Session(side, "cleaner")

    def remove(path):
        err, _, r = s.ask(CHILDREN, text(path or "/") + b"\0")
        for name in sorted(r.text().decode() for _ in range(r.i4())) if not err else []:
            if path or name != "zookeeper":
                remove(path + "/" + name)
        if path:
            s.ask(DELETE, text(path) + i4(-1))
    remove("")
    s.ask(CLOSE)
    s.socket.close()


def run_sequence(sides, seed, operations):
    maker = Maker(seed)
    for side in sides:
        clear(side)
        side.sessions, side.writes = {}, {}
    sessions = [[Session(side, name) for name in "ABC"] for side in sides]
    for number in range(operations):
        who = maker.random.randint(0, 2)
        op, record = maker.request(who)
        got = [step(side, sessions[i], who, op, record, number) for i, side in enumerate(sides)]
        check(got[0] == got[1], "seed %d, operation %d (%d %r by %s):\n  ZooKeeper %r\n  Zabline   %r" %
              (seed, number, op, record, "ABC"[who], got[0], got[1]))
    for i, side in enumerate(sides):
        for s in sessions[i]:
            s.ask(CLOSE)
            s.socket.close()


class ZooKeeper:
    """Debian's server, alone."""

    def __init__(self, port):
        self.dir = os.path.join("build/differential" + SUFFIX, "zookeeper")
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.address = ("127.0.0.1", port)
        with open(self.dir + "/zoo.cfg", "w") as f:
            f.write("tickTime=2000\ndataDir=%s/data\nclientPort=%d\nadmin.enableServer=false\n" % (self.dir, port))
        with open(self.dir + "/log", "w") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx256m", "-Dzookeeper.extendedTypesEnabled=true", "-cp", JAR + ":/usr/share/java/*",
                 "org.apache.zookeeper.server.ZooKeeperServerMain", self.dir + "/zoo.cfg"], stdout=log, stderr=log)
        wait_for("ZooKeeper to listen", self.listens, 60)

    def listens(self):
        check(self.process.poll() is None, "ZooKeeper ended: see %s/log" % self.dir)
        try:
            socket.create_connection(self.address, timeout=1).close()
            return True
        except OSError:
            return False

    def end(self):
        self.process.kill()
        self.process.wait()


def test_zookeeper_and_zabline_answer_the_same():
    if not os.path.exists(JAR):
        raise Skipped("Debian's package zookeeper is not installed")
    sequences, operations, seed = (list(map(int, sys.argv[1:4])) + [20, 300, 1][len(sys.argv) - 1:])
    with Cluster("differential", nodes=1, base_port=25000, prefix="build/differential", app="tree", ports=[],
                 max_client_cnxns=0, timeout_us=400000, heartbeat_us=20000) as c:
        zookeeper = ZooKeeper(25100 + PORT_OFFSET)
        c.helpers.append(zookeeper)
        c.start()
        c.wait_serving()
        sides = [Side(zookeeper.address), Side(("127.0.0.1", c.base_port + 1))]
        for s in range(seed, seed + sequences):
            run_sequence(sides, s, operations)


if __name__ == "__main__":
    sys.exit(run_tests([test_zookeeper_and_zabline_answer_the_same]))
