#!/usr/bin/python3
"""in_place.py [NAME...] - the next epoch in place (design 3) with real processes under load: the leader stays,
no client is told to come again, nothing is lost, doubled or out of order."""
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SLOW, Cluster, check, run_tests, wait_for  # noqa: E402
from submitter import Load, Submitter  # noqa: E402

# Its subject is no timeout: a busy machine must not look like a dead node.
CALM = {"timeout_us": 500000, "heartbeat_us": 25000}
# Nobody waits longer than that for a change (slowpath/replica_parts.h: then there is an election).
LONGEST_GAP = 1.0 * SLOW


def in_place_count(node):
    return node.status()["counters"]["epoch_in_place"]


def check_history(c, submitters):
    """Each client's requests once and in order, on every node."""
    c.wait_equal()
    for n in c.nodes:
        seen = {s.client: 0 for s in submitters}
        for _, client, sequence, data in n.tail():
            client = int(client, 16) if isinstance(client, str) else client
            seen[client] += 1
            check(sequence == seen[client], "client %d: %d where %d was due" % (client, sequence, seen[client]))
            check(data == "%d of %d" % (sequence, client), "another's data")
        for s in submitters:
            check(seen[s.client] >= s.acked, "an acknowledged transaction is not there")


def spare_is_there(node):
    """The segment after the first has been filled: while that lasts, three nodes keep one disk busy."""
    return "log.00000002" in os.listdir(os.path.join(node.dir, "data"))


def load(c, count, window):
    submitters = [Submitter(n, 100 + n.id, window) for n in c.nodes]
    return submitters, Load(submitters, count)


def no_client_notices_that_the_counter_ends(limit=1000, count=4000, window=32, segments=None):
    with Cluster("in-place", counter_limit=limit, **CALM, **({"segment_bytes": segments} if segments else {})) as c:
        leader = c.start()
        c.wait_serving()
        if segments:
            wait_for("the next segments", lambda: all(spare_is_there(n) for n in c.nodes), 60)
        before = {n.id: n.status() for n in c.nodes}
        submitters, running = load(c, count, window)
        check(running.join(120 * SLOW), "the load does not end")
        check(not running.errors(), "a client heard of it: " + "; ".join(running.errors()[:3]))
        check(c.leader() is leader, "another leads")
        moved = leader.status()["epoch"] - before[leader.id]["epoch"]
        check(moved >= 3 * count // limit - 1, "%d epochs for %d transactions" % (moved, 3 * count))
        for n in c.nodes:
            after = n.status()
            check(after["elections"] == before[n.id]["elections"], "node %d looked for a leader" % n.id)
            check(in_place_count(n) == moved, "node %d counts %d of %d" % (n.id, in_place_count(n), moved))
        check_history(c, submitters)
        gaps, at_changes = running.gaps()
        print("        %d epochs in place; ms without an acknowledgement: longest %.1f; at changes: longest %.1f, "
              "median %.1f, shortest %.1f" % (moved, gaps[0] * 1e3, at_changes[0] * 1e3,
                                              at_changes[len(at_changes) // 2] * 1e3, at_changes[-1] * 1e3))
        check(gaps[0] < LONGEST_GAP, "%.0f ms without an acknowledgement" % (gaps[0] * 1e3))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def promise(node, accepted):
    """As if an election had failed in which this node alone had answered: acceptedEpoch in both copies of its
    epoch file (storage/epoch_file.c)."""
    for name in ("epoch.a", "epoch.b"):
        path = os.path.join(node.dir, "data", name)
        with open(path, "r+b") as f:
            sector = bytearray(f.read(4096))
            check(struct.unpack_from("<I", sector)[0] == crc32c(sector[4:]), "the epoch file is another")
            struct.pack_into("<I", sector, 16, accepted)
            struct.pack_into("<I", sector, 0, crc32c(sector[4:]))
            f.seek(0)
            f.write(sector)


def a_node_that_promised_more_is_let_in_and_no_client_notices():
    with Cluster("higher-promise", **CALM) as c:
        leader = c.start()
        c.wait_serving()
        late = [n for n in c.nodes if n is not leader][0]
        others = [n for n in c.nodes if n is not late]
        check(late.stop() == 0, "clean stop")
        epoch = leader.status()["epoch"]
        promise(late, epoch + 3)
        before = {n.id: n.status()["elections"] for n in others}
        submitters = [Submitter(n, 100 + n.id, 32) for n in others]
        running = Load(submitters, 4000)
        wait_for("some load", lambda: submitters[0].acked > 500)
        late.start()
        c.wait_serving([late])
        check(running.join(120 * SLOW), "the load does not end")
        check(not running.errors(), "a client heard of it: " + "; ".join(running.errors()[:3]))
        check(c.leader() is leader, "another leads")
        check(leader.status()["epoch"] == epoch + 4, "epoch %d" % leader.status()["epoch"])
        for n in others:
            check(n.status()["elections"] == before[n.id], "node %d looked for a leader" % n.id)
            check(in_place_count(n) == 1, "node %d moved %d times" % (n.id, in_place_count(n)))
        check_history(c, submitters)


def measured():
    no_client_notices_that_the_counter_ends(limit=2000, count=14000, window=8, segments=64 << 20)


TESTS = [no_client_notices_that_the_counter_ends, a_node_that_promised_more_is_let_in_and_no_client_notices]
BY_NAME = [measured]  # needs a quiet machine

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted] + [t for t in TESTS + BY_NAME if t.__name__ in wanted]))
