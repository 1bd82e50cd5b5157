#!/usr/bin/python3
"""abuse_disk.py [NAME...] - disks that fail in each operation on each kind of file, that are full, read-only or
slow (fault.py).  The process ends with status 3 and one line that names operation, file and errno, or it
goes on; nothing acknowledged is lost, and no node is half-dead."""
import errno
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, ended, still_good  # noqa: E402
from cluster import SLOW, Cluster, check, run_tests, wait_for  # noqa: E402
from fault import Fault  # noqa: E402

SMALL = {"segment_bytes": 2228224, "largest_record": 1 << 16, "ring_bytes": 1 << 20, "snapshot_log_bytes": 1 << 20,
         "snapshots_kept": 1, "min_free_bytes": 0}
PATIENT = {"timeout_us": 1000000 * SLOW, "heartbeat_us": 5000 * SLOW}


class One:
    """A node alone, with faults and a record of what was acknowledged."""

    def __init__(self, name):
        self.c = Cluster(name, nodes=1, **dict(SMALL, **PATIENT))
        self.n = self.c.nodes[0]
        self.fault = Fault(self.n)
        self.said = []  # everything ever submitted
        self.acked = 0
        self.c.start()

    def submit(self, cnt, size=100):
        """Returns whether all were acknowledged; what was is remembered, and so is what may be there."""
        texts = ["%d %s" % (len(self.said) + i, "d" * size) for i in range(cnt)]
        acks = self.c.dir + "/acks"
        done = self.n.submit(texts, "--timeout", "1", "--acks", acks)
        with open(acks) as f:
            acked = sum(1 for _ in f)
        self.acked = len(self.said) + acked
        self.said += texts
        return done.returncode == 0

    def fill(self):  # segments and snapshots come and go
        return self.submit(250, 10000)

    def nothing_lost(self):
        """After a restart: what is there is what was said, whole as far as it was acknowledged, and no more."""
        self.fault.disarm()
        if not self.n.running():
            self.n.start()
        self.c.wait_leader()
        there = [row[3] for row in self.n.tail()]
        check(self.acked <= len(there) and there == self.said[:len(there)],
              "%d acknowledged, %d there" % (self.acked, len(there)))
        self.said, self.acked = there, len(there)

    def fails(self, op, file, error, drive, words, row):
        """The next op on file, which drive() brings about, ends the node as the row says."""
        since = len(self.n.log())
        self.fault.arm(op, file, error)
        drive()
        text = ended(self.n, 3, words, NAMES[error], since=since)
        check(self.fault.hits() == 1, "%s of %s: hit %d times" % (op, file, self.fault.hits()))
        answered(row % (op, file), text)
        self.nothing_lost()


NAMES = {errno.EIO: "Input/output error", errno.ENOSPC: "No space left on device",
         errno.EROFS: "Read-only file system", errno.EACCES: "Permission denied"}


def each_operation_that_fails_ends_the_node_with_one_line():
    one = One("failing")
    n = one.n
    line = lambda: one.submit(1)
    step_down = lambda: n.ctl("step-down")
    stop = lambda: n.process.terminate()
    # operation and file for the shim; what makes it happen; errno; words of the line
    faults = [("write", "log.*", line, errno.EIO, "durable write of log."),
              ("write", "log.*", line, errno.ENOSPC, "durable write of log."),
              ("write", "tmp.log", one.fill, errno.EIO, "write of "),
              ("create", "tmp.log", one.fill, errno.ENOSPC, "create of tmp.log"),
              ("sync", "tmp.log", one.fill, errno.EIO, "sync of "),
              ("rename", "log.*", one.fill, errno.EIO, "rename of log."),
              ("sync", ".", one.fill, errno.EIO, "sync of the data directory"),
              ("unlink", "log.*", one.fill, errno.EIO, "unlink of log."),
              ("write", "epoch.a", step_down, errno.EIO, "write of epoch.a"),
              ("write", "epoch.b", step_down, errno.EIO, "write of epoch.b"),
              ("create", "tmp.snap.*", one.fill, errno.EROFS, "create of tmp.snap."),
              ("write", "tmp.snap.*", one.fill, errno.ENOSPC, "write of tmp.snap."),
              ("sync", "tmp.snap.*", one.fill, errno.EIO, "sync of tmp.snap."),
              ("rename", "snap.*", one.fill, errno.EIO, "rename of snap."),
              ("unlink", "snap.*", one.fill, errno.EIO, "unlink of snap."),
              ("create", "clean", stop, errno.EROFS, "create of clean"),
              ("sync", "clean", stop, errno.EIO, "sync of clean")]
    for op, file, drive, error, words in faults:
        one.fails(op, file, error, drive, words, "disk: %s of %s fails")
    one.c.end()
    one.c.check_logs()


