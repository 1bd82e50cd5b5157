#!/usr/bin/python3
"""abuse_veth.py [NAME...] - a hostile host on the same switch as nodes with AF_PACKET and AF_XDP ports
(../rack/flood.py): garbage and forged frames as fast as they go.  Meanwhile each write commits, no leader
changes for it, and the counters say from whom."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
RACK = os.path.join(HERE, "..", "rack")
sys.path[:0] = [RACK, HERE]
import wire as wires  # noqa: E402  (that of ../rack: it goes first)
from answers import answered, counters, drops  # noqa: E402
from cluster import SLOW, Skipped, check, run_tests  # noqa: E402
from rack import Rack  # noqa: E402

COUNT = 60000
SEEN = 1000  # at least; a kernel with two cores loses most of a flood before zabd sees it
PATIENT = {"timeout_us": 2000000 * SLOW, "heartbeat_us": 50000 * SLOW}  # timeouts are not the subject
STRANGER = 4
# kind of flood.py; row of BAD_INPUT.md; the counter, of whom; what the program of AF_XDP leaves to the kernel
FLOODS = [("noise", "veth, flood: random bytes", None, None, True),
          ("stranger", "veth, flood: frames of a stranger", "frame_address", "stranger", False),
          ("wrapped", "veth, flood: right addresses, random frames", "frame_magic", "peer", False),
          ("sealed", "veth, flood: random frames with a good checksum", "frame_field", "peer", False),
          ("forged", "veth, flood: a peer's frames, forged but for the iteration", "stale_iteration", "peer", False),
          ("tagged", "veth, flood: the same with the tag of another VLAN", "frame_vlan", "stranger", True),
          ("arp", "veth, flood: a stranger claims the node's own address", "arp_conflict", None, False)]


def count_of(node, reason, who, leader):
    if not reason:
        return 0
    if not who:  # not of a frame that was dropped
        return counters(node).get(reason, 0)
    return drops(node, peer=leader if who == "peer" else who).get(reason, 0)


def floods_stop_nobody(driver):
    why = wires.missing()
    if why:
        raise Skipped(why)
    with Rack("flood-" + driver, driver=driver, extra_hosts=1, **PATIENT) as r:
        leader = r.begin([1, 2, 3])
        victim, other = [i for i in (1, 2, 3) if i != leader]
        node, before = r.node(victim), r.elections()
        for kind, row, reason, who, left in FLOODS:
            had = count_of(node, reason, who, leader)
            flood = subprocess.Popen(r.wire.inside(
                r.wire.host(STRANGER), sys.executable, os.path.join(RACK, "flood.py"), "fast", kind, str(COUNT), r.name,
                str(r.epoch()), str(leader), str(victim), wires.mac(victim)), stderr=subprocess.PIPE, text=True)
            longest = 0
            while flood.poll() is None:
                longest = max(longest, r.commits(other), r.commits(victim))
            check(flood.returncode == 0, flood.stderr.read())
            seen = count_of(node, reason, who, leader) - had
            print("    %-9s no write took longer than %.2f s, %d counted as %s" % (kind, longest, seen, reason), flush=True)
            if left and driver == "af_xdp":
                check(seen == 0, "%s: %d came past the program" % (kind, seen))
            elif reason:
                check(seen >= (SEEN if who else 1), "%s: only %d counted as %s" % (kind, seen, reason))
                answered(row, reason)
            else:
                answered(row, "no answer")
            check(r.elections() == before, "%s: elections %s, before %s%s" % (kind, r.elections(), before, r.said()))
        r.verdict()


def floods_on_af_packet_stop_nobody():
    floods_stop_nobody("af_packet")


def floods_on_af_xdp_stop_nobody():
    floods_stop_nobody("af_xdp")


TESTS = [floods_on_af_packet_stop_nobody, floods_on_af_xdp_stop_nobody]

if __name__ == "__main__":
    if not wires.missing():
        wires.sweep()
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
