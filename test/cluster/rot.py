#!/usr/bin/python3
"""rot.py [NAME...] - disks with bit rot: bytes of the logs of real nodes are flipped while they are down. What one
intact copy is left of is repaired from it, and the histories and digests are equal; what none is left of is waited
for and named, by nodes that stay up."""
import contextlib
import glob
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, check, run_tests, wait_for  # noqa: E402

CALM = {"timeout_us": 400000, "heartbeat_us": 20000, "tick_ms": 200}


def spoil(node, line):
    """Flips a bit of the record of that line in the log of the node."""
    hits = 0
    for path in sorted(glob.glob(node.dir + "/data/log.*")):
        with open(path, "r+b") as f:
            data = f.read()
            at = data.find(line.encode())
            while at >= 0:
                f.seek(at + 3)
                f.write(bytes([data[at + 3] ^ 0x10]))
                hits += 1
                at = data.find(line.encode(), at + 1)
    check(hits > 0, "%s is not in the log of node %d" % (line, node.id))


def text(i):
    return "line %05d of many" % i


@contextlib.contextmanager
def filled(name, cnt=400):
    """An ensemble whose nodes all hold cnt lines, and are down."""
    with Cluster(name, **CALM) as c:
        c.start()
        c.wait_serving()
        for begin in range(0, cnt, 100):  # several groups
            done = c.nodes[0].submit([text(i) for i in range(begin, begin + 100)], "--outstanding", "7")
            check(done.returncode == 0, done.stderr.decode())
        c.wait_equal()
        for n in c.nodes:
            n.kill()
        yield c


def holds_all(c, cnt=400):
    c.wait_serving(seconds=40)
    c.wait_equal()
    for n in c.nodes:
        rows = [row[3] for row in n.tail()]
        check(rows == [text(i) for i in range(cnt)], "node %d holds %d lines" % (n.id, len(rows)))
        check("faulty" not in n.status(), "node %d is still faulty" % n.id)


def restart_and_compare(c, cnt=400):
    """What was repaired is so on disk, too."""
    holds_all(c, cnt)
    for n in c.nodes:
        n.kill()
        os.truncate(n.log_file, 0)
    for n in c.nodes:
        n.start()
    holds_all(c, cnt)
    for n in c.nodes:
        check("damaged at offset" not in n.log(), n.log())


def one_node_with_damaged_records_is_repaired_by_the_others():
    with filled("rot-one") as c:
        for i in (3, 100, 101, 250, 399):
            spoil(c.nodes[1], text(i))
        for n in c.nodes:
            n.start()
        holds_all(c)
        check("damaged records repaired" in c.nodes[1].log(), c.nodes[1].log())


def one_that_comes_to_a_serving_ensemble_too():
    with filled("rot-late") as c:
        spoil(c.nodes[2], text(77))
        c.nodes[0].start()
        c.nodes[1].start()
        c.wait_leader()
        done = c.nodes[0].submit([text(400)])
        check(done.returncode == 0, done.stderr.decode())
        c.nodes[2].start()
        holds_all(c, 401)
        check("damaged records repaired" in c.nodes[2].log(), c.nodes[2].log())


def different_records_on_every_node_are_all_repaired():
    with filled("rot-each") as c:
        for k, n in enumerate(c.nodes):
            for i in range(20 + k, 380, 30):
                spoil(n, text(i))
        for n in c.nodes:
            n.start()
        restart_and_compare(c)


def the_same_record_on_every_node_is_waited_for_and_named():
    with filled("rot-all") as c:
        for n in c.nodes:
            spoil(n, text(200))
            n.start()

        def waiting():
            return next((n for n in c.nodes if n.status().get("waits_for")), None)

        leader = wait_for("a node that says what it waits for", waiting)
        wait_for("one line about it", lambda: "damaged here: 0x1000000c9" in leader.log())
        zxid = wait_for("its status", lambda: leader.status().get("waits_for"))
        check(zxid == "0x1000000c9", zxid)
        for n in c.nodes:
            status = wait_for("status of node %d" % n.id, n.status)
            check(n.running() and not status["serving"], "node %d" % n.id)
            check(status["last_logged"] == "0x100000190", status["last_logged"])
        for n in c.nodes:
            check(n.stop() == 0, "clean stop of node %d while it waits" % n.id)


def the_operator_may_give_up_what_no_node_has():
    with filled("rot-gone") as c:
        for n in c.nodes:
            spoil(n, text(200))
            n.start()
        leader = wait_for("a node that waits", lambda: next((n for n in c.nodes if n.status().get("waits_for")), None))
        done = leader.ctl("recover", "--accept-loss", "--cluster", "rot-gone")
        if done.returncode:
            done = leader.ctl("recover", "--accept-loss", input=b"rot-gone\n")
        check(done.returncode == 0, done.stderr.decode())
        holds_all(c, 200)


TESTS = [one_node_with_damaged_records_is_repaired_by_the_others, one_that_comes_to_a_serving_ensemble_too,
         different_records_on_every_node_are_all_repaired, the_same_record_on_every_node_is_waited_for_and_named,
         the_operator_may_give_up_what_no_node_has]

if __name__ == "__main__":
    sys.exit(run_tests([t for t in TESTS if not sys.argv[1:] or t.__name__ in sys.argv[1:]]))
