#!/usr/bin/python3
"""reliability.py [--seeds N] [--first K] [--jobs J] - many seeds of the simulator, and the table of what they met.

Runs seeds K .. K + N - 1 in chunks on all cores, every fifth chunk with damaging disks (sim --storage). What a
chunk has shown is appended to build/reliability/chunks.jsonl, so that a run that was interrupted goes on where it
stopped, as long as sim is the same. Then writes build/reliability/table.md and table.json, and ends with
"N passed, N failed". --report: only the table, of what has been run.
"""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
OUT = os.path.join(ROOT, "build", "reliability")
SIM = os.path.join(ROOT, "build", "gcc", "sim")
MUTANTS = os.path.join(ROOT, "build", "mutants", "mutants.json")
CHUNK = 100
STORAGE_EVERY = 5  # one chunk of so many has damaging disks
SUMS = ("events", "us", "elections", "in_place", "committed", "acked", "recoveries", "images")
VIOLATION = re.compile(r"^seed (\d+)(?: died)?, event .*? us: (.*)$")

# By the names that sim gives: range per seed, and who else injects it in tests of their own (Y: in their tree,
# j: only by Jepsen or Antithesis).  ZK ZooKeeper, etcd, raft: canonical/raft, FDB FoundationDB, TB TigerBeetle.
WHAT = {
    "kill -9": ("of 24-39 faults", "ZK Y, etcd Y, raft Y, FDB Y, TB Y"),
    "power loss": ("as above; each unsynced block kept or lost, torn writes", "etcd Y (LazyFS), FDB Y, TB Y"),
    "crash at a disk operation": ("as above; kill or power, at the 1st to 41st operation", "etcd Y (~25 points), TB Y"),
    "pause of a process": ("1 ms to 6 timeouts", "etcd j, FDB Y, TB Y"),
    "stall of one thread": ("1 ms to 6 timeouts", "none"),
    "slow node": ("3 to 100 times", "etcd Y, raft Y, FDB Y, TB Y"),
    "clock jump or drift": ("rate x0.5-2, wall +-1 h", "etcd j, FDB Y, TB Y"),
    "partition of all paths": ("any two groups", "ZK Y (mock), etcd Y, raft Y, FDB Y, TB Y"),
    "one-way or partial cut of all paths": ("any subset of directed links", "etcd one node, raft one-way, FDB Y, TB Y"),
    "cut of fast paths only": ("one or all of them", "does not apply"),
    "cut of TCP only": ("any subset", "does not apply"),
    "lossy link": ("10-50 % loss", "etcd 50 %, FDB Y, TB 30 %"),
    "clogged path": ("1 ms to 6 timeouts", "FDB Y, TB to 5 s"),
    "connections reset": ("of a pair", "FDB Y"),
    "slow disk": ("1-700 ms an operation", "etcd sleep, raft Y, FDB Y, TB to 1 s"),
    "disk error": ("EIO, ENOSPC, EROFS, EDQUOT at each kind of operation", "raft Y, FDB Y"),
    "clean stop": ("as kill", "-"),
    "disk lost, --rejoin": ("one node at a time", "etcd member replace, FDB Y, TB Y (30 % of restarts)"),
    "bit rot": ("a minority of nodes; 1 seed in 5", "TB Y (0-10 %)"),
    "lost write": ("a minority of nodes; 1 seed in 5", "none"),
    "misdirected write": ("a minority of nodes; 1 seed in 5", "TB Y (0-10 %)"),
    "stale read": ("a minority of nodes; 1 seed in 5", "none"),
    "bit rot of log or snapshots, to be repaired": ("a minority of nodes", "TB Y (0-10 %)"),
    "datagram lost": ("0-50 %", "etcd 50 %, TB 30 %"),
    "datagram duplicated": ("0-50 %", "TB 50 %"),
    "datagram late": ("0-30 % by up to 20 delays", "FDB Y, TB Y"),
    "datagram corrupted": ("0-10 %, above the NIC's check", "none"),
    "old frame replayed": ("0-30 %, of older iterations and epochs", "TB 50 %"),
    "NIC ring overflow": ("16, 64 or 512 frames", "none"),
    "datagram clogged": ("see clogged path", "-"),
    "datagram cut off": ("see the cuts", "-"),
}


def sha_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()[:16]


def git(*args):
    done = subprocess.run(["git", "-C", ROOT] + list(args), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, check=False)
    return done.stdout.strip()


