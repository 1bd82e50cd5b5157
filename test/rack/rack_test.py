#!/usr/bin/python3
"""rack_test.py [NAME...] - whole processes in network namespaces under hostile networks.

A NAME may have * in it.  QUICK=1 in the environment: the fixed subset of CI.  Exit status 77: skipped.
"""
import fnmatch
import itertools
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import wire as wires  # noqa: E402
from rack import BOUND_S, GRACE_S, TIMEOUT_US, Rack, check, wait_for  # noqa: E402
from cluster import run_tests  # noqa: E402

ARP_FRESH_S = 11  # arp.h: a known MAC is asked for again after ARP_FRESH_NS, and a wrong one is not believed long


def serves_over_af_packet():
    with Rack("packet") as r:
        r.begin([1, 2, 3])
        time.sleep(1)
        r.verdict()


def serves_over_af_xdp():
    with Rack("xdp", driver="af_xdp") as r:
        r.begin([1, 2, 3])
        r.verdict()


def named(name, function):
    function.__name__ = name
    return function


def has_leader(r, leader):
    """Do the rules touch the leader's fast path, which is never idle?"""
    return any(r.wire.port("fast", leader) in rule.split() for rule in r.wire.rules)


def fault_test(name, make, works=None, seconds=4, nodes=3, moves=1, within_s=BOUND_S, via=None, **settings):
    """via: the path that carries the frames meanwhile.  make(rack, leader id) makes the fault; meanwhile, for `seconds`, each write at works(leader id) commits
    within within_s, and the leader moves at most `moves` times; afterwards the verdict."""
    def test():
        with Rack(name, nodes, **settings) as r:
            leader = r.begin([n.id for n in r.nodes])
            epoch = r.node(leader).status()["epoch"]
            make(r, leader)
            at = works(leader) if works else None
            longest = r.works_on(at, seconds) if at else time.sleep(seconds)
            if at:
                moved = r.node(at).status()["epoch"] - epoch
                check(longest <= within_s, "a write took %.2f s%s" % (longest, r.said()))
                print("    leader %d, at node %d no write took longer than %.2f s, %d new epochs" %
                      (leader, at, longest, moved), flush=True)
                moved_to = r.paths().values()
                check(not via or via in moved_to, "no frames went by %s: %s" % (via, r.paths()))
                check(r.wire.lost("fast") > 0 or leader == at or not has_leader(r, leader), "the fault lost nothing")
            r.heal()
            if via:
                wait_for("the fast path to be used again", lambda: set(r.paths().values()) == {"fast"}, BOUND_S)
            r.verdict()
            if at:
                check(moved <= moves, "%d new epochs while the fault lasted%s" % (moved, r.said()))
    return named(name, test)


PAIRS_OF_3 = list(itertools.permutations((1, 2, 3), 2))


def third(a, b):
    return 6 - a - b


def single_cuts(path):
    return [fault_test("%s_cut_from_%d_to_%d" % (path, a, b), lambda r, _, a=a, b=b: r.wire.cut(path, (a, b)),
                       lambda _, a=a, b=b: third(a, b)) for a, b in PAIRS_OF_3]


def follower(leader, k=0):
    return [i for i in (1, 2, 3) if i != leader][k]


def cut_all(*paths):
    """Cuts of `paths` between each pair that (leader) -> [(from, to)] names."""
    return lambda pairs: lambda r, leader: [r.wire.cut(path, *pairs(leader)) for path in paths]


def from_leader(leader, nodes=3):
    return [(leader, i) for i in range(1, nodes + 1) if i != leader]


def to_leader(leader, nodes=3):
    return [(i, leader) for i in range(1, nodes + 1) if i != leader]


def around_leader(leader):
    return from_leader(leader) + to_leader(leader)


def leader_and_follower(leader):
    a, b = leader, follower(leader)
    return [(a, b), (b, a)]


def followers_apart(leader):
    a, b = follower(leader), follower(leader, 1)
    return [(a, b), (b, a)]


def around_follower(leader):
    a = follower(leader)
    return [(a, i) for i in (1, 2, 3) if i != a] + [(i, a) for i in (1, 2, 3) if i != a]


def everywhere(_):
    return PAIRS_OF_3


def other_follower(leader):
    return follower(leader, 1)


