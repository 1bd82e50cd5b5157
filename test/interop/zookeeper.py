"""zookeeper.py - zabd and a real ZooKeeper server as the two voters of one ensemble, both ways round.

The larger id leads, as both start empty. Expected, as far as broadcast over TCP is not there yet: hello on the
election port, notifications until both settle on the same leader, FOLLOWERINFO, LEADERINFO, ACKEPOCH; then
zabd ends the connection (no_tcp_broadcast) and both elect again. ZooKeeper's log must not show that anything
we sent could not be decoded.

Exit status 77 with one line if the package `zookeeper` or java is missing.
"""
import atexit
import os
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from cluster import Cluster, Failed, check, run_tests, wait_for  # noqa: E402

JARS = ["/usr/share/java/zookeeper.jar", "/usr/share/java/slf4j-log4j12.jar", "/usr/share/java/log4j-1.2.jar"]
PREFIX = "build/interop"

LOG4J = """log4j.rootLogger=INFO, OUT
log4j.logger.org.apache.zookeeper.server.quorum=DEBUG
log4j.appender.OUT=org.apache.log4j.ConsoleAppender
log4j.appender.OUT.layout=org.apache.log4j.PatternLayout
log4j.appender.OUT.layout.ConversionPattern=%d{ISO8601} %-5p [%t:%C{1}] %m%n
"""

# What ZooKeeper says when it cannot make sense of bytes, and the exceptions that only mean that a connection
# ended or was not there: those are expected here.
BAD = re.compile(
    r"nreasonable|InitialMessageException|nrecognized|Got bad|Bad port|malformed|invalid packet|Got a short response|"
    r"Skip processing response|not possible to parse|Invalid server id|version mismatch|Unable to parse|[Cc]orrupt|"
    r"different from the one in config|First packet .* is not|Next packet was supposed to be|not expecting")
EXCEPTION = re.compile(r"^(?:Caused by: )?((?:[a-z]\w*\.)+[\w$]*(?:Exception|Error))\b", re.M)
EXPECTED = {"java.io.EOFException", "java.net.ConnectException", "java.net.SocketException",
            "java.net.SocketTimeoutException", "java.lang.InterruptedException"}


class ZooKeeper:
    """The server of peer `own` of `cluster`, in place of its zabd."""

    def __init__(self, cluster, own):
        self.cluster, self.own = cluster, own
        self.dir = os.path.abspath(os.path.join(cluster.dir, "zookeeper-%d" % own))
        self.log_file = os.path.join(cluster.dir, "zookeeper-%d.log" % own)
        self.process = None
        os.makedirs(self.dir)
        base = cluster.base_port
        servers = "".join("server.%d=127.0.0.1:%d:%d\n" % (n.id, base + 10 + n.id, base + 20 + n.id)
                          for n in cluster.nodes)
        self.write("zoo.cfg", "tickTime=500\ninitLimit=10\nsyncLimit=5\nadmin.enableServer=false\n"
                   "dataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n%s" % (self.dir, base + own, servers))
        self.write("myid", "%d\n" % own)
        self.write("log4j.properties", LOG4J)
        atexit.register(self.kill)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                ["java", "-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", ":".join(JARS),
                 "-Dlog4j.configuration=file:" + os.path.join(self.dir, "log4j.properties"),
                 "org.apache.zookeeper.server.quorum.QuorumPeerMain", os.path.join(self.dir, "zoo.cfg")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self):
        with open(self.log_file, errors="replace") as f:
            return f.read()

    def says(self, pattern, what):
        check(self.process.poll() is None, "ZooKeeper ended by itself:\n" + self.log()[-2000:])
        return wait_for("ZooKeeper: %s (%s)" % (what, self.log_file), lambda: re.search(pattern, self.log()), 40)

    def accepted_epoch(self):
        try:
            with open(os.path.join(self.dir, "version-2", "acceptedEpoch")) as f:
                return int(f.read() or 0)
        except OSError:
            return 0

    def check_log(self):
        bad = [line for line in self.log().splitlines() if BAD.search(line)]
        bad += set(EXCEPTION.findall(self.log())) - EXPECTED
        check(not bad, "ZooKeeper could not read what we sent (%s):\n%s" % (self.log_file, "\n".join(bad[:10])))


