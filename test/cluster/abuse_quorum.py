#!/usr/bin/python3
"""abuse_quorum.py [NAME...] - ports 2888 and 3888: silent peers, a byte a second, ten thousand connections,
oversized lengths, unknown versions, two processes with one id."""
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, counters, still_good  # noqa: E402
from cluster import SLOW, Cluster, Node, Skipped, check, run_tests, wait_for  # noqa: E402
from fault import Fault  # noqa: E402

PATIENT = {"timeout_us": 1000000 * SLOW, "heartbeat_us": 5000 * SLOW}
FOLLOWERINFO, ACK = 11, 3


def hello(sid, version=-65536, address=b"127.0.0.1:12345"):
    return struct.pack(">qqi", version, sid, len(address)) + address


def packet(type_, zxid, data=None, length=None):
    body = data or b""
    size = length if length is not None else len(body) if data is not None else -1
    return struct.pack(">iqi", type_, zxid, size) + body + struct.pack(">i", -1)


def info(sid, protocol=0x10000):
    return struct.pack(">qiq", sid, protocol, 0)


def quorum_port(c, node):
    return c.base_port + 10 + node.id


def election_port(c, node):
    return c.base_port + 20 + node.id


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=10 * SLOW)
    s.settimeout(10 * SLOW)
    return s


def ended(s, seconds=10):
    """zabd ends the connection within that time (what it says before does not matter)."""
    end = time.monotonic() + seconds * SLOW
    try:
        while time.monotonic() < end:
            if select.select([s], [], [], 0.1)[0] and not s.recv(65536):
                return True
    except OSError:
        return True
    return False


def say(port, data):
    """Sends data and the end; returns when zabd has ended the connection, too."""
    with connect(port) as s:
        try:
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        check(ended(s), "the connection to %d stays open after %r" % (port, data[:40]))


def more_counted(node, name, do):
    before = counters(node)
    do()
    def seen():
        now = counters(node)
        return " ".join(k for k in now if now[k] > before.get(k, 0))
    text = wait_for("a counter to move for " + name, seen)
    answered(name, text + "\n" + node.log())


def move_leader_away_from(c, node):
    for _ in range(20):
        leader = c.wait_leader()
        if leader is not node:
            return leader
        node.ctl("step-down")
        wait_for("the leader to step down", lambda: c.leader() is not node)
    check(False, "node %d leads again and again" % node.id)


def malformed_messages_end_their_connection_and_are_counted():
    with Cluster("malformed", **PATIENT) as c:
        c.start()
        c.wait_serving()
        leader = move_leader_away_from(c, None)
        n = c.nodes[0]
        e, q = election_port(c, n), quorum_port(c, leader)
        inputs = [(n, e, "3888: unknown hello version", hello(2, version=-65599)),
                  (n, e, "3888: oversized address in the hello", struct.pack(">qqi", -65536, 2, 1 << 30) + b"x" * 3000),
                  (n, e, "3888: negative length in the hello", struct.pack(">qqi", -65536, 2, -9)),
                  (n, e, "3888: unknown id", hello(99)), (n, e, "3888: the node's own id", hello(1)),
                  (n, e, "3888: half a hello", hello(2)[:20]),
                  (n, e, "3888: text", b"GET / HTTP/1.1\r\n\r\n" * 3),
                  (n, e, "3888: oversized notification of a known id", hello(2) + struct.pack(">i", 0x7fffffff)),
                  (n, e, "3888: negative notification length", hello(2) + struct.pack(">i", -5)),
                  (n, e, "3888: notification of random bytes", hello(2) + struct.pack(">i", 40) + os.urandom(40)),
                  (leader, q, "2888: oversized packet", packet(FOLLOWERINFO, 0, length=0x7ffffff0)),
                  (leader, q, "2888: negative length", packet(FOLLOWERINFO, 0, length=-7)),
                  (leader, q, "2888: another packet first", packet(ACK, 1 << 40)),
                  (leader, q, "2888: unknown packet type", packet(4711, 0)),
                  (leader, q, "2888: half a packet", packet(FOLLOWERINFO, 0, info(99))[:9]),
                  (leader, q, "2888: unknown id", packet(FOLLOWERINFO, 0, info(77))),
                  (leader, q, "2888: a malformed extension",
                   packet(FOLLOWERINFO, 0, info(1) + b"ZABL\0\x01\xff\xff" + b"x" * 30)),
                  (leader, q, "2888: text", b"GET / HTTP/1.1\r\n\r\n" * 3)]
        for node, port, name, data in inputs:
            more_counted(node, name, lambda: say(port, data))
        still_good(c)


def silent_and_slow_peers_delay_nobody():
    with Cluster("loris", **PATIENT) as c:
        leader = c.start()
        c.wait_serving()
        conns, at = [], 0
        for n in c.nodes:
            for port, text in ((election_port(c, n), hello(2) * 2), (quorum_port(c, n), packet(FOLLOWERINFO, 0, info(2)))):
                for _ in range(10):
                    conns.append((connect(port), text))
        impostor = connect(election_port(c, c.nodes[0]))  # a good name, and then nothing
        impostor.sendall(hello(2))
        began = time.monotonic()
        leader.kill()
        while time.monotonic() - began < 4 * SLOW:  # a byte a second
            for s, text in conns:
                try:
                    s.send(text[at:at + 1])
                except OSError:
                    pass
            at += 1
            time.sleep(1)  # the slowness is the input
            if at == 1:
                c.wait_leader(10)
        check(all(ended(s, 1) for s, _ in conns), "a slow connection is still open after four seconds")
        leader.start()
        c.wait_serving()
        text = json.dumps({k: v for n in c.nodes for k, v in counters(n).items() if v})
        answered("3888: silent, or a byte a second", text)
        answered("2888: silent, or a byte a second", text)
        impostor.close()
        still_good(c)


