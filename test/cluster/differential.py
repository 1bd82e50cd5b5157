#!/usr/bin/python3
"""differential.py [SEQUENCES [OPERATIONS [SEED]]] - the same requests to a real ZooKeeper and to Zabline.

Seeded random operations of three sessions (every opcode, bad arguments, cut and damaged records, bursts in one write,
ACLs and auth, multi, sequential and ephemeral names, watches of all kinds, sessions that end, come back and move) go to
Debian's ZooKeeper server and to one node of Zabline. What each connection is sent must be the same: answers, error
codes, Stats, zxids, watch events, and their order. Times are left aside; session ids and zxids are told by what made
them (the n-th session, the n-th write). What may differ stands in DIFFERENCES.md, with its reason, and nowhere else.

Afterwards zk_replay applies ZooKeeper's own log to our tree, from the beginning and from each of its snapshots, and
compares our digest with the one that ZooKeeper has put into each transaction.
"""
import bisect
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import BUILD, PORT_OFFSET, SUFFIX, Cluster, Failed, Skipped, check, run_tests, wait_for  # noqa: E402
from raw_client import *  # noqa: E402,F403  its names are the protocol's

JAR = "/usr/share/java/zookeeper.jar"
HERE = os.path.dirname(os.path.abspath(__file__))
WRITES = {CREATE, CREATE2, CONTAINER, TTL, DELETE, SET, SETACL, MULTI, CLOSE}
ENDING = {CLOSE, CHECK, NOTIFICATION, DELETECONTAINER, 23, 99, 108, -1, -2, 1 << 30}  # not in a burst: behind them all ends
NAMES = "ABC"  # A and B watch once, C persistently


# ---- the table of deliberate differences ----

class Differences:
    """Rows of DIFFERENCES.md: `name` | difference | reason. Each is used, and nothing else is excused."""

    def __init__(self):
        with open(os.path.join(HERE, "DIFFERENCES.md")) as f:
            self.rows = set(re.findall(r"^\| `([a-z-]+)` \| ", f.read(), re.M))
        self.used = set()

    def excuse(self, name):
        check(name in self.rows, "DIFFERENCES.md has no row `%s`" % name)
        self.used.add(name)
        return True


DIFFERENCES = Differences()
excuse = DIFFERENCES.excuse


# ---- the two sides ----

def readable(path):
    """The path of a damaged sync or watch comes back as it was sent, or as Java could read it."""
    odd = path and any(c == "\ufffd" or c > "\uffff" for c in path.decode(errors="replace"))
    return "no UTF-8" if odd and excuse("text-bytes") else path


class Side:
    """One of the two servers, as it shows to the test: zxids and sessions by what made them."""

    def __init__(self, address, ours):
        self.address, self.ours = address, ours
        self.begin()

    def begin(self, base=0):
        self.sessions, self.writes, self.known, self.base = {}, {}, [base], base

    def wrote(self, zxid, name):
        if zxid not in self.writes:
            check(zxid > self.known[-1], "the zxid of a write is not above those before: 0x%x" % zxid)
            self.known.append(zxid)
        self.writes[zxid] = name

    def zxid(self, z):
        """Of a Stat: the write that it is of."""
        return self.writes[z] if z in self.writes else "old" if z <= self.base else "0x%x is of no write" % z

    def seen(self, z):
        """Of an answer's header: the last write that it shows; what else consumes zxids does not count."""
        if self.ours:
            excuse("sync-zxid")
        else:
            excuse("reconfig-zxid")
        at = bisect.bisect_right(self.known, z)
        return self.writes.get(self.known[at - 1], "old") if z > 0 else z

    def stat(self, r):
        s = dict(zip(STAT_KEYS, struct.unpack(">qqqqiiiqiiq", r.take(68))))
        for k in ("czxid", "mzxid", "pzxid"):
            s[k] = self.zxid(s[k])
        s["owner"] = self.sessions.get(s["owner"], s["owner"])
        s["ctime"] = s["mtime"] = bool(s["ctime"])
        return tuple(sorted(s.items()))

    def children(self, r):
        excuse("children-order")
        return sorted(r.text() for _ in range(r.i4()))

    def body(self, op, r):
        if op in (CREATE, SYNC, SASL):
            return readable(r.text()) if op == SYNC else r.text()
        if op in (CREATE2, CONTAINER, TTL):
            return r.text(), self.stat(r)
        if op in (EXISTS, SET, SETACL):
            return self.stat(r)
        if op == GET:
            return r.text(), self.stat(r)
        if op in (CHILDREN, EPHEMERALS):
            return self.children(r)
        if op == CHILDREN2:
            return self.children(r), self.stat(r)
        if op == GETACL:
            entries = [(r.i4(), r.text(), r.text()) for _ in range(r.i4())]
            if sum(e[1] == b"digest" for e in entries) > 1 and excuse("children-order"):
                entries.sort(key=repr)  # what "auth" stands for
            return entries, self.stat(r)
        if op == WHOAMI and excuse("children-order"):
            return sorted((r.text(), r.text()) for _ in range(r.i4()))
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


