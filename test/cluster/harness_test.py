#!/usr/bin/python3
"""harness_test.py - a test that raises anything has failed, one that is skipped has not passed, and the
others still run: run_tests (cluster.py), and run.py above it."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
from cluster import check, run_tests  # noqa: E402

SCRIPT = """#!/usr/bin/python3
import sys
sys.path.insert(0, %r)
from cluster import Failed, Skipped, run_tests

def good(): pass
def no_root(): raise Skipped("needs root")
def false(): raise Failed("so")
def no_key(): {}["x"]
def no_number(): int("x")
def no_file(): open("/none")

sys.exit(run_tests([%s]))
"""


def script(directory, *tests):
    """A test script as those here, in a file that run.py takes for one."""
    path = os.path.join(directory, "script.sh")
    with open(path, "w") as f:
        f.write(SCRIPT % (HERE, ", ".join(tests)))
    os.chmod(path, 0o755)
    return path


def ran(*tests):
    """(exit status, lines) of a script alone, then of run.py with it."""
    directory = "build/harness-%d" % os.getpid()
    os.makedirs(directory, exist_ok=True)
    path = script(directory, *tests)
    for command in ([path], [sys.executable, os.path.join(HERE, "..", "run.py"), "--logs", directory, path]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        check(not done.stderr, done.stderr)
        yield done.returncode, done.stdout.splitlines()
    for name in os.listdir(directory):
        os.remove(os.path.join(directory, name))
    os.rmdir(directory)


def whatever_a_test_raises_is_its_failure_and_the_others_run():
    (status, lines), (all_status, all_lines) = ran("no_key", "no_number", "no_file", "false", "good")
    check(status == 1 and lines[-1] == "1 passed, 4 failed", "%d: %s" % (status, lines))
    for name in ("no_key", "no_number", "no_file", "false"):
        check(any(l.startswith("FAILED  %s: " % name) for l in lines), "%s: %s" % (name, lines))
        check("failed: script.sh: " + name in all_lines, all_lines)
    check(all_status == 1 and all_lines[-1] == "1 passed, 4 failed", all_lines)


def what_is_skipped_is_named_and_has_not_passed():
    (status, lines), (all_status, all_lines) = ran("no_root", "good")
    check(status == 0 and lines[-2:] == ["1 skipped: no_root", "1 passed, 0 failed"], "%d: %s" % (status, lines))
    check("skipped no_root: needs root" in lines, lines)
    check(all_status == 0 and all_lines[-2:] == ["1 skipped", "1 passed, 0 failed"], all_lines)
    check("  skipped no_root: needs root" in all_lines, all_lines)


def a_script_of_which_all_is_skipped_is_skipped():
    (status, lines), (_, all_lines) = ran("no_root", "no_root")
    check(status == 77 and lines[-1] == "0 passed, 0 failed", "%d: %s" % (status, lines))
    check(all_lines[-2:] == ["2 skipped", "0 passed, 0 failed"], all_lines)


if __name__ == "__main__":
    sys.exit(run_tests([whatever_a_test_raises_is_its_failure_and_the_others_run,
                        what_is_skipped_is_named_and_has_not_passed, a_script_of_which_all_is_skipped_is_skipped]))
