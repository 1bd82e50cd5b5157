#!/usr/bin/python3
"""rack_test.py [NAME...] - whole processes in network namespaces under hostile networks."""
import fnmatch
import itertools
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire as wires  # noqa: E402
from rack import BOUND_S, Rack, check, wait_for  # noqa: E402
from cluster import run_tests  # noqa: E402


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


def fault_test(name, make, works=None, seconds=4, nodes=3, moves=1, **settings):
    """make(rack, leader id) makes the fault; meanwhile, for `seconds`, each write at works(leader id) commits
    in time, and the leader moves at most `moves` times; afterwards the verdict."""
    def test():
        with Rack(name, nodes, **settings) as r:
            leader = r.begin([n.id for n in r.nodes])
            epoch = r.node(leader).status()["epoch"]
            make(r, leader)
            at = works(leader) if works else None
            longest = r.works_on(at, seconds) if at else time.sleep(seconds)
            if at:
                moved = r.node(at).status()["epoch"] - epoch
                print("    leader %d, at node %d no write took longer than %.2f s, %d new epochs" %
                      (leader, at, longest, moved), flush=True)
            r.heal()
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
    ("fast_path_of_leader_isolated", ["fast"], around_leader, other_follower, 8, 1),
    ("fast_path_of_leader_mute", ["fast"], from_leader, other_follower, 8, 1),
    ("fast_path_of_leader_deaf", ["fast"], to_leader, other_follower, 8, 1),
    ("leader_isolated", ["fast", "ctl"], around_leader, other_follower, 6, 1),
    ("leader_mute", ["fast", "ctl"], from_leader, other_follower, 6, 1),
    ("leader_deaf", ["fast", "ctl"], to_leader, other_follower, 6, 1),
    ("control_of_leader_isolated", ["ctl"], around_leader, other_follower, 6, 0),
    ("follower_isolated", ["fast", "ctl"], around_follower, other_follower, 6, 0),
    ("control_down_everywhere", ["ctl"], everywhere, other_follower, 8, 0),
    ("fast_path_down_everywhere", ["fast"], everywhere, None, 5, 0),
    ("all_apart", ["fast", "ctl"], everywhere, None, 5, 0),
)]

TESTS = [serves_over_af_packet, serves_over_af_xdp] + single_cuts("fast") + single_cuts("ctl") + PARTITIONS

if __name__ == "__main__":
    why = wires.missing()
    if why:
        print("skipped: " + why)
        sys.exit(77)
    wires.sweep()
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or any(fnmatch.fnmatch(t.__name__, w) for w in wanted)]))
