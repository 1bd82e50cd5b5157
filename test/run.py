#!/usr/bin/python3
"""run.py [--logs DIR] [--together PROGRAM... --] PROGRAM... - runs test programs one after the other, before
that those of --together, which do not look at the clock, as many at once as there are cores.

A PROGRAM is a googletest binary or a script. A script passes with exit status 0, is skipped with 77,
and may count for itself by lines "N skipped" and "N passed, N failed" (the last ones are taken). One progress line for
each; the output only of what failed; at the end one line "N passed, N failed" over all.
Exit status 0 only if nothing failed and something passed.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time

SKIPPED = 77
SKIPS = re.compile(r"^(\d+) skipped", re.M)
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed", re.M)


running = set()  # process groups


def end_all():
    for group in list(running):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass


def run(program, log, limit_s):
    """Returns (exit status, timed out, output); ends the whole process group."""
    with open(log, "wb") as out:
        child = subprocess.Popen([program], stdout=out, stderr=subprocess.STDOUT,
                                 stdin=subprocess.DEVNULL, start_new_session=True)
        timed_out = False
        running.add(child.pid)
        try:
            child.wait(limit_s)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:  # also on an interrupt: what it started ends with it
            try:
                os.killpg(child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            running.discard(child.pid)
        status = child.wait()
    with open(log, errors="replace") as out:
        return status, timed_out, out.read()


def count_googletest(status, output):
    """Returns (passed, names of failed, skipped). A test that was running at a crash has failed."""
    passed = set(re.findall(r"^\[       OK \] (\S+)", output, re.M))
    failed = re.findall(r"^\[  FAILED  \] (\S+?),? .*\(\d+ ms\)$", output, re.M)
    skipped = re.findall(r"^\[  SKIPPED \] (\S+) \(", output, re.M)
    ran = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
    unfinished = [name for name in ran if name not in passed and name not in failed and name not in skipped]
    if status != 0 and not failed and not unfinished:
        unfinished = ["(exit status %d)" % status]
    return len(passed), failed + unfinished, len(skipped)


def count_script(status, output):
    if status == SKIPPED:
        return 0, [], sum(map(int, SKIPS.findall(output)[-1:])) or 1
    counts = COUNTS.findall(output)
    passed, failed = map(int, counts[-1]) if counts else (int(status == 0), int(status != 0))
    if status != 0 and failed == 0:
        failed = 1
    names = re.findall(r"^FAILED +([^\s:]+)", output, re.M)[:failed]
    return passed, names + ["(exit status %d)" % status] * (failed - len(names)), sum(map(int, SKIPS.findall(output)[-1:]))


def suite_name(program):
    return re.sub(r"^test_", "", os.path.basename(program))


def report(program, log, limit_s, seconds, status, timed_out, output):
    """Prints the line of a program that has ended. Returns (passed, names of failed, skipped)."""
    name = suite_name(program)
    is_gtest = "[==========]" in output or not program.endswith(".sh")
    passed, failed, skipped = (count_googletest if is_gtest else count_script)(status, output)
    if timed_out:
        failed = failed[:-1] + ["%s (not done after %d s)" % ("".join(failed[-1:]), limit_s)]
    print("%-24s %5d passed%s%s  %.1f s" % (
        name, passed, ", %d FAILED" % len(failed) if failed else "",
        ", %d skipped" % skipped if skipped else "", seconds), flush=True)
    if skipped and not is_gtest:
        said = re.findall(r"^skipped\b.*", output, re.M) or output.strip().splitlines()[-1:]
        print("  " + "\n  ".join(said or ["no reason given"]))
    if failed:
        print("---- %s: %s" % (program, log))
        print(output[-20000:].rstrip())
        print("----", flush=True)
    return passed, ["%s: %s" % (name, what) for what in failed], skipped


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", default="build/logs")
    parser.add_argument("--limit-s", type=float, default=600)
    parser.add_argument("--together", nargs="*", default=[], metavar="PROGRAM")
    parser.add_argument("program", nargs="*")
    args = parser.parse_args()
    os.makedirs(args.logs, exist_ok=True)

    def run_one(program):
        log = os.path.join(args.logs, suite_name(program) + ".log")
        start = time.monotonic()
        result = run(program, log, args.limit_s)
        return (program, log, args.limit_s, time.monotonic() - start) + result

    def stop(*_):  # what was started ends with us
        end_all()
        os._exit(1)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    results = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        done = [pool.submit(run_one, p) for p in args.together]
        results += [report(*f.result()) for f in concurrent.futures.as_completed(done)]
    results += [report(*run_one(p)) for p in args.program]
    failures = [line for _, failed, _ in results for line in failed]
    total_passed, total_skipped = sum(r[0] for r in results), sum(r[2] for r in results)
    for line in failures:
        print("failed: " + line)
    if total_skipped:
        print("%d skipped" % total_skipped)
    print("%d passed, %d failed" % (total_passed, len(failures)))
    return 0 if total_passed and not failures else 1


if __name__ == "__main__":
    sys.exit(main())
