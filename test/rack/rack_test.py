#!/usr/bin/python3
"""rack_test.py [NAME...] - whole processes in network namespaces under hostile networks."""
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


TESTS = [serves_over_af_packet, serves_over_af_xdp]

if __name__ == "__main__":
    why = wires.missing()
    if why:
        print("skipped: " + why)
        sys.exit(77)
    wires.sweep()
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