class Client:
    """One of the test's sessions at one side."""

    def __init__(self, side, name, timeout=30000):
        self.side, self.name = side, name
        self.session = Session(side.address, timeout)
        side.sessions[self.session.id] = name

    def burst(self, requests):
        """Sends (op, record) all at once; a record may be a function of the side."""
        self.ops = []
        out = b""
        for op, record in requests:
            out += self.session.request(op, record(self.side) if callable(record) else record)
            self.ops.append((op, XID_PING if op == PING else XID_AUTH if op == AUTH else self.session.xid))
        try:
            self.session.send(out)
        except EOFError:
            pass  # what came before the end is read, and the end

    def heard(self, number):
        """All that is sent up to the last answer: events and answers, in their order; "end" if it ends."""
        packets = []
        left = len(self.ops)
        while left:
            try:
                packets.append(self.session.packet())
            except EOFError:
                packets.append(None)
                break
            left -= struct.unpack(">i", packets[-1][:4])[0] != XID_EVENT
        ops = iter(enumerate(self.ops))
        entries = [("end",) if p is None else self.entry(Reader(p), ops, number) for p in packets]
        return entries

    def entry(self, r, ops, number):
        xid, zxid, err = r.i4(), r.i8(), r.i4()
        if xid == XID_EVENT:
            excuse("event-zxid")
            check(zxid == -1 or self.side.ours, "ZooKeeper 3.8 says the zxid of an event: has it become 3.9?")
            return "event", err, r.i4(), r.i4(), readable(r.text()), r.left()
        n, (op, expected) = next(ops)
        if op in WRITES and not (op == CLOSE and err):
            self.side.wrote(zxid, (number, n))
        try:
            body = self.side.body(op, r) if not err and op != CLOSE else None
        except Exception as e:
            check(False, "%s: an answer to %d that cannot be read: %r %r" % (self.name, op, r.data, e))
        if op == MULTIREAD and err and r.left() == 9 and excuse("multi-read-body"):
            r.take(9)
        return "answer", op, xid == expected, err, self.side.seen(zxid), body, r.left()


# ---- random requests ----