PARTITIONS = [fault_test(name, cut_all(*paths)(pairs), works, seconds, moves=moves) for
              name, paths, pairs, works, seconds, moves in (
    ("fast_path_of_leader_and_follower_apart", ["fast"], leader_and_follower, other_follower, 6, 0),
    ("leader_and_follower_apart_with_a_hub_between", ["fast", "ctl"], leader_and_follower, other_follower, 6, 0),
    ("followers_apart", ["fast", "ctl"], followers_apart, other_follower, 4, 0),
    ("fast_path_of_leader_isolated", ["fast"], around_leader, other_follower, 6, 0),
    ("fast_path_of_leader_mute", ["fast"], from_leader, other_follower, 6, 0),
    ("fast_path_of_leader_deaf", ["fast"], to_leader, other_follower, 6, 0),
    ("leader_isolated", ["fast", "ctl"], around_leader, other_follower, 6, 1),
    ("leader_mute", ["fast", "ctl"], from_leader, other_follower, 6, 1),
    ("leader_deaf", ["fast", "ctl"], to_leader, other_follower, 6, 1),
    ("control_of_leader_isolated", ["ctl"], around_leader, other_follower, 8, 0),
    ("follower_isolated", ["fast", "ctl"], around_follower, other_follower, 6, 0),
    ("all_apart", ["fast", "ctl"], everywhere, None, 5, 0),
    ("all_apart_for_long", ["fast", "ctl"], everywhere, None, 14, 0),  # TCP's next attempt would be 12 s later
)]

def losses(percent, moves):
    """From the leader, and to it."""
    return [fault_test("loss_of_%d_percent_%s_leader" % (percent, word),
                       lambda r, leader, pairs=pairs: r.wire.lose("fast", percent, *pairs(leader)),
                       other_follower, 3, moves=moves)
            for word, pairs in (("from", from_leader), ("to", to_leader))]


LOSSES = losses(1, 0) + losses(10, 0) + losses(30, 0) + losses(50, 1)


# ---- frames that come twice, late, damaged, from another time ----

def mangled(name, *args, counted=(), minima=(), seconds=3, driver="af_packet"):
    """Each node's cable is mangled; counted: what the nodes must have noticed; minima: what the manglers must
    have done."""
    def test():
        with Rack(name, mangled=(1, 2, 3), driver=driver) as r:
            manglers = [r.wire.mangle(i, "seed=%d" % i, *args) for i in (1, 2, 3)]
            leader = r.begin([1, 2, 3])
            longest = r.works_on(other_follower(leader), seconds)
            seen = {what: r.counted(what) for what in counted}
            done = [m.end() for m in manglers]  # with them the cables end
            print("    no write took longer than %.2f s; %s; manglers: %s" % (longest, seen, done), flush=True)
            for what in minima:
                check(sum(d[what] for d in done) > 0, "the manglers have not %s a frame" % what)
            for what in counted:
                check(seen[what] > 0, "nobody counted %s" % what)
            for i in (1, 2, 3):
                r.wire.mangle(i)
            r.verdict()
            check(r.epoch() <= 2, "a bad cable moved the leader %d times" % (r.epoch() - 1))
    return named(name, test)


MANGLED = [
    mangled("duplicates", "duplicate=2000", counted=["stale_seq"], minima=["duplicated"]),
    mangled("reordering", "hold=1000", "hold_frames=5", "delay=500", "delay_us=3000",
            counted=["gap_reported"], minima=["held", "delayed"]),
    mangled("corruption", "corrupt=300", counted=["frame_crc", "record_crc"], minima=["corrupted"]),
    mangled("everything_over_af_xdp", "duplicate=500", "hold=500", "delay=500", "corrupt=100",
            counted=["frame_crc", "stale_seq"], minima=["corrupted", "duplicated", "held"], driver="af_xdp"),
]