class Pair:
    """zabd as node `zabd_id` and ZooKeeper as the other one of 1 and 2."""

    def __init__(self, name, base_port, zabd_id):
        self.cluster = Cluster(name, nodes=2, base_port=base_port, prefix=PREFIX, tick_ms=500, init_limit=10,
                               sync_limit=5)
        self.zabd = self.cluster.nodes[zabd_id - 1]
        self.zookeeper = ZooKeeper(self.cluster, 3 - zabd_id)

    def __enter__(self):
        self.zabd.format()
        return self

    def __exit__(self, *_):
        self.zookeeper.kill()
        self.cluster.end()

    def counter(self, name):
        return (self.zabd.status().get("counters") or {}).get(name, 0)

    def zabd_says(self, pattern, what):
        check(self.zabd.running(), "zabd ended by itself:\n" + self.zabd.log()[-2000:])
        return wait_for("zabd: %s (%s)" % (what, self.zabd.log_file),
                        lambda: re.search(pattern, self.zabd.log()), 40)

    def check_ends(self):
        """Nobody complains about the other's bytes, and zabd is whole: it answers and stops cleanly."""
        self.zookeeper.check_log()
        for name in ("hello_bad", "hello_unknown", "hello_missing", "notification_bad", "notification_unknown",
                     "server_list_differs", "packet_bad", "packet_phase", "extension_bad"):
            check(self.counter(name) == 0, "zabd counts %s: %d" % (name, self.counter(name)))
        status = self.zabd.stop()
        check(status == 0, "zabd ended with status %d:\n%s" % (status, self.zabd.log()[-2000:]))


def zabd_leads(pair):
    pair.zookeeper.says(r"Notification: my state:\S+; n\.sid:2, n\.state:LOOKING, n\.leader:2", "our vote")
    pair.zabd_says(r"elected: node 2", "elected itself")
    pair.zookeeper.says(r"FOLLOWING - LEADER ELECTION TOOK", "follows us")
    # FOLLOWERINFO and LEADERINFO have passed when ZooKeeper has promised our epoch ...
    wait_for("ZooKeeper's acceptedEpoch (LEADERINFO)", lambda: pair.zookeeper.accepted_epoch() >= 1, 40)
    # ... and on ACKEPOCH we end the connection for what is not there yet: ZooKeeper waits for our DIFF then
    pair.zabd_says(r"node 1 refused: ZooKeeper peer", "ACKEPOCH from ZooKeeper")
    pair.zookeeper.says(r"EOFException(\n\tat .*)*\n\tat .*syncWithLeader", "discovery is done")


def zookeeper_leads(pair):
    pair.zookeeper.says(r"Notification: my state:\S+; n\.sid:1, n\.state:LOOKING, n\.leader:[12]", "our vote")
    pair.zabd_says(r"elected: node 2", "elected ZooKeeper")
    pair.zookeeper.says(r"LEADING - LEADER ELECTION TOOK", "leads")
    pair.zookeeper.says(r"Follower sid: 1 : info :", "FOLLOWERINFO from us")
    wait_for("our acceptedEpoch (LEADERINFO)", lambda: pair.zabd.status().get("accepted_epoch", 0) >= 1, 40)
    pair.zookeeper.says(r"Synchronizing with Learner sid: 1", "ACKEPOCH from us")
    pair.zabd_says(r"no longer following node 2: ZooKeeper peer", "DIFF or SNAP from ZooKeeper")


def run(name, base_port, zabd_id, zabd_first, scenario):
    with Pair(name, base_port, zabd_id) as pair:
        for first in (zabd_first, not zabd_first):
            (pair.zabd if first else pair.zookeeper).start()
            if first:
                wait_for("zabd to answer", pair.zabd.status)
            else:
                pair.zookeeper.says(r"election bind port|LOOKING", "listens")
        if zabd_id == 2 or not zabd_first:  # else ZooKeeper connects before we can ring its doorbell
            pair.zookeeper.says(r"Initial message parsed by %d: InitialMessage\{sid=%d" % (3 - zabd_id, zabd_id),
                                "our hello")
        scenario(pair)
        pair.check_ends()


def zabd_as_server_2_leads():
    run("zk-1-zabd-2", 24100, 2, False, zabd_leads)


def zabd_as_server_2_leads_when_it_starts_first():
    run("zk-1-zabd-2-first", 24200, 2, True, zabd_leads)


def zookeeper_as_server_2_leads():
    run("zabd-1-zk-2", 24300, 1, True, zookeeper_leads)


def zookeeper_as_server_2_leads_when_it_starts_first():
    run("zabd-1-zk-2-first", 24400, 1, False, zookeeper_leads)


def main():
    missing = [jar for jar in JARS if not os.path.exists(jar)]
    if missing or not shutil.which("java"):
        print("skipped: %s is missing (apt-get install zookeeper)" % (missing or ["java"])[0])
        return 77
    return run_tests([zabd_as_server_2_leads, zabd_as_server_2_leads_when_it_starts_first,
                      zookeeper_as_server_2_leads, zookeeper_as_server_2_leads_when_it_starts_first])


if __name__ == "__main__":
    sys.exit(main())