def commit():
    dirty = " with changes" if git("status", "--porcelain", "--untracked-files=no") else ""
    return git("rev-parse", "--short=12", "HEAD") + dirty


def summarise(lines):
    """Sums over the rows of a chunk, in all and by the classes that took effect."""
    names, total, classes = None, collections.Counter(), {}
    died, reached, longest = collections.Counter(), set(), 0
    for line in lines:
        row = json.loads(line)
        if "cells" in row:
            names = row
            continue
        total["seeds"] += 1
        for key in SUMS:
            total[key] += row[key]
        longest = max(longest, row["heal_us"])
        died.update(row["died"])
        reached.update(row["reached"])
        for name, cnt in zip(names["counts"], row["counts"]):
            if not cnt:
                continue
            c = classes.setdefault(name, collections.Counter())
            c["faults"] += cnt
            c["seeds"] += 1
            for key in SUMS:
                c[key] += row[key]
            c["heal_us"] = max(c["heal_us"], row["heal_us"])
    total["heal_us"] = longest
    cells = names["cells"] if names else []
    return {"total": total, "classes": classes, "died": {cells[i]: n for i, n in died.items()},
            "reached": sorted(cells[i] for i in reached)}


def run_chunk(first, cnt, options, sim):
    command = [sim, "--seed", str(first), "--seeds", str(cnt), "--rows"] + options
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          check=False, start_new_session=True)  # Ctrl-C is for us: a chunk is whole or not there
    rows = [line for line in done.stdout.splitlines() if line.startswith("{")]
    failed = []
    for line in done.stderr.splitlines():
        match = VIOLATION.match(line)
        if match:
            failed.append({"seed": int(match[1]), "options": options, "what": match[2]})
    summary = summarise(rows)
    missing = cnt - summary["total"]["seeds"] - len(failed)
    if missing:
        failed.append({"seed": first, "options": options, "what": "%d seeds of the chunk neither passed nor said "
                       "why (status %d)" % (missing, done.returncode), "count": missing})
    return dict(summary, first=first, cnt=cnt, options=options, failed=failed)


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def add(into, what):
    for key, value in what.items():
        into[key] = max(into[key], value) if key == "heal_us" else into[key] + value


def merge(chunks):
    all_of = {"total": collections.Counter(), "classes": {}, "died": collections.Counter(), "reached": set(),
              "failed": [], "seconds": 0.0, "storage": 0}
    for c in chunks:
        add(all_of["total"], c["total"])
        for name, sums in c["classes"].items():
            add(all_of["classes"].setdefault(name, collections.Counter()), sums)
        all_of["died"].update(c["died"])
        all_of["reached"].update(c["reached"])
        all_of["failed"] += c["failed"]
        all_of["seconds"] += c["seconds"]
        all_of["storage"] += c["cnt"] if c["options"] else 0
    return all_of


def big(n):
    return format(int(n), ",")


def mutants():
    """Returns (caught, tried, median, rows), or None."""
    if not os.path.exists(MUTANTS):
        return None
    with open(MUTANTS, encoding="utf-8") as f:
        rows = json.load(f)
    by_seed = [r["seeds_to_catch"] for r in rows if r.get("seeds_to_catch")]
    caught = sum(1 for r in rows if r.get("rule"))
    return caught, len(rows), statistics.median(by_seed) if by_seed else None, rows


def class_rows(result):
    rows = [["fault class", "intensity", "who else tests it", "seeds", "simulated hours", "took effect", "elections",
             "crash-recoveries", "committed", "client writes acknowledged", "lost or diverged", "violations",
             "longest wait after healing, ms"]]
    lost = "see below" if result["failed"] else "0"
    for name in WHAT:
        c = result["classes"].get(name)
        if not c:
            rows.append([name, *WHAT[name], "0", "-", "0"] + ["-"] * 7)
            continue
        rows.append([name, *WHAT[name], big(c["seeds"]), "%.2f" % (c["us"] / 3.6e9), big(c["faults"]),
                     big(c["elections"]), big(c["recoveries"]), big(c["committed"]), big(c["acked"]), lost, lost,
                     big(c["heal_us"] / 1000)])
    return rows


def as_table(rows):
    head, *rest = rows
    return ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)] + ["| " + " | ".join(r) + " |" for r in rest]