def switch_comes_back_with_old_frames():
    """Frames of a former iteration of the same epoch, then of a former epoch, all at once and under load."""
    with Rack("old-frames", mangled=(1, 2, 3)) as r:
        manglers = [r.wire.mangle(i, "record=3000") for i in (1, 2, 3)]

        def replay():
            before = {what: r.counted(what) for what in ("stale_iteration", "stale_epoch")}
            for m in manglers:
                m.signal(signal.SIGUSR1)
            wait_for("old frames to be noticed", lambda: any(r.counted(w) > n + 100 for w, n in before.items()))
            longest = r.works_on(at, 1)
            return {what: r.counted(what) - n for what, n in before.items()}, longest

        leader = r.begin([1, 2, 3])
        at, away = other_follower(leader), follower(leader)
        wait_for("enough frames", lambda: r.acknowledged() > 300, BOUND_S)
        for m in manglers:
            m.signal(signal.SIGUSR2)
        for path in ("fast", "ctl"):
            r.wire.cut(path, (away, leader), (leader, away))
        wait_for("the follower to lose its leader", lambda: not r.node(away).status().get("serving"), BOUND_S)
        r.heal()
        r.wait_serving(seconds=BOUND_S)
        seen, longest = replay()
        print("    the same epoch: %s, no write took longer than %.2f s" % (seen, longest))
        check(seen["stale_iteration"] > 0, "no frame of a former iteration was noticed")
        check(r.epoch() == 1, "a new epoch")
        check(r.node(leader).ctl("step-down").returncode == 0, "step-down")
        wait_for("another leader", lambda: r.epoch() > 1 and r.leader(), BOUND_S)
        r.wait_serving(seconds=BOUND_S)
        epoch = r.epoch()
        seen, longest = replay()
        print("    another epoch: %s, no write took longer than %.2f s" % (seen, longest))
        check(seen["stale_epoch"] > 0, "no frame of a former epoch was noticed")
        check(r.epoch() == epoch, "old frames cost an election")
        r.verdict()


# ---- links ----

def flaps(name, of_leader, down_s, moves, times=4):
    """A cable is pulled and put in again, `times` times."""
    def test():
        with Rack(name) as r:
            leader = r.begin([1, 2, 3])
            victim = leader if of_leader else follower(leader)
            for _ in range(times):
                r.wire.set_link("fast", victim, False)
                time.sleep(down_s)  # the length of the fault
                r.wire.set_link("fast", victim, True)
                r.commits(other_follower(leader))
                time.sleep(down_s)
            moved = r.epoch() - 1
            r.verdict()
            check(moved <= moves, "%d new epochs%s" % (moved, r.said()))
    return named(name, test)


LINKS = [flaps("link_of_leader_flaps_briefly", True, TIMEOUT_US * 0.3e-6, 0),
         flaps("link_of_leader_flaps", True, TIMEOUT_US * 3e-6, 0),
         flaps("link_of_follower_flaps", False, TIMEOUT_US * 3e-6, 0)]


# ---- misconfigured networks ----

def vlan_mismatch():
    """One node tags its frames for another VLAN: it is reached over TCP only, until its config is mended."""
    with Rack("vlan") as r:
        odd = r.node(3)
        for n in r.nodes:
            r.write_config(n, ports=[dict(p, vlan=20 if n is odd else 10) for p in r.port_configs(n)])
        r.start()
        r.begin_load([1, 2])
        longest = r.works_on(1, 3)
        r.wait_serving(seconds=BOUND_S)
        seen, paths = r.counted("frame_vlan"), r.paths()
        print("    no write took longer than %.2f s; %d frames of a wrong VLAN; %s" % (longest, seen, paths))
        check(seen > 0, "nobody counted a frame of a wrong VLAN")
        check(paths and all(odd.id in pair and path == "tcp" for pair, path in paths.items()), "paths: %s" % paths)
        check(odd.stop() == 0, "clean stop")
        r.write_config(odd, ports=[dict(p, vlan=10) for p in r.port_configs(odd)])
        os.remove(odd.log_file)
        odd.start()
        wait_for("the node to answer", odd.status)
        r.verdict()
        check("tcp" not in [path for pair, path in r.paths().items() if pair[0] == odd.id], "still by TCP")


def on_fast(r):
    """How many ends of attachments say that they use it."""
    return sum(p["path"] == "fast" for n in r.nodes for p in n.status().get("peers", []))


def mtu_mismatch(name, of_leader, make):
    """Of one node only short frames pass: PINGs do, slices of large records do not.  For longer than a path must
    answer before it is used again: its small probes do not bring it back."""
    def test():
        with Rack(name) as r:
            leader = r.begin([1, 2, 3])
            victim = leader if of_leader else follower(leader)
            wait_for("all to use the fast path", lambda: on_fast(r) == 4, BOUND_S)
            make(r.wire, victim, 600)
            longest = r.works_on(other_follower(leader), 12, size=3000)
            moves = [r.counted(name) for name in ("path_silent", "path_back")]
            print("    no write took longer than %.2f s, %d new epochs, %d moves, %d back" %
                  (longest, r.epoch() - 1, *moves))
            check(moves[0] and not moves[1], "moves to where short frames pass only: %s" % moves)
            make(r.wire, victim, 1500)
            r.verdict()
            wait_for("all to use the fast path again", lambda: on_fast(r) == 4, 2 * BOUND_S)
    return named(name, test)


