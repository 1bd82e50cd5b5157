#!/usr/bin/python3
"""scenarios.py [--sim PATH] [--renew] [--seed K] [PATTERN...] - the scenarios of this directory, each one run of the simulator.

A scenario file is lines of commands, a line "----", and the golden trace. It passes when the simulator ends with 0
(its expectations hold and no oracle speaks) and prints that trace. PATTERN: names, or their beginning with a * behind
(A01*); all, if there is none. --renew writes the trace that was printed into the files: read the diff before you
commit it. --seed: other luck of the threads and the network; a good scenario says the same with it. The last line: "N passed, N failed".
"""
import argparse
import concurrent.futures
import difflib
import fnmatch
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CUT = "----\n"
LIMIT_S = 60


def split(text):
    """Returns the commands with the line that ends them, and the golden trace."""
    head, cut, golden = ("\n" + text).partition("\n" + CUT)
    return head[1:] + "\n" + CUT if cut else text + CUT, golden


def run(sim, path, seed):
    """Returns the error of a scenario ("" if there is none) and the trace that it printed."""
    try:
        done = subprocess.run([sim, "--scenario", os.path.relpath(path), "--seed", str(seed)], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, errors="replace", timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return "not done after %d s" % LIMIT_S, ""
    if done.returncode < 0:
        return "died of signal %d\n%s" % (-done.returncode, done.stderr), ""
    return done.stderr if done.returncode else "", done.stdout


def judge(options, path):
    """Returns what is wrong with the scenario, "" if nothing is."""
    with open(path, encoding="utf-8") as scenario:
        head, golden = split(scenario.read())
    error, trace = run(options.sim, path, options.seed)
    if error or trace == golden:
        return error
    if options.renew:
        with open(path, "w", encoding="utf-8") as scenario:
            scenario.write(head + trace)
        return ""
    diff = difflib.unified_diff(golden.splitlines(), trace.splitlines(), "golden", "this run", lineterm="")
    return "another trace (make scenarios RENEW=1 writes it into the file):\n" + "\n".join(diff)


def chosen(patterns):
    names = sorted(n for n in os.listdir(HERE) if n.endswith(".txt"))
    if not patterns:
        return names
    return [n for n in names if any(fnmatch.fnmatch(n, p) or fnmatch.fnmatch(n[:-4], p) for p in patterns)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sim", default=os.path.join(ROOT, "build", "gcc", "sim"))
    parser.add_argument("--renew", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    options = parser.parse_args()
    names = chosen(options.patterns)
    if not names:
        print("no scenario of that name")
        sys.exit(2)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        judged = pool.map(lambda n: judge(options, os.path.join(HERE, n)), names)
        for name, wrong in zip(names, judged):
            failed += wrong != ""
            print(("FAILED " if wrong else "ok     ") + name[:-4])
            if wrong:
                print("    " + wrong.rstrip("\n").replace("\n", "\n    "))
    print("%d passed, %d failed" % (len(names) - failed, failed))
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