class Maker:
    """Random requests, the same for both sides."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.base = "/s%d" % seed
        self.private = False  # below /n: there ACLs may forbid to read, and nobody watches
        self.damaged = False

    def path(self):
        r = self.random
        if r.random() < 0.05 and not self.private:
            return r.choice(["", "a", "/a/", "//", "/a//b", "/.", "/a/..", "/\x01", "/zookeeper", "/zookeeper/quota", "/",
                             b"/\xff", "/\ue000", "/\ufff0", "/\U0001f600", self.base + "/\u00e4", self.base + "/a\0",
                             self.base + "/", self.base, "/zookeeper/config/x", "/zookeeper/x", self.base + "/a/./b"])
        path = self.base + ("/n" if self.private else "")
        return path + "".join("/" + r.choice("abc") for _ in range(r.randint(0 if self.private else 1, 3)))

    def watched(self):
        """A path that may be watched."""
        private, self.private = self.private, False
        path = self.path()
        self.private = private
        return path

    def acl(self):
        r = self.random
        if r.random() < 0.8:
            return OPEN
        readable = [[], None, [(31, "world", "nobody")], [(1, "world", "anyone"), (1, "world", "anyone")],
                    [(1, "world", "anyone"), (30, "digest", "u:x")], [(31, "auth", ""), (1, "world", "anyone")],
                    [(31, "ip", "127.0.0.1/8")], [(31, "ip", "bad")], [(1, "world", "anyone"), (14, "ip", "10.0.0.1")],
                    [(31, "none", "x")], [(5, "world", "anyone")], [(1, "world", "anyone"), (24, "auth", "")],
                    [(1, "world", "anyone"), (30, "digest", r.choice(["a:b:", ":b", "a", "", ":", "a::b", "a:b"]))],
                    [(1, "world", "anyone"), (30, "ip", r.choice(["127.0.0.1/32", "127.0.0.1/33", "127.0.0.1/", "127.0.0/8",
                                                                   "127.0.0.256", "0.0.0.0/0", "127.0.0.1/-1", "", "1.2.3.4.5"]))],
                    [(1, "world", "anyone"), (31, "auth", "x"), (31, "auth", "")], [(31, None, "x")], [(31, "world", None)],
                    [(1, "world", "anyone"), (31, "digest", None)], [(0, "world", "anyone"), (1, "world", "anyone")],
                    [(-1, "world", "anyone")], [(1, "world", "anyone"), (31, "super", "x")], [(31, "sasl", "me")], [(31, "x509", "CN=me")]]
        hidden = [[(30, "world", "anyone")], [(31, "auth", "")], [(2, "world", "anyone"), (29, "auth", "")],
                  [(31, "digest", "u:" + "nwRl5IbTnXvHmlUiNcDfDUvIYyY=")], [(16, "world", "anyone")], [(0, "world", "anyone")],
                  [(31, "ip", "10.0.0.1")]]
        return r.choice(readable + hidden * 3 if self.private else readable)

    def version(self):
        return self.random.choice([-1, -1, -1, -1, 0, 0, 1, 2, -2, 1 << 30, -(1 << 31)])

    def data(self):
        return self.random.choice([b"", b"x", b"some data", None, b"\0\xff" * 40])

    def create(self, op=CREATE, inside=False):
        r = self.random
        if op == CONTAINER:
            flags = r.choice([4] * 6 + [0, 1, 5])
        elif op == TTL:
            flags = r.choice([5, 6] * 4 + [0, 2, 4, 9])
        else:
            flags = r.choice([0, 0, 0, 0, 1, 2, 3, 9, -1, 7])
        if op in (CREATE, CREATE2) and not inside:
            excuse("create-kind")
        if op == CONTAINER and flags != 4:
            flags = flags if inside and flags != 5 else 4
            excuse("container-kind")
        path = self.path()
        if flags in (2, 3, 6) and isinstance(path, str) and r.random() < 0.2:
            path += "/"  # the name is its number alone
        record = text(path) + text(self.data()) + acls(self.acl()) + i4(flags)
        ttls = [100000, 100000, 100000, 0, 1 << 40, 0xffffffffff, 1 << 41] + [-1, -5] * (inside or flags in (5, 6))
        return record + (i8(r.choice(ttls)) if op == TTL else b"")

    def write(self, inside=False):
        op = self.random.choice([CREATE] * 5 + [CREATE2] * 2 + [DELETE] * 3 + [SET] * 4 + [CHECK] * 2 + [CONTAINER, TTL])
        if op in (CREATE, CREATE2, CONTAINER, TTL):
            return op, self.create(op, inside)
        if op == SET:
            return op, text(self.path()) + text(self.data()) + i4(self.version())
        return op, text(self.path()) + i4(self.version())

    def multi(self):
        r = self.random
        ops = [self.write(inside=True) for _ in range(r.choice([0, 1, 1, 2, 2, 3, 4, 6]))]
        if r.random() < 0.04:
            ops.insert(r.randint(0, len(ops)), r.choice([(GET, text("/") + b"\0"), (SETACL, text("/") + acls(OPEN) + i4(-1)),
                                                         (MULTI, b""), (SYNC, text("/")), (77, b"")]))
        return multi(ops)

    def multi_read(self):
        r = self.random
        ops = [(r.choice([GET, CHILDREN]), text(self.path()) + boolean(r.random() < 0.3)) for _ in range(r.randint(0, 4))]
        if r.random() < 0.2:
            ops.append(r.choice([(DELETE, text("/x") + i4(-1)), (EXISTS, text("/") + b"\0")]))
        return multi(ops)

    def set_watches(self, op):
        """Of what a client missed since one of the writes; the zxid is another one at each side."""
        r = self.random
        back = r.choice([0, 1, 3, 10, 1000, None])  # None: it has seen nothing, which is -1
        lists = [[self.watched() for _ in range(r.choice([0, 0, 1, 2]))] for _ in range(3)]
        record = b"".join(map(texts, lists)) + (texts([]) * 2 if op == SETWATCHES2 else b"")
        if back is None:
            return i8(-1) + record
        return lambda side: i8(side.known[max(len(side.known) - 1 - back, 0)]) + record

    def watching(self, who):
        """Sets watches, looks for them, takes them away."""
        r = self.random
        n = r.randint(0, 9)
        excuse("watches-beside")
        excuse("check-watches")
        own = self.base + "/w" + NAMES[who]  # watched by this session only
        if n < 2 and who < 2:
            return r.choice([EXISTS, CHILDREN]), text(own) + b"\1"
        if n < 5 and who == 2:
            path = r.choice([self.watched() or "/a", own])
            kind = 0 if path in ("/", self.base) else r.choice([0, 1]) if path == own else len(path) % 3 > 0
            excuse("event-acl")
            return ADDWATCH, text(path) + i4(r.choice([2, -1]) if r.random() < 0.1 else int(kind))
        if n < 6:
            excuse("watcher-types")
            return CHECKWATCHES, text(own) + i4(r.choice([1, 2, 3, 3, 0, 9, -1]) if who < 2 else 3)
        if n < 8:
            return REMOVEWATCHES, text(r.choice([self.path(), own])) + i4(r.choice([1, 2, 3, 3, 0, 9, -1]) if who < 2 else 3)
        if who < 2:
            op = r.choice([SETWATCHES, SETWATCHES2])
            return op, self.set_watches(op)
        return PING, b""

    def reading(self, watch):
        r = self.random
        n = r.randint(0, 19)
        if n < 13:
            op = r.choice([EXISTS, GET, CHILDREN, CHILDREN2])
            if self.private and op == EXISTS and excuse("exists-acl"):
                op = GET
            return op, text(self.path()) + boolean(watch)
        if n < 15:
            return GETACL, text(self.path())
        if n < 16:
            return EPHEMERALS, text(r.choice(["/", "", self.base + "/a", self.base + "/b", self.base + "/n", None, " / ", "a"]))
        if n < 17:
            return ALLCHILDREN, text(self.path())
        if n < 18:
            return MULTIREAD, self.multi_read()
        path = self.path()
        excuse("text-bytes")
        return (WHOAMI, b"") if n < 19 else (SYNC, text("/" if isinstance(path, bytes) else path))

    def damage(self, record):
        """Cut, longer, or with another number in it."""
        r = self.random
        n = r.randint(0, 3)
        if n < 2 or len(record) < 4:
            return record[:r.randint(0, len(record))]
        if n == 2:
            return record + b"\0\0\0\1more"
        at = r.choice([0, 0, r.randint(0, len(record) - 4)])
        return record[:at] + i4(r.choice([-1, -1, -2, -(1 << 31), 0, 1, 1 << 20, (1 << 31) - 1])) + record[at + 4:]

    def request(self, who):
        r = self.random
        self.private = r.random() < 0.15
        watch = r.random() < 0.4 and who < 2 and not self.private
        n = r.randint(0, 999)
        if n < 380:
            op, record = self.write()
            return (op, record) if op != CHECK else (GET if self.private else EXISTS, text(self.path()) + boolean(watch))
        if n < 480:
            return MULTI, self.multi()
        if n < 520:
            path = self.path()
            return SETACL, text(path) + acls(self.acl() if path not in ("/", "", self.base) else OPEN) + i4(self.version())
        if n < 800:
            return self.reading(watch)
        if n < 920:
            return self.watching(who)
        if n < 950:
            excuse("text-bytes")
            return AUTH, i4(0) + text("digest") + text(r.choice([b"u:p", b"u:p", b"v:q", b"w:", b":x", b"nobody", b"", b"a:b:c"]))
        if n < 955:
            return AUTH, i4(r.choice([0, 7])) + text(r.choice(["ip", "none", "", "world", "auth", "sasl", "x509"])) + text(b"127.0.0.1")
        if n < 960:
            return RECONFIG, text(None) * 2 + text("server.1=a:1:2:participant;3") + i8(-1)
        if n < 965:
            return SASL, text(r.choice([b"", b"token"]))
        if n < 970:
            op = r.choice(sorted(ENDING - {CLOSE, CHECK, DELETECONTAINER}))
            excuse("delete-container")
            excuse("check-alone")
            excuse("unknown-op-order")
            return op, text(self.path()) + i4(-1)
        if n < 975:
            return CLOSE, b""
        self.private = True
        op, record = r.choice([self.write, lambda: (MULTI, self.multi()), lambda: (SETACL, text(self.path()) + acls(OPEN) + i4(-1))])()
        if r.random() < 0.5 or op == CHECK:
            self.private = False
            op, record = self.reading(False) if r.random() < 0.7 else self.watching(who)
        return op, record if callable(record) else self.damage(record)


# ---- one step at both sides ----

class Run:
    """One sequence."""

    def __init__(self, sides, seed):
        self.sides, self.seed, self.maker, self.number = sides, seed, Maker(seed), 0
        self.generation, self.last, self.now = dict.fromkeys(NAMES, 0), None, None
        for side in sides:
            begin(side, self.maker.base)
        self.clients = [[Client(side, name) for name in NAMES] for side in sides]

    def same(self, got, what):
        if got[0] == got[1]:
            return
        lines = ["seed %d, operation %d, %s:" % (self.seed, self.number, what)]
        for a, b in zip(*got):
            if a != b:
                lines += ["  ZooKeeper %r" % (a,), "  Zabline   %r" % (b,)]
                break
        else:
            lines += ["  ZooKeeper %r" % (got[0],), "  Zabline   %r" % (got[1],)]
        check(False, "\n".join(lines))

    def step(self):
        """Returns how many operations it was."""
        r = self.maker.random
        who = r.randint(0, 2)
        if r.random() < 0.01:
            self.reconnect(who, r.choice(["back", "steal"]))
            return 1
        if r.random() < 0.005:
            self.hello(r)
            return 1
        requests = [self.maker.request(who) for _ in range(1 if r.random() < 0.6 else r.randint(2, 8))]
        for i, (op, _) in enumerate(requests):
            if op in ENDING or op in (AUTH, SASL):  # answered at once, or ending all: alone
                requests = requests[:i] or requests[:1]
                break
            if op == SETACL and excuse("acl-at-once"):
                requests = requests[:i + 1]
                break
        # of the whole tree the number is a matter of time: TTL nodes of the sequences before end now
        requests = [(op, text(self.maker.base) if op == ALLCHILDREN and record in (text(""), text("/")) else record)
                    for op, record in requests]
        self.ask(who, requests)
        return len(requests)

    def ask(self, who, requests):
        what = "%r by %s" % ([(op, record(self.sides[0]) if callable(record) else record) for op, record in requests], NAMES[who])
        self.now = what
        for clients in self.clients:
            clients[who].burst(requests)
        closes = requests[-1][0] == CLOSE
        heard = self.hear(who, closes)
        self.same(heard, what)
        self.last = what
        ended = ("end",) in heard[0] or self.ends(requests[-1][0], heard[0][-1])
        if ended:
            self.same([[clients[who].session.ended()] for clients in self.clients], what + ", behind the answer")
        self.others(None if not ended else who, what, closes)
        if not ended:
            return
        if closes:
            self.renew(who)
        else:
            self.reconnect(who, "back")

    @staticmethod
    def ends(op, last):
        """Behind such an answer the server ends the connection."""
        return last[0] == "answer" and (op == CLOSE or last[3] in (-6, -115) and op != MULTI)

    def others(self, but, what, closes):
        """A ping of each, so that what it has been sent before is here."""
        at = [c for c in range(len(NAMES)) if c != but]
        for clients in self.clients:
            for c in at:
                clients[c].burst([(PING, b"")])
        for c in at:
            self.same(self.hear(c, closes), what + ": what %s hears" % NAMES[c])

    def hear(self, who, closes):
        heard = [clients[who].heard(self.number) for clients in self.clients]
        if closes and excuse("close-order"):  # the answer is the last also then
            heard = [sorted(h[:-1], key=repr) + h[-1:] for h in heard]
        return heard

    def renew(self, who):
        self.generation[NAMES[who]] += 1
        timeout = self.maker.random.choice([30000, 1, 5000, 1 << 30, -1])
        for side, clients in zip(self.sides, self.clients):
            clients[who].session.close()
            clients[who] = Client(side, "%s%d" % (NAMES[who], self.generation[NAMES[who]]), max(timeout, 20000))
        self.same([[clients[who].session.timeout] for clients in self.clients], "the timeout")

    def reconnect(self, who, how):
        """back: the old connection has ended; steal: it ends by this."""
        answers = []
        short = self.maker.random.random() < 0.3
        for clients in self.clients:
            old = clients[who].session
            if how == "back":
                old.close()
            new = Connection(clients[who].side.address)
            timeout, session, password, rest = new.connect(timeout=25000, session=old.id, password=old.password, short=short)
            answers.append([timeout, session == old.id, password == old.password, rest])
            if how == "steal":
                answers[-1].append(old.ended())
            old.close()
            old.socket, old.held = new.socket, b""
        self.same(answers, "%s comes back (%s)" % (NAMES[who], how))

    def hello(self, r):
        """Connect requests that are refused, or whose timeout is not taken as it is."""
        kind = r.randint(0, 3)
        answers = []
        for side, clients in zip(self.sides, self.clients):
            c = Connection(side.address)
            a = clients[0].session
            of = {"timeout": 10000}
            if kind == 0:
                of.update(session=a.id, password=b"x" * 16)
            elif kind == 1:
                of.update(session=a.id ^ 1 << 40, password=a.password)
            elif kind == 2:
                of.update(seen=1 << 60)
            else:
                of.update(session=a.id, password=b"short", short=True)
            try:
                answers.append([c.connect(**of), c.ended()])
            except EOFError:
                answers.append(["end"])
            c.close()
        self.same(answers, "a connect request of kind %d" % kind)
        if kind in (0, 3) and excuse("stranger"):
            self.reconnect(0, "back")

    def end(self):
        for clients in self.clients:
            for c in clients:
                c.session.ask(CLOSE)
                c.session.close()


def begin(side, base):
    """The sequence has its own part of the tree."""
    s = Session(side.address)
    for path in (base, base + "/n"):
        err, zxid, _ = s.ask(CREATE, text(path) + text(b"") + acls(OPEN) + i4(0))
        check(err == 0, "create %s: %d" % (path, err))
    s.ask(CLOSE)
    s.close()
    side.begin(zxid)


def run_sequence(sides, seed, operations):
    run = Run(sides, seed)
    try:
        while run.number < operations:
            run.number += run.step()
    except Failed as e:
        raise Failed("%s\n  (seed %d, operation %d: %s; the last before: %s)" % (
            e, seed, run.number, run.now, run.last)) from e
    run.end()


# ---- the servers ----

class ZooKeeper:
    """Debian's server, alone."""

    def __init__(self, name, port, **properties):
        self.dir = os.path.join("build/differential" + SUFFIX, name)
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.address = ("127.0.0.1", port)
        properties = {"extendedTypesEnabled": "true", "preAllocSize": 1024, "snapCount": 2000, **properties}
        with open(self.dir + "/zoo.cfg", "w") as f:
            f.write("tickTime=2000\ndataDir=%s/data\nclientPort=%d\nadmin.enableServer=false\nmaxClientCnxns=0\n" %
                    (self.dir, port))
        with open(self.dir + "/log", "w") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1"] + ["-Dzookeeper.%s=%s" % p for p in properties.items()] +
                ["-cp", JAR + ":/usr/share/java/*", "org.apache.zookeeper.server.ZooKeeperServerMain",
                 self.dir + "/zoo.cfg"], stdout=log, stderr=log)
        wait_for("ZooKeeper to serve", self.serves, 60)

    def serves(self):
        check(self.process.poll() is None, "ZooKeeper ended: see %s/log" % self.dir)
        try:
            with socket.create_connection(self.address, timeout=5) as s:
                s.sendall(b"srvr")  # it listens before it serves
                return b"Mode: " in b"".join(iter(lambda: s.recv(65536), b""))
        except OSError:
            return False

    def end(self):
        self.process.kill()
        self.process.wait()

    def replay(self):
        """What zk_replay says of its log and its snapshots."""
        done = subprocess.run([os.path.join(BUILD, "zk_replay"), self.dir + "/data/version-2"], capture_output=True, timeout=120)
        said = done.stdout.decode() + done.stderr.decode()
        check(done.returncode == 0, "zk_replay: " + said[-1500:])
        shutil.rmtree(self.dir + "/data")
        return dict((k, int(v)) for k, v in re.findall(r"(\w+)=(\d+)", said))


