#!/usr/bin/python3
"""abuse_slow.py [NAME...] - bad input to real processes, what takes long: floods, ten thousand connections,
stalls of seconds and of single threads, memory that ends."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import abuse_fast  # noqa: E402
import abuse_machine  # noqa: E402
import abuse_quorum  # noqa: E402
from cluster import run_tests  # noqa: E402

TESTS = abuse_fast.SLOW_TESTS + abuse_quorum.SLOW_TESTS + abuse_machine.SLOW_TESTS

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