def coverage(result):
    """Lines: failpoint x (role, phase), how often a process died there; 0: come by, never died; blank: never."""
    where = collections.defaultdict(dict)
    columns = []
    for cell in sorted(set(result["reached"]) | set(result["died"])):
        point, _, state = cell.partition("|")
        where[point][state] = result["died"].get(cell, 0)
        if state not in columns:
            columns.append(state)
    columns.sort()
    rows = [["failpoint"] + [c.replace("|", ", ") for c in columns]]
    rows += [[point] + [big(states[c]) if c in states else "" for c in columns]
             for point, states in sorted(where.items())]
    empty = ["%s (%s)" % (point, state.replace("|", ", ")) for point, states in sorted(where.items())
             for state, cnt in sorted(states.items()) if not cnt]
    return rows, empty


def mutant_lines():
    seen = mutants()
    if not seen:
        return ["No build/mutants/mutants.json: `make mutants` has not been run here, so 0 violations say little."]
    caught, tried, median, rows = seen
    lines = ["%d of %d mutants caught by an oracle, median of seeds to catch: %s (build/mutants/mutants.json)." %
             (caught, tried, "%g" % median if median is not None else "-"), ""]
    table = [["mutant", "seeds to catch", "by"]]
    for r in sorted(rows, key=lambda r: r["id"]):
        found = str(r["seeds_to_catch"]) if r.get("seeds_to_catch") else "not in %s" % r.get("seeds_limit", "?")
        if r.get("scenario"):
            found += "; scenario %s" % r["scenario"]
        table.append([r["name"], found, (r.get("rule") or r.get("broken", "").splitlines()[0] if r.get("broken")
                                         else r.get("rule") or "-").replace("|", "/")])
    return lines + as_table(table)


def markdown(result, meta):
    t = result["total"]
    seeds, failed = t["seeds"] + len(result["failed"]), len(result["failed"])
    cells, empty = coverage(result)
    bound = "fewer than %.2g violations per seed, at 95 %% (rule of three: 3 / %s)" % (3 / seeds, big(seeds)) \
        if seeds and not failed else "no bound: there are failures"
    lines = [
        "# Reliability: what the simulator has met",
        "",
        "Commit %s; command `%s`; sim %s. Written by `make reliability`; a seed is run again with "
        "`build/gcc/sim --seed K` (with `--storage` where the options say so)." % (
            meta["commit"], meta["command"], meta["sim"]),
        "",
        "%s seeds (%s of them with --storage), %s failed: %s." % (big(seeds), big(result["storage"]), big(failed), bound),
        "%s events, %.2f simulated hours (they depend on idle time: compare faults, elections, recoveries), "
        "%.2f core-hours." % (big(t["events"]), t["us"] / 3.6e9, result["seconds"] / 3600),
        "%s elections, %s epoch changes in place, %s crash-recoveries, %s transactions committed, %s client writes acknowledged and checked, "
        "%s disks read as if their power had gone. Longest wait for a write, and for everybody to take part, after "
        "healing: %s ms." % (
            big(t["elections"]), big(t["in_place"]), big(t["recoveries"]), big(t["committed"]), big(t["acked"]), big(t["images"]),
            big(t["heal_us"] / 1000)),
        "", "## By fault class", "",
        "Counted is what took effect. A row's seeds are those in which the class took effect; their elections, "
        "recoveries, transactions are those of the whole seed, so rows overlap and do not add up.", ""]
    lines += as_table(class_rows(result))
    lines += ["", "Beyond the model (more than a minority of the copies of one entry corrupt, memory errors, Byzantine "
              "peers; expected: stops safely): not run here; `make exhaustive` has the entry-corruption set.",
              "Real processes (kill -9, SIGSTOP, failing disks, network namespaces) are other tests and not in this "
              "table: `make processes`, `make rack-test`, test/cluster/.", ""]
    if failed:
        lines += ["## Failures", ""]
        lines += ["- seed %d %s: %s" % (f["seed"], " ".join(f["options"]), f["what"]) for f in result["failed"]] + [""]
    lines += ["## Mutants", ""] + mutant_lines()
    lines += ["", "## Coverage: failpoint x role x phase", "",
              "How often a process died there; 0: come by, nobody died; blank: nobody came by.", ""]
    lines += as_table(cells)
    lines += ["", "Empty cells (come by, nobody died there): %s." % (", ".join(empty) if empty else "none"), ""]
    return "\n".join(lines)