def arguments():
    return list(map(int, sys.argv[1:4])) + [20, 500, 1][len(sys.argv) - 1:]


def test_zookeeper_and_zabline_answer_the_same():
    if not os.path.exists(JAR):
        raise Skipped("Debian's package zookeeper is not installed")
    sequences, operations, seed = arguments()
    with Cluster("differential", nodes=1, base_port=25000, prefix="build/differential", app="tree", ports=[],
                 max_client_cnxns=0, timeout_us=2000000, heartbeat_us=50000, disk_timeout_ms=30000) as c:
        zookeeper = ZooKeeper("zookeeper", 25040 + PORT_OFFSET)
        c.helpers.append(zookeeper)
        c.start()
        c.wait_serving()
        sides = [Side(zookeeper.address, False), Side(("127.0.0.1", c.base_port + 1), True)]
        for s in range(seed, seed + sequences):
            run_sequence(sides, s, operations)
        zookeeper.end()
        replayed = zookeeper.replay()
        check(replayed["digests"] > sequences * operations // 10, "too few digests were compared: %r" % replayed)
        if sequences * operations >= 10000:
            check(DIFFERENCES.used == DIFFERENCES.rows, "rows of DIFFERENCES.md that nothing uses: %s" %
                  (DIFFERENCES.rows - DIFFERENCES.used))


def write_on(address, stop, written):
    """Pipelined writes all over a large tree, with ACLs of their own, until told to stop."""
    s = Session(address)
    s.ask(AUTH, i4(0) + text("digest") + text("me:secret"))
    number = 0
    while not stop.is_set():
        batch = []
        for _ in range(200):
            number += 1
            path, fresh = "/f/%d" % (number * 7919 % 5000), "/g/%d" % (number * 31 % 1000)
            own = [(31, "digest", "user%d:x" % number), (31, "world", "anyone")]
            batch += [(SET, text(path) + text(b"%d" % number) + i4(-1)), (DELETE, text(fresh) + i4(-1)),
                      (CREATE, text(fresh) + text(b"") + acls(own) + i4(0)), (CREATE2, text(path + "/s") + text(b"") + acls(own) + i4(3)),
                      (SETACL, text(fresh) + acls(own[:1]) + i4(-1)), (DELETE, text(path + "/s%010d" % (number // 5000)) + i4(-1)),
                      (MULTI, multi([(SET, text(path) + text(b"m") + i4(-1)), (DELETE, text("/none") + i4(-1))])),
                      (MULTI, multi([(SET, text("/f/%d" % (number % 5000)) + text(b"m") + i4(-1)), (CREATE, text("/g/m") + text(b"") + acls(own) + i4(2))]))]
        s.send(b"".join(s.request(op, record) for op, record in batch))
        for _ in batch:
            s.packet()
        written[0] += len(batch)
    s.close()


def test_zookeepers_fuzzy_snapshots_and_log_make_the_same_tree():
    if not os.path.exists(JAR):
        raise Skipped("Debian's package zookeeper is not installed")
    zookeeper = ZooKeeper("fuzzy", 25041 + PORT_OFFSET, snapCount=3000)
    try:
        s = Session(zookeeper.address)
        for parent, cnt in (("/f", 5000), ("/g", 0)):
            s.ask(CREATE, text(parent) + text(b"") + acls(OPEN) + i4(0))
            s.send(b"".join(s.request(CREATE, text("%s/%d" % (parent, i)) + text(b"x" * 50) + acls(OPEN) + i4(0)) for i in range(cnt)))
            for _ in range(cnt):
                s.packet()
        stop, written = threading.Event(), [0]
        writers = [threading.Thread(target=write_on, args=(zookeeper.address, stop, written)) for _ in range(2)]
        for w in writers:
            w.start()
        wait_for("40,000 writes", lambda: written[0] >= 40000 or not writers[0].is_alive(), 120)
        stop.set()
        for w in writers:
            w.join(60)
        check(written[0] >= 40000, "the writers ended")
    finally:
        zookeeper.end()
    replayed = zookeeper.replay()
    check(replayed["fuzzy"] > 2, "too few fuzzy snapshots: %r" % replayed)
    print("        %r" % replayed)


TESTS = [test_zookeeper_and_zabline_answer_the_same, test_zookeepers_fuzzy_snapshots_and_log_make_the_same_tree]

if __name__ == "__main__":
    sys.exit(run_tests(TESTS))
