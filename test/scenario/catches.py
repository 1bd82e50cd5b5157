#!/usr/bin/python3
"""catches.py [ID...] - which scenarios see the known bugs of test/mutants?  By hand, some minutes.

Each mutant's sim is built as test/mutants/mutants.py does it, and runs all scenarios. One line for each mutant: the
scenarios that fail, those of its own row first, and by what: an oracle, an expectation (or a wait), an assert of the
product, or only the trace.
"""
import argparse
import collections
import concurrent.futures
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "mutants"))
sys.path.insert(0, HERE)
import mutants  # noqa: E402  (test/mutants/mutants.py: this file is run, not imported)
import scenarios  # noqa: E402

SAID = re.compile(r"^\d+ us( died)?: (.*)$", re.M)


def by_what(wrong):
    if wrong.startswith("another trace"):
        return "trace"
    said = SAID.search(wrong)
    if not said:
        return "expectation" if "never happened" in wrong else "crash"
    if said[1]:
        return "assert"
    return "expectation" if re.match(r"\S+\.txt:\d+: |at the end, ", said[2]) else "oracle"


def row_of(mutant_id):
    """B2 is the row of B02_history_before_epoch."""
    parts = re.match(r"([A-Z])(\d+)", mutant_id)
    return "%s%02d" % (parts[1], int(parts[2]))


def try_mutant(mutant):
    try:
        sim = mutants.build(mutant)
    except mutants.Broken as broken:
        return "%-4s BROKEN: %s" % (mutant.id, broken)
    options = argparse.Namespace(sim=sim, seed=1, renew=False)
    names = scenarios.chosen([])
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = list(pool.map(lambda n: scenarios.judge(options, os.path.join(HERE, n)), names))
    found = collections.defaultdict(list)
    own = []
    for name, wrong in zip(names, judged):
        if wrong:
            found[by_what(wrong)].append(name.split("_")[0])
        if wrong and name.startswith(row_of(mutant.id)):
            own.append(name.split("_")[0] + " " + by_what(wrong))
    return "%-4s own: %s; all: %s" % (mutant.id, ", ".join(own) or "-", "; ".join(
        "%s %s" % (what, " ".join(ids)) for what, ids in sorted(found.items())) or "-")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ids", nargs="*", metavar="ID")
    args = parser.parse_args()
    args.sample = 0
    os.makedirs(mutants.OUT, exist_ok=True)
    for mutant in mutants.chosen(args):
        print(try_mutant(mutant), flush=True)


if __name__ == "__main__":
    main()