def write_report(chunks, meta):
    result = merge(chunks)
    with open(os.path.join(OUT, "table.md"), "w", encoding="utf-8") as f:
        f.write(markdown(result, meta))
    seen = mutants()
    _, empty = coverage(result)
    with open(os.path.join(OUT, "table.json"), "w", encoding="utf-8") as f:
        json.dump({"meta": meta, "total": result["total"], "classes": result["classes"], "failed": result["failed"],
                   "storage_seeds": result["storage"], "core_seconds": round(result["seconds"], 1),
                   "died": result["died"], "empty_cells": empty,
                   "mutants": None if not seen else {"caught": seen[0], "tried": seen[1], "median_seeds": seen[2]}},
                  f, indent=1)
        f.write("\n")
    return result


def load(sim):
    """What an earlier run with the same sim has done."""
    path = os.path.join(OUT, "chunks.jsonl")
    chunks = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            for line in f:
                try:
                    c = json.loads(line)
                except ValueError:
                    continue  # the last line of an interrupted run
                if c["sim"] == sim:
                    chunks[c["first"], c["cnt"], tuple(c["options"])] = c
    return chunks


def plan_of(args):
    """Yields (first, cnt, options)."""
    end = args.first + args.seeds
    for i, first in enumerate(range(args.first, end, CHUNK)):
        yield first, min(CHUNK, end - first), ["--storage"] if i % STORAGE_EVERY == STORAGE_EVERY - 1 else []


def say(done, args, start, before):
    seeds = sum(c["cnt"] for c in done)
    failed = sum(f.get("count", 1) for c in done for f in c["failed"])
    rate = (seeds - before) / max(time.monotonic() - start, 1e-9)
    left = (args.seeds - seeds) / rate if rate else 0
    print("%s of %s seeds, %d failed, %.1f seeds/s, %d min left" % (big(seeds), big(args.seeds), failed, rate, left / 60),
          flush=True)


def campaign(args, sim, copy):
    """Returns the chunks, in the order of their seeds."""
    old = load(sim)
    planned = list(plan_of(args))
    done = [old[f, n, tuple(o)] for f, n, o in planned if (f, n, tuple(o)) in old]
    todo = [p for p in planned if (p[0], p[1], tuple(p[2])) not in old]
    cpu = cpu_of_children()
    before, start, said = sum(c["cnt"] for c in done), time.monotonic(), time.monotonic()
    if before:
        print("%s seeds are done already (%s)" % (big(before), os.path.relpath(OUT, ROOT)))
    with open(os.path.join(OUT, "chunks.jsonl"), "a", encoding="utf-8") as log, \
            concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        running = {pool.submit(run_chunk, *p, copy) for p in todo}
        try:
            for future in concurrent.futures.as_completed(running):
                chunk, used, cpu = future.result(), cpu, cpu_of_children()
                chunk["seconds"] = round(cpu - used, 2)
                log.write(json.dumps(dict(chunk, sim=sim)) + "\n")
                log.flush()
                done.append(chunk)
                for f in chunk["failed"]:
                    print("seed %d %s: %s" % (f["seed"], " ".join(f["options"]), f["what"]), flush=True)
                if time.monotonic() - said > 20:
                    said = time.monotonic()
                    say(done, args, start, before)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            print("interrupted: what was run is in the table; the same command goes on", flush=True)
    return sorted(done, key=lambda c: c["first"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--report", action="store_true")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.makedirs(OUT, exist_ok=True)
    sim = sha_of(SIM)
    copy = os.path.join(OUT, "sim-" + sim)  # what is built meanwhile changes nothing
    if not os.path.exists(copy):
        with open(SIM, "rb") as source, open(copy, "wb") as to:
            to.write(source.read())
        os.chmod(copy, 0o755)
    meta = {"commit": commit(), "sim": sim,
            "command": "make reliability SEEDS=%d" % args.seeds + (" SEED=%d" % args.first if args.first != 1 else "")}
    chunks = sorted(load(sim).values(), key=lambda c: c["first"]) if args.report else campaign(args, sim, copy)
    result = write_report(chunks, meta)
    failed = sum(f.get("count", 1) for f in result["failed"])
    print("table: %s" % os.path.relpath(os.path.join(OUT, "table.md"), ROOT))
    print("%d passed, %d failed" % (result["total"]["seeds"], failed))
    return 0 if result["total"]["seeds"] and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