def switch_mtu(wire, victim, mtu):
    wire.only_small("fast", victim, mtu) if mtu < 1500 else wire.heal()


def cable_mtu(wire, victim, mtu):
    wire.set_mtu("fast", victim, mtu)


MTU = [mtu_mismatch("mtu_mismatch_of_follower", False, switch_mtu),
       mtu_mismatch("mtu_mismatch_of_leader", True, switch_mtu),
       mtu_mismatch("cable_mtu_of_follower", False, cable_mtu), mtu_mismatch("cable_mtu_of_leader", True, cable_mtu)]


def foreign_ensemble_on_the_same_wire():
    """Another cluster of the same ids, addresses and ports; one of its configs names our node 2's MAC."""
    with Rack("ours", extra_hosts=3) as r:
        with Rack("theirs", wire=r.wire, first_host=4, to_foreign={2: 2}) as foreign:
            leader = r.begin([1, 3])
            foreign.start()
            foreign.load([1])
            longest = r.works_on(1, 3)
            seen = r.counted("frame_cluster", [2])
            print("    no write took longer than %.2f s; node 2 has seen %d foreign frames" % (longest, seen))
            check(seen > 0, "no foreign frame came")
            check(r.epoch() == 1 and r.leader_id() == leader, "strangers moved the leader")
            foreign.to_foreign = {}
            r.verdict()
            check(foreign.acknowledged() > 0, "the foreign ensemble does not work")
            for n in foreign.nodes:
                n.kill()
            foreign.clients.clear()


def arp_spoofed_by_a_stranger():
    """The address of the leader moves to a stranger, who forges its frames; afterwards the truth returns."""
    with Rack("spoof", extra_hosts=1, arp=True) as r:
        leader = r.begin([1, 2, 3])
        victim = follower(leader)
        stranger = subprocess.Popen(
            r.wire.inside(r.wire.host(4), "/usr/bin/python3", os.path.join(HERE, "stranger.py"), "fast", "3", r.name,
                          str(r.epoch()), str(leader), str(victim), wires.mac(victim)),
            stdout=subprocess.PIPE, text=True)
        longest = r.works_on(other_follower(leader), 2)
        sent = int(stranger.communicate()[0])
        forged = r.counted("stale_iteration", [victim]) + r.counted("stale_epoch", [victim])
        print("    no write took longer than %.2f s; %d forged frames sent, %d rejected; ARP changed %d times" %
              (longest, sent, forged, r.counted("arp_changed")))
        check(forged > sent / 2, "forged frames were not rejected")
        check(r.counted("arp_changed") > 0, "nobody noticed another MAC")
        r.verdict(ARP_FRESH_S + BOUND_S)


# ---- two rails; TCP instead of the fast path ----

MOVE_S = TIMEOUT_US * 1e-6 + GRACE_S  # a path moves within timeout_us, and the write goes on


def two_rails(name, make, victim=lambda leader: leader):
    """One rail fails, then works again, then the other one fails: no election, no write waits long."""
    def test():
        with Rack(name, rails=2) as r:
            leader = r.begin([1, 2, 3])
            elections = r.elections()
            for path in ("fast", "fast2"):
                make(r, path, victim(leader))
                longest = r.works_on(other_follower(leader), 3)
                check(longest <= MOVE_S, "%s: a write took %.2f s%s" % (path, longest, r.said()))
                r.heal()
                for i in (1, 2, 3):
                    r.wire.set_link(path, i, True)
                r.works_on(other_follower(leader), 2)
                print("    %s: no write took longer than %.2f s" % (path, longest))
            check(r.elections() == elections, "elections: %s, before %s%s" % (r.elections(), elections, r.said()))
            r.verdict()
    return named(name, test)


def around(victim):
    return [(victim, i) for i in (1, 2, 3) if i != victim] + [(i, victim) for i in (1, 2, 3) if i != victim]


