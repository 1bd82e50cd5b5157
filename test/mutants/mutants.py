#!/usr/bin/python3
"""mutants.py [--seeds N] [--sample N] [ID...] - known bugs brought back one at a time: does the simulator see them?

Each NN.patch of this directory is one bug. The sources are copied to build/mutants/ID/ with the objects that
do not change, the patch is applied, `sim` is built there, and run seed after seed until an oracle reports
a violation. One line for each mutant, a median, and "N passed, N failed": passed is what was caught.
Results: build/mutants/mutants.json. A patch that no longer applies, or does not compile, is a failure.

In the head of a patch (before its first "---" line): "Row:", "Bug:", and these settings:
  Quick: yes         in the sample of CI
  Options: ...       options of sim beside --seed and --seeds
  Seeds: N           the limit of this mutant, if it is not the common one
"""
import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "build", "mutants")
OBJECTS = os.path.join(ROOT, "build", "gcc")
SOURCES = ["config", "proto", "fastpath", "storage", "slowpath", "service", "dpdk_app", "test/sim", "test/exhaustive",
           "test/harness"]
NO_LTO = "-fno-lto"  # linking with it takes longer than many a bug lives
LIMIT_S = 3000  # for the seeds of one mutant
# A line of a report: "seed 7, event 8123, fault 3, 12345 us: what does not hold"
VIOLATION = re.compile(r"^seed (\d+), event .*? us: (.*)$")
DIED = re.compile(r"^seed (\d+) died, .*? us: (.*)$")
# Of a scenario: an oracle's words, not "FILE:LINE: an expectation".
ORACLE = re.compile(r"^\d+ us: (?!test/scenario/)(.*)$", re.M)
FAILED = re.compile(r"^seed (\d+) FAILED")
ASSERTION = re.compile(r"([\w/]+\.[ch]):\d+: (\w+): Assertion")


class Mutant:
    def __init__(self, path):
        self.path = path
        self.id = os.path.basename(path)[:-len(".patch")].split("_")[0]
        self.name = os.path.basename(path)[:-len(".patch")]
        head = {}
        with open(path, encoding="utf-8") as patch:
            for line in patch:
                if line.startswith("--- "):
                    break
                key, colon, value = line.partition(":")
                if colon:
                    head[key.strip()] = value.strip()
        self.quick = head.get("Quick") == "yes"
        self.options = head.get("Options", "").split()
        self.seeds = int(head.get("Seeds", "0"))
        self.scenario = head.get("Scenario")


class Broken(Exception):
    """The mutant cannot be tried."""


def copy_tree(tree, directory):
    """Times are kept, so that make compiles again only what the patch touches."""
    for part in SOURCES:
        shutil.copytree(os.path.join(ROOT, part), os.path.join(tree, part))
        objects = os.path.join(OBJECTS, part)
        if os.path.isdir(objects):
            shutil.copytree(objects, os.path.join(directory, part), ignore=lambda _, names: [
                n for n in names if not n.endswith((".o", ".d")) and "." in n])
    shutil.copy2(os.path.join(ROOT, "Makefile"), tree)


def run(command, cwd):
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def commit():
    return run(["git", "rev-parse", "--short=12", "HEAD"], ROOT)[1].strip()


def build(mutant):
    """Returns the path of the mutant's sim."""
    tree = os.path.join(OUT, mutant.id)
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(tree, os.path.join(tree, "build", "gcc"))
    status, output = run(["patch", "-p1", "--fuzz=0", "--no-backup-if-mismatch", "-i", mutant.path], tree)
    if status:
        raise Broken("the patch does not apply: " + "; ".join(
            line for line in output.splitlines() if "FAILED" in line or "find file" in line))
    status, output = run(["make", "--no-print-directory", "LTO=" + NO_LTO, "build/gcc/sim"], tree)
    if status:
        raise Broken("it does not compile:\n" + "\n".join(output.splitlines()[-12:]))
    shutil.move(os.path.join(tree, "build", "gcc", "sim"), tree)
    shutil.rmtree(os.path.join(tree, "build"))
    return os.path.join(tree, "sim")


def kill(child):
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)


