"""answers.py - what a bad input must be answered with: one clear line, or a counted drop.

BAD_INPUT.md is the list of them for people; answered() holds a process's answer against its row there, so
that neither can change without the other."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SLOW, check, wait_for  # noqa: E402

TABLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "BAD_INPUT.md")


def run(*args, timeout=30, **kwargs):
    return subprocess.run(list(args), capture_output=True, timeout=timeout * SLOW, **kwargs)


def rows():
    """{input: [code spans of its answer]}"""
    table = {}
    with open(TABLE) as f:
        for line in f:
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            if line.startswith("| ") and len(cells) == 2:
                table[cells[0]] = re.findall(r"`([^`]+)`", cells[1])
    return table


def pattern_of(span):
    """N stands for a number (hexadecimal, too), ... for anything."""
    text = re.escape(span).replace(re.escape("..."), ".*")
    return re.sub(r"\bN\b", "[0-9a-fx]+", text)


def answered(name, text):
    """Each `code span` of the row's answer is in text (a log, stderr, or names of counters)."""
    spans = rows().get(name)
    check(spans, "BAD_INPUT.md has no answer for %r" % name)
    for span in spans:
        check(re.search(pattern_of(span), text), "%s: not answered %r: %s" % (name, span, text[-1500:]))


def errors_of(text):
    return [line for line in text.splitlines() if " ERROR " in line] or text.splitlines()


def one_line(done, status, *words):
    text = done.stderr.decode()
    errors = errors_of(text)
    check(done.returncode == status, "exit status %d, not %d: %s" % (done.returncode, status, text[-300:]))
    check(len(errors) == 1, "not one line: %s" % text[-600:])
    for w in words:
        check(w in errors[0], "the line does not say %r: %s" % (w, errors[0]))
    return errors[0]


def ended(node, status, *words, since=0, seconds=20):
    """The node ends by itself with this status and one ERROR line that has the words; returns the line."""
    code = node.wait_exit(seconds)
    text = node.log()[since:]
    errors = [line for line in text.splitlines() if " ERROR " in line]
    check(code == status, "exit status %d, not %d: %s" % (code, status, text[-600:]))
    check(len(errors) == 1, "not one ERROR line: %s" % errors)
    for w in words:
        check(w in errors[0], "the line does not say %r: %s" % (w, errors[0]))
    return errors[0]


def refused(node, status, *words):
    node.start()
    return ended(node, status, *words)


def still_good(c, through=None):
    """All that run serve, take a transaction and agree."""
    c.wait_serving()
    node = through or c.up()[0]
    done = node.submit(["still good"])
    check(done.returncode == 0, "submit afterwards: %s" % done.stderr.decode())
    c.wait_equal()


def counters(node):
    return node.status().get("counters", {})


def drops(node, port=None, peer=None):
    """{reason: count} of what was dropped from peer (an id, or "stranger") at port; None: any."""
    total = {}
    for d in node.status().get("drops", []):
        who = "stranger" if "stranger" in d else d["peer"]
        if port in (None, d["port"]) and peer in (None, who):
            for reason, cnt in d["counters"].items():
                total[reason] = total.get(reason, 0) + cnt
    return total


def wait_counted(node, reason, at_least=1, seconds=20, **who):
    wait_for("node %d to count %d of %s" % (node.id, at_least, reason),
             lambda: drops(node, **who).get(reason, 0) >= at_least, seconds)