TWO_RAILS = [two_rails("two_rails_link_of_leader_down", lambda r, path, victim: r.wire.set_link(path, victim, False)),
             two_rails("two_rails_link_of_follower_down", lambda r, path, victim: r.wire.set_link(path, victim, False),
                       follower),
             two_rails("two_rails_leader_silent_on_one", lambda r, path, victim: r.wire.cut(path, *around(victim))),
             two_rails("two_rails_leader_mute_on_one", lambda r, path, victim: r.wire.cut(path, *from_leader(victim))),
             two_rails("two_rails_one_switch_dead", lambda r, path, _: r.wire.cut(path, *PAIRS_OF_3))]

FALL_BACK = [fault_test(name, make, works, 5, moves=0, within_s=MOVE_S, via="tcp")
             for name, make, works in (
    ("fall_back_when_the_fast_path_is_down", cut_all("fast")(everywhere), other_follower),
    ("fall_back_of_leader_and_follower", cut_all("fast")(leader_and_follower), follower))]
FALL_BACK.append(fault_test("fast_path_carries_on_without_control", cut_all("ctl")(everywhere), other_follower, 8,
                            moves=0, within_s=MOVE_S))


# ---- five nodes ----

def ring_of_5(r, _):
    """Each reaches only its two neighbours, on both paths: nobody reaches a majority but with itself (3)."""
    apart = [(a, b) for a, b in itertools.permutations(range(1, 6), 2) if (a - b) % 5 in (2, 3)]
    r.wire.cut("fast", *apart)
    r.wire.cut("ctl", *apart)


def isolate_two(r, leader):
    """The leader and the next node, each from everybody."""
    for lost in (leader, leader % 5 + 1):
        for path in ("fast", "ctl"):
            r.wire.cut(path, *from_leader(lost, 5), *to_leader(lost, 5))


FIVE = [fault_test("five_nodes_two_isolated", isolate_two, lambda leader: (leader + 1) % 5 + 1, 4, nodes=5),
        fault_test("five_nodes_leader_mute", lambda r, leader: r.wire.cut("fast", *from_leader(leader, 5)),
                   lambda leader: leader % 5 + 1, 4, nodes=5),
        fault_test("five_nodes_loss_of_10_percent",
                   lambda r, leader: r.wire.lose("fast", 10, *from_leader(leader, 5), *to_leader(leader, 5)),
                   lambda leader: leader % 5 + 1, 3, nodes=5, moves=0),
        fault_test("five_nodes_in_a_ring", ring_of_5, None, 4, nodes=5)]


TESTS = ([serves_over_af_packet, serves_over_af_xdp] + single_cuts("fast") + single_cuts("ctl") + PARTITIONS + LOSSES +
         MANGLED + [switch_comes_back_with_old_frames] + LINKS +
         MTU + [vlan_mismatch, foreign_ensemble_on_the_same_wire, arp_spoofed_by_a_stranger] + TWO_RAILS + FALL_BACK + FIVE)
QUICK = """serves_over_af_packet serves_over_af_xdp fast_cut_from_1_to_3 fast_cut_from_3_to_1 fast_cut_from_3_to_2
 ctl_cut_from_3_to_2 leader_and_follower_apart_with_a_hub_between fast_path_of_leader_mute
 fast_path_of_leader_deaf leader_isolated leader_mute follower_isolated all_apart
 loss_of_10_percent_from_leader loss_of_30_percent_to_leader duplicates reordering corruption everything_over_af_xdp
 switch_comes_back_with_old_frames link_of_leader_flaps vlan_mismatch foreign_ensemble_on_the_same_wire
 arp_spoofed_by_a_stranger two_rails_link_of_leader_down fall_back_when_the_fast_path_is_down
 fast_path_carries_on_without_control mtu_mismatch_of_leader five_nodes_two_isolated""".split()


def chosen(names):
    by_name = {t.__name__: t for t in TESTS}
    if not names:
        return [by_name[name] for name in QUICK] if os.environ.get("QUICK") else TESTS
    found = [t for t in by_name.values() if any(fnmatch.fnmatch(t.__name__, n) for n in names)]
    if not found:
        sys.exit("rack_test: no test of that name; there are: " + " ".join(by_name))
    return found


if __name__ == "__main__":
    why = wires.missing()
    if why:
        print("skipped: " + why)
        sys.exit(77)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that atexit removes what was made
    wires.sweep()
    sys.exit(run_tests(chosen(sys.argv[1:])))
