#!/usr/bin/python3
"""paths_test.py [NAME...] - two fast paths and TCP between whole processes in network namespaces (design
5.4): paths are cut, one way too, links go down, TCP is black-holed, under load at every node.

After each: no election, no attachment ended, no client saw an error, and all that was submitted is there
once and in order on all nodes (Rack.verdict).
"""
import fnmatch
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import wire as wires  # noqa: E402
from rack import TIMEOUT_US, Rack, check, wait_for  # noqa: E402
from cluster import SLOW, Skipped, run_tests  # noqa: E402

TIMEOUT_S = TIMEOUT_US * 1e-6
STEADY_S = 8 * TIMEOUT_S  # path.c: a better path must answer so long
BACK_S = 4 * STEADY_S + 2 * SLOW  # twice, and the machine may be busy: a long pause begins it anew
POLL_S = 0.3  # what asking three nodes for their status may add to a measured time
KEEPALIVE_S = 5  # sock_uv.c: what TCP's own watch would wait
LOST = ("peer_silent", "leader_silent", "quorum_silent", "conn_closed", "no_quorum", "peer_behind")


class Dual(Rack):
    """Each node has two ports, each with an address and a switch of its own."""

    def __init__(self, name, rails=2, **overrides):
        super().__init__(name, rails=rails, arp=True, **overrides)

    def peer_config(self, node, i):
        config = super().peer_config(node, i)
        fast = [{"ip": "10.92.%d.%d" % (k, i), "port": "net_af_packet%d" % k} for k in range(self.rails)]
        config["fast"] = fast if self.rails > 1 else fast[0]
        return config

    def port_configs(self, node):
        return [{"name": "net_af_packet%d" % k, "args": "iface=%s" % wires.RAILS[k]} for k in range(self.rails)]

    def begin_steady(self):
        """All serve over their first path under load; what must not change from now on is noted."""
        leader = self.begin([1, 2, 3])
        self.wait_paths("fast", leader, 5 + STEADY_S)
        for n in self.nodes:
            wait_for("the links of node %d" % n.id, lambda n=n: n.log().count("link up") >= self.rails, 10)
        self.works_on(leader, 1)  # a second path must be known before it is needed: ARP, MTU, one probe
        self.before = self.state()
        return leader

    def state(self):
        return (self.epoch(), self.elections(), [self.counted(name) for name in LOST])

    def paths(self, leader):
        """What the leader says of its followers and they of it."""
        found = []
        for n in self.nodes:
            for p in n.status().get("peers", []):
                if p["id"] != n.id and leader in (p["id"], n.id):
                    found.append(p["path"])
        return found

    def wait_spare(self, state, leader, seconds):
        """All attachments say so of their second path, and use the first."""
        def found():
            peers = [p for n in self.nodes for p in n.status()["peers"] if p["path"] != "none"]
            return [(p["path"], p["paths"]["fast2"]) for p in peers]
        wait_for("all second paths to be " + state, lambda: found() == [("fast", state)] * 4, seconds)

    def wait_paths(self, path, leader, seconds):
        """All attachments use it; returns how long that took."""
        start = time.monotonic()
        try:
            wait_for("all to use " + path, lambda: self.paths(leader) == [path] * 4, seconds)
        except Exception as e:
            raise type(e)("%s: %s%s" % (e, self.paths(leader), self.said()))
        return time.monotonic() - start

    def cut_all(self, *paths):
        pairs = [(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b]
        for path in paths:
            self.wire.cut(path, *pairs)

    def expect_undisturbed(self):
        self.verdict()
        after = self.state()
        check(after == self.before, "epoch, elections, %s: %s before, %s after%s" %
              (LOST, self.before, after, self.said()))
        for c in self.clients:
            with open(c.errors.name) as f:
                said = f.read().strip()
            check(not said, "a client saw: " + said)


def moves_within_timeout(name, fault, heal, rails=2, to="fast2"):
    def test():
        with Dual(name, rails=rails) as r:
            leader = r.begin_steady()
            fault(r, leader)
            took = r.wait_paths(to, leader, TIMEOUT_S + POLL_S)
            longest = r.works_on(leader, 2)
            heal(r, leader)
            back = r.wait_paths("fast", leader, BACK_S)
            print("    to %s after %.2f s, no write took longer than %.2f s, back after %.2f s" %
                  (to, took, longest, back), flush=True)
            r.expect_undisturbed()
            counts = [r.counted(name) for name in ("path_silent", "path_back", "path_followed")]
            check(counts[0] >= 2 and counts[1] >= 2 and counts[2] == counts[0] + counts[1],
                  "moves counted: for silence, back, followed: %s" % counts)
            check(all("frames go by %s now" % to in n.log() for n in r.nodes), "moves are not said")
    test.__name__ = name
    return test


def link(path, up):
    """The leader's own cable."""
    return lambda r, leader: r.wire.set_link(path, leader, up)


def bridge(path, up):
    """The switch: nobody's link goes down."""
    return lambda r, _: r.wire.on_switch("link", "set", "br" + wires.PATHS[path], "up" if up else "down")


def one_way(r, leader):
    """The leader's frames arrive, nothing comes back."""
    r.wire.cut("fast", *[(i, leader) for i in (1, 2, 3) if i != leader])


def heal(r, _):
    r.heal()


def falls_back_to_tcp_and_returns():
    with Dual("tcp") as r:
        leader = r.begin_steady()
        r.cut_all("fast", "fast2")
        took = r.wait_paths("tcp", leader, TIMEOUT_S + POLL_S)
        longest = r.works_on(leader, 3)
        r.heal()
        back = r.wait_paths("fast", leader, BACK_S)
        print("    to tcp after %.2f s, no write took longer than %.2f s, back after %.2f s" % (took, longest, back),
              flush=True)
        r.expect_undisturbed()


def spare_path_that_is_silent_is_shown():
    """Nothing moves, and an operator sees it before the other one fails too."""
    with Dual("spare") as r:
        leader = r.begin_steady()
        r.wait_spare("answers", leader, 5)
        r.cut_all("fast2")
        r.wait_spare("silent", leader, TIMEOUT_S + POLL_S)
        said = r.node(leader).ctl("status").stdout.decode()
        check(said.count("fast (fast2 silent)") == 2, "status does not say it: " + said)
        r.heal()
        r.wait_spare("answers", leader, TIMEOUT_S + POLL_S)
        check(r.counted("path_silent") == 0, "something moved")
        r.expect_undisturbed()


def survives_a_link_that_flaps():
    with Dual("flap") as r:
        leader = r.begin_steady()
        for i in range(20):
            r.wire.set_link("fast", leader, i % 2 != 0)
            r.works_on(leader, 0.6 * TIMEOUT_S)
        r.wait_paths("fast", leader, BACK_S)
        print("    %d moves for silence" % r.counted("path_silent"), flush=True)
        r.expect_undisturbed()


def survives_both_links_that_flap():
    with Dual("flaps") as r:
        leader = r.begin_steady()
        for i in range(20):
            for path in ("fast", "fast2"):
                r.wire.set_link(path, leader, i % 2 != 0)
            r.works_on(leader, 0.6 * TIMEOUT_S)
        r.wait_paths("fast", leader, BACK_S)
        r.expect_undisturbed()


def tcp_may_be_silent():
    with Dual("blackhole", rails=1, timeout_us=2000000 * SLOW) as r:  # its subject is not the timeout
        leader = r.begin_steady()
        r.cut_all("ctl")
        longest = r.works_on(leader, KEEPALIVE_S + 7)  # sync_limit is 1 s here
        check(r.paths(leader) == ["fast"] * 4, "paths: %s" % r.paths(leader))
        r.heal()
        print("    no write took longer than %.2f s" % longest, flush=True)
        r.expect_undisturbed()
        check(r.counted("path_silent") == 0, "something moved")


def starts_cold_without_a_fast_path():
    with Dual("cold") as r:
        r.cut_all("fast", "fast2")
        leader = r.begin([1, 2, 3])
        r.wait_paths("tcp", leader, 5)
        r.before = r.state()
        longest = r.works_on(leader, 3)
        r.heal()
        back = r.wait_paths("fast", leader, BACK_S)
        print("    no write took longer than %.2f s, fast after %.2f s" % (longest, back), flush=True)
        r.expect_undisturbed()


def tcp_reset_costs_no_election():
    """A connection that is reset ends its attachment: the follower attaches anew, the leader goes on."""
    with Dual("reset", rails=1) as r:
        leader = r.begin_steady()
        victim = [i for i in (1, 2, 3) if i != leader][0]
        probe = r.wire.inside(r.wire.host(victim), "ss", "-K", "-t", "dport", "=", ":2888")
        done = subprocess.run(probe, capture_output=True, text=True)
        if done.returncode or ":2888" not in done.stdout:
            raise Skipped("this kernel has no `ss -K` (%s)" % (done.stderr.strip() or "nothing killed"))
        wait_for("the follower to attach anew",
                 lambda: r.node(victim).status()["elections"] > r.before[1][victim - 1] and
                 r.node(victim).status().get("serving"), 10)
        r.verdict()
        check(r.epoch() == r.before[0], "the epoch changed: %d, %d before" % (r.epoch(), r.before[0]))
        others = [n for n in (0, 1, 2) if n != victim - 1]
        check([r.elections()[n] for n in others] == [r.before[1][n] for n in others], "others looked for a leader")


TESTS = [
    moves_within_timeout("switch_lost", bridge("fast", False), bridge("fast", True)),
    moves_within_timeout("leaders_link_lost", link("fast", False), link("fast", True)),
    moves_within_timeout("leader_deaf_on_one_path", one_way, heal),
    moves_within_timeout("only_port_lost", link("fast", False), link("fast", True), rails=1, to="tcp"),
    falls_back_to_tcp_and_returns, spare_path_that_is_silent_is_shown,
    survives_a_link_that_flaps, survives_both_links_that_flap, tcp_may_be_silent,
    starts_cold_without_a_fast_path, tcp_reset_costs_no_election,
]


def main():
    why = wires.missing()
    if why:
        print("skipped: " + why)
        return 77
    wires.sweep()
    wanted = sys.argv[1:] or ["*"]
    return run_tests([t for t in TESTS if any(fnmatch.fnmatch(t.__name__, w) for w in wanted)])


if __name__ == "__main__":
    sys.exit(main())