def ten_thousand_connections_keep_nobody_from_anything():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 10400:
        raise Skipped("this user may not open 10,000 files (ulimit -Hn is %d)" % hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (10400, hard))
    conns = []
    try:
        with Cluster("tenthousand", **PATIENT) as c:
            leader = c.start()
            c.wait_serving()
            n = leader
            subprocess.run(["prlimit", "--pid", str(n.process.pid), "--nofile=512:512"], check=True)
            for i in range(5000):
                conns += [connect(election_port(c, n)), connect(quorum_port(c, n))]
                if i % 1000 == 999:
                    done = n.submit(["beside %d connections" % len(conns)])
                    check(done.returncode == 0, "submit: " + done.stderr.decode())
            fds = len(os.listdir("/proc/%d/fd" % n.process.pid))
            check(fds < 400, "%d descriptors" % fds)
            check(c.leader() is leader, "the leader changed for it")
            follower = next(x for x in c.nodes if x is not n)
            follower.kill()
            follower.start()
            c.wait_serving(seconds=30)  # it got through to both ports
            text = json.dumps({k: v for k, v in counters(n).items() if v})
            answered("3888 and 2888: 10,000 connections", text)
            still_good(c)
            for s in conns:
                s.close()
            still_good(c)
            wait_for("the descriptors to be given back",
                     lambda: len(os.listdir("/proc/%d/fd" % n.process.pid)) < fds - 64)
    finally:
        for s in conns:
            s.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def double(c, node):
    """Another process with node's id and config, and a disk of its own, as if on another host."""
    twin = Node(c, node.id)
    twin.dir += "-twin"
    twin.socket = os.path.join(twin.dir, "control.sock")
    twin.config_file = os.path.join(c.dir, "twin.json")
    twin.log_file = os.path.join(c.dir, "zabd-twin.log")
    c.write_config(twin)
    twin.format()
    Fault(twin, bind_shift=70)
    return twin


class Ends:
    def __init__(self, node):
        self.node = node

    def end(self):
        if self.node.running():
            self.node.kill()


def two_processes_with_one_id_get_one_clear_line_and_lose_nothing():
    with Cluster("twins", **PATIENT) as c:
        c.start()
        c.wait_serving()
        node = c.nodes[2]
        leader = move_leader_away_from(c, node)
        c.wait_serving()
        check(leader.submit(["before %d" % i for i in range(100)]).returncode == 0, "submit")
        twin = double(c, node)
        c.helpers.append(Ends(twin))
        elections = [n.status()["elections"] for n in c.nodes]
        twin.start()
        wait_for("the leader to refuse it", lambda: counters(leader).get("id_in_use", 0) >= 2)
        wait_for("the leader to say so", lambda: "node 3 refused" in leader.log())
        check(node.submit(["while there are two %d" % i for i in range(100)]).returncode == 0, "submit")
        check(not twin.status().get("serving"), "the twin serves")
        check(elections == [n.status()["elections"] for n in c.nodes], "a leader changed for it")
        lines = [l for l in leader.log().splitlines() if "node 3 refused" in l]
        check(len(lines) == 1, "not one line: %s" % lines)
        answered("two processes with one id, the first one follows", lines[0])
        still_good(c)
        twin.kill()
        # the same when the first one leads: the others say so, and nobody follows the twin
        for n in c.nodes:
            if n is not node:
                n.kill()
        for n in c.nodes:
            if n is not node:
                n.start()
        c.wait_serving()
        for _ in range(20):
            if c.wait_leader() is node:
                break
            c.leader().ctl("step-down")
            time.sleep(0.1)
            c.wait_leader()
        check(c.wait_leader() is node, "node 3 does not become the leader")
        c.wait_serving()
        twin.start()
        wait_for("the twin to answer", twin.status)
        for i in range(10):
            check(c.nodes[0].submit(["twins %d-%d" % (i, k) for k in range(50)]).returncode == 0, "submit")
        check(not twin.status().get("serving"), "the twin serves")
        said = "follows another process that has our id"
        wait_for("the twin to say it", lambda: said in twin.log())
        lines = [l for l in twin.log().splitlines() if said in l]
        check(len(lines) == 1, "not one line: %s" % lines)
        answered("two processes with one id, the first one leads", lines[0])
        twin.kill()
        still_good(c)
        check(len(c.nodes[0].tail()) >= 700, "lost")


TESTS = [malformed_messages_end_their_connection_and_are_counted, silent_and_slow_peers_delay_nobody,
         two_processes_with_one_id_get_one_clear_line_and_lose_nothing]
SLOW_TESTS = [ten_thousand_connections_keep_nobody_from_anything]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted] + [t for t in TESTS + SLOW_TESTS if t.__name__ in wanted]))