def each_operation_that_fails_at_the_start_ends_the_node_with_one_line():
    one = One("starting")
    n = one.n
    check(one.fill(), "filled")
    for op, file, words in [("open", "format", "open of format"), ("open", "epoch.a", "open of epoch.a"),
                            ("read", "epoch.b", "read of epoch.b"), ("open", "log.*", "open of log."),
                            ("read", "log.*", "read of log."), ("open", "snap.*", "open of snap."),
                            ("stat", "log.*", "size of log."), ("unlink", "clean", "unlink of clean")]:
        check(n.stop() == 0, "clean stop")
        one.fails(op, file, errno.EIO, n.start, words, "disk: %s of %s fails at the start")
    one.c.end()
    one.c.check_logs()


def failing_disk_of_one_node_stops_only_that_node():
    with Cluster("onefails", **dict(SMALL, **PATIENT)) as c:
        faults = [Fault(n) for n in c.nodes]
        c.start()
        c.wait_serving()
        said = []

        def submit(node, cnt):
            texts = ["%d %s" % (len(said) + i, "d" * 300) for i in range(cnt)]
            done = node.submit(texts)
            check(done.returncode == 0, "submit: " + done.stderr.decode())
            said.extend(texts)

        for round_ in range(2):
            leader = c.wait_leader()
            victim = leader if round_ else next(n for n in c.nodes if n is not leader)
            other = next(n for n in c.nodes if n not in (leader, victim))
            submit(other, 100)
            since = len(victim.log())
            faults[victim.id - 1].arm("write", "log.*", errno.EIO, skip=3)
            submit(other, 2000)  # goes through, with a change of leader if it was the leader
            answered("disk: a write of one of three nodes fails", ended(victim, 3, "durable write", since=since))
            victim.start()
            c.wait_serving()
            c.wait_equal()
        check([row[3] for row in c.nodes[0].tail()] == said, "lost, doubled or in another order")


def followers_slow_disk_does_not_stall_the_quorum():
    with Cluster("slowfollower", **dict(PATIENT, ring_bytes=1 << 20, largest_record=1 << 16)) as c:
        faults = [Fault(n) for n in c.nodes]
        leader = c.start()
        c.wait_serving()
        slow, other = [n for n in c.nodes if n is not leader]
        for delay_ms in (10, 2000):
            faults[slow.id - 1].arm("write", "log.*", delay_ms=delay_ms, for_all=True)
            done = other.submit(["%d-%d" % (delay_ms, i) for i in range(100)], "--outstanding", "1")
            check(done.returncode == 0, "submit: " + done.stderr.decode())
            if delay_ms == 2000:  # a few turns of the ring: it falls behind and is synchronised later
                began = time.monotonic()
                done = other.submit(["%d " % i + "x" * 10000 for i in range(500)])
                took = time.monotonic() - began
                check(done.returncode == 0 and took < 20 * SLOW, "the quorum waits for the slow disk: %.1f s" % took)
            check(c.leader() is leader, "the leader changed")
        answered("disk: a follower's is slow", leader.log() + "\n" + str(leader.status()))
        faults[slow.id - 1].disarm()
        c.wait_serving(seconds=60)
        c.wait_equal(60)


def leader_whose_disk_stands_still_steps_down():
    with Cluster("slowleader", disk_timeout_ms=500, **PATIENT) as c:
        faults = [Fault(n) for n in c.nodes]
        leader = c.start()
        c.wait_serving()
        others = [n for n in c.nodes if n is not leader]
        for delay_ms in (10, 200):  # slow, but it goes on
            faults[leader.id - 1].arm("write", "log.*", delay_ms=delay_ms, for_all=True)
            check(others[0].submit(["%d-%d" % (delay_ms, i) for i in range(20)]).returncode == 0, "submit")
            check(c.leader() is leader, "stepped down at %d ms" % delay_ms)
        faults[leader.id - 1].arm("write", "log.*", delay_ms=2000, for_all=True)
        began = time.monotonic()
        done = others[0].submit(["still %d" % i for i in range(200)])
        took = time.monotonic() - began
        check(done.returncode == 0, "submit: " + done.stderr.decode())
        wait_for("another leader", lambda: c.leader() not in (None, leader))
        answered("disk: the leader's stands still", leader.log())
        check(took < 10 * SLOW, "the others waited %.1f s" % took)
        faults[leader.id - 1].disarm()
        c.wait_serving(seconds=60)
        still_good(c)
        check(leader.running(), "the old leader is not there any more")


TESTS = [each_operation_that_fails_ends_the_node_with_one_line,
         each_operation_that_fails_at_the_start_ends_the_node_with_one_line,
         failing_disk_of_one_node_stops_only_that_node, followers_slow_disk_does_not_stall_the_quorum,
         leader_whose_disk_stands_still_steps_down]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