def hunt(sim, mutant, seeds):
    """Returns {} when all seeds pass; else seeds_to_catch and rule, or only the first assert and its seed.

    An assert of the product, or a crash, is no oracle: the search goes on behind a seed that ends with one."""
    command = [sim, "--seed", "1", "--seeds", str(seeds)] + mutant.options
    found, rule, asserted = {}, "", ""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
                             start_new_session=True)
    timer = threading.Timer(LIMIT_S, kill, [child])
    timer.start()
    try:
        for line in child.stderr:
            violation, assertion, failed = VIOLATION.match(line), ASSERTION.search(line), FAILED.match(line)
            died = DIED.match(line)
            if assertion:
                asserted = "%s, %s" % (assertion[1], assertion[2])
            elif died and not asserted:
                asserted = died[2]
            if violation:
                rule = violation[2]
            if failed and asserted:
                found.setdefault("assert", asserted)
                found.setdefault("assert_seed", int(failed[1]))
                asserted = ""
            elif failed:
                found.update(seeds_to_catch=int(failed[1]), rule=rule)
                return found
    finally:
        timer.cancel()
        kill(child)
        child.wait()
        child.stderr.close()
    if child.returncode == -signal.SIGKILL:
        raise Broken("not done after %d s" % LIMIT_S)
    return found


def play(sim, scenario):
    """Returns {} when no oracle speaks; else rule and scenario."""
    _, output = run([sim, "--scenario", os.path.join("test", "scenario", scenario)], ROOT)
    said = ORACLE.search(output)
    return {"rule": said[1], "scenario": scenario} if said else {}


def verdict(result):
    if not result["rule"]:
        return "SURVIVED %d seeds" % result["seeds_limit"]
    where = "seed %d" % result["seeds_to_catch"] if result["seeds_to_catch"] else "scenario %s" % result["scenario"]
    return "caught at %s by: %s" % (where, result["rule"])


def try_mutant(mutant, common_seeds):
    start = time.monotonic()
    seeds = mutant.seeds or common_seeds
    result = {"id": mutant.id, "name": mutant.name, "seeds_to_catch": None, "rule": None, "seeds_limit": seeds,
              "commit": commit()}
    try:
        sim = build(mutant)
        result.update(hunt(sim, mutant, seeds))
        if not result["rule"] and mutant.scenario:
            result.update(play(sim, mutant.scenario))
        said = verdict(result)
        if "assert" in result:
            said += "; assert at seed %d: %s" % (result["assert_seed"], result["assert"])
    except Broken as broken:
        result["broken"] = str(broken)
        said = "BROKEN: %s" % broken
    result["seconds"] = round(time.monotonic() - start, 1)
    print("%-4s %-34s %s (%.0f s)" % (mutant.id, mutant.name[len(mutant.id) + 1:], said, result["seconds"]), flush=True)
    return result


def save(results):
    """Replaces the results of these mutants; the others of an earlier run stay."""
    path = os.path.join(OUT, "mutants.json")
    old = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            old = {r["id"]: r for r in json.load(f)}
    old.update({r["id"]: r for r in results})
    with open(path, "w", encoding="utf-8") as f:
        json.dump(list(old.values()), f, indent=1)
        f.write("\n")


def chosen(args):
    all_mutants = [Mutant(os.path.join(HERE, n)) for n in sorted(os.listdir(HERE)) if n.endswith(".patch")]
    ids = [m.id for m in all_mutants]
    for unknown in [i for i in args.ids if i not in ids]:
        sys.exit("mutants.py: no mutant %s; there are %s" % (unknown, " ".join(ids)))
    if args.ids:
        return [m for m in all_mutants if m.id in args.ids]
    if args.sample:
        quick = [m for m in all_mutants if m.quick]
        step = max(1, len(quick) // args.sample)
        return quick[::step][:args.sample]
    return all_mutants


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--sample", type=int, default=0)
    parser.add_argument("ids", nargs="*")
    args = parser.parse_args()
    os.makedirs(OUT, exist_ok=True)
    results = []
    for mutant in chosen(args):
        results.append(try_mutant(mutant, args.seeds))
        save(results)
    caught = [r for r in results if r["rule"]]
    by_seed = [r["seeds_to_catch"] for r in caught if r["seeds_to_catch"]]
    if by_seed:
        print("median of seeds to catch: %g (of %d caught by a seed, largest %d)" % (
            statistics.median(by_seed), len(by_seed), max(by_seed)))
    failed = len(results) - len(caught)
    print("%d passed, %d failed" % (len(caught), failed))
    return 0 if results and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
