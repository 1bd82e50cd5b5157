#!/usr/bin/python3
"""abuse_cli.py [NAME...] - the control socket and zabctl: garbage, giant lines, closed pipes, Ctrl-C,
thousands of connections that say nothing."""
import json
import os
import resource
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, counters, still_good  # noqa: E402
from cluster import SLOW, ZABCTL, Cluster, check, run_tests, wait_for  # noqa: E402

PATIENT = {"timeout_us": 1000000 * SLOW, "heartbeat_us": 5000 * SLOW}
HELLO = b"\0\0\0\x09\x01ZABC\0\0\0\x01"


def alone(name, **overrides):
    return Cluster(name, nodes=1, **dict(PATIENT, **overrides))


def zabctl(node, *args, **kwargs):
    kwargs.setdefault("stdout", subprocess.DEVNULL)
    return subprocess.Popen([ZABCTL, "--socket", node.socket] + list(args), stderr=subprocess.PIPE, **kwargs)


def connect(node):
    s = socket.socket(socket.AF_UNIX)
    s.connect(node.socket)  # waits while zabd's queue is full
    s.settimeout(20 * SLOW)
    return s


def rest(s):
    got = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return got.decode("latin-1")
            got += part
    except OSError:
        return got.decode("latin-1")


def garbage_gets_a_line_and_the_end_of_its_connection():
    with alone("cligarbage") as c:
        n = c.nodes[0]
        c.start()
        inputs = [("control socket: text", b"status\n"), ("control socket: HTTP", b"GET / HTTP/1.1\r\n\r\n"),
                  ("control socket: a giant length", b"\x7f\xff\xff\xff" + b"x" * 65536),
                  ("control socket: length 0", b"\0\0\0\0"),
                  ("control socket: another version", HELLO[:-1] + b"\x63"),
                  ("control socket: a command before HELLO", b"\0\0\0\x01\x02"),
                  ("control socket: a frame longer than largest_record", HELLO + b"\x01\0\0\0\x09" + b"x" * 65536),
                  ("control socket: an unknown command", HELLO + b"\0\0\0\x01\x63")]
        for name, data in inputs:
            with connect(n) as s:
                try:
                    s.sendall(data)
                except OSError:
                    pass
                answered(name, rest(s))
        with connect(n) as s:  # half a frame, and the end
            s.sendall(HELLO + b"\0\0\xff")
        check(counters(n)["control_bad"] >= 6 and counters(n)["too_large"] >= 1, "not counted: %s" % counters(n))
        still_good(c)


def giant_lines_are_refused_by_zabctl_itself():
    with alone("giant") as c:
        n = c.nodes[0]
        c.start()
        done = n.submit(["fits", "y" * (3 << 20), "not reached"])
        check(done.returncode == 1, "exit status %d" % done.returncode)
        answered("submit: a line longer than largest_record", done.stderr.decode())
        endless = zabctl(n, "submit", stdin=subprocess.PIPE)
        try:
            for _ in range(64):  # 64 MiB without a line's end
                endless.stdin.write(b"z" * (1 << 20))
        except BrokenPipeError:
            pass
        _, err = endless.communicate(timeout=20 * SLOW)
        answered("submit: a line without end", err.decode())
        check([row[3] for row in n.tail()] == ["fits"], "something of the giant lines was taken")
        still_good(c)


def closed_pipes_end_zabctl_and_harm_nobody():
    with alone("pipes") as c:
        n = c.nodes[0]
        c.start()
        check(n.submit(["line %d" % i for i in range(30000)]).returncode == 0, "submit")
        for args in (["tail"], ["tail", "--json"], ["tail", "--follow"]):
            for _ in range(5):  # zabctl tail | head -1
                tail = zabctl(n, *args, stdout=subprocess.PIPE)
                check(b"line 0" in tail.stdout.readline(), "the first line")
                tail.stdout.close()
                if "--follow" in args:
                    n.submit(["more"] * 3)
                _, err = tail.communicate(timeout=20 * SLOW)
                check(tail.returncode in (1, -signal.SIGPIPE), "exit status %d" % tail.returncode)
                check(b"Assertion" not in err and b"\n" not in err.strip(), "more than a line: %r" % err)
        answered("zabctl tail, and its pipe is closed", "ends by SIGPIPE" if tail.returncode == -signal.SIGPIPE else err.decode())
        full = zabctl(n, "tail", stdout=open("/dev/full", "w"))
        _, err = full.communicate(timeout=20 * SLOW)
        check(full.returncode == 1, "exit status %d" % full.returncode)
        answered("zabctl tail > /dev/full", err.decode())
        closed = zabctl(n, "submit", "--json", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        closed.stdout.close()
        closed.communicate(timeout=20 * SLOW)
        for fds in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
            for command in ("status", "digest", "submit", "tail"):
                subprocess.run(["sh", "-c", "exec %s --socket %s %s %s >/dev/null" % (ZABCTL, n.socket, command, fds)]
                               if ">&-" not in fds else
                               ["sh", "-c", "exec %s --socket %s %s %s" % (ZABCTL, n.socket, command, fds)],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               timeout=30 * SLOW)
        still_good(c)


def ctrl_c_in_the_middle_loses_only_what_was_not_acknowledged():
    with Cluster("ctrlc", **PATIENT) as c:
        leader = c.start()
        c.wait_serving()
        follower = next(n for n in c.nodes if n is not leader)
        for node in (leader, follower):
            acks = c.dir + "/acks"
            submit = zabctl(node, "submit", "--acks", acks, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            before = len(node.tail())
            try:
                for i in range(200):
                    submit.stdin.write(b"".join(b"%d-%d-%d\n" % (node.id, i, k) for k in range(100)))
                    if i == 100:
                        wait_for("acknowledgements", lambda: len(node.tail()) > before)
                        submit.send_signal(signal.SIGINT)
            except BrokenPipeError:
                pass
            submit.stderr.read()
            submit.wait(20 * SLOW)
            check(submit.returncode in (1, -signal.SIGINT), "exit status %d" % submit.returncode)
            with open(acks) as f:
                acked = sum(1 for line in f if len(line.split()) == 3)
            there = [row[3] for row in node.tail()[before:] if row[3].startswith("%d-" % node.id)]
            expected = ["%d-%d-%d" % (node.id, i, k) for i in range(200) for k in range(100)]
            check(acked <= len(there) and there == expected[:len(there)], "%d acknowledged, %d there" %
                  (acked, len(there)))
        for args in (["tail", "--follow"], ["bench", "--count", "100000000"], ["submit"]):
            command = zabctl(leader, *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            applied = leader.digest()
            if args[0] == "tail":
                command.stdout.readline()
            elif args[0] == "bench":
                wait_for("the bench to run", lambda: leader.digest() != applied)
            command.send_signal(signal.SIGINT)
            command.communicate(timeout=20 * SLOW)
            check(command.returncode == -signal.SIGINT, "%s: exit status %d" % (args[0], command.returncode))
        wait_for("the bench to end with its connection",
                 lambda: leader.ctl("bench", "--count", "10").returncode == 0)
        still_good(c)
        answered("Ctrl-C in submit, tail, bench", "ends by SIGINT")


def thousands_of_mute_connections_keep_no_operator_out():
    with alone("mute") as c:
        n = c.nodes[0]
        c.start()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        try:
            mute = []
            for i in range(3000):
                s = connect(n)
                if i % 3 == 0:
                    s.sendall(b"\0\0")
                mute.append(s)
                if i % 100 == 0:
                    check(n.submit(["line %d" % i]).returncode == 0, "submit beside %d mute connections" % i)
            answered("control socket: thousands of mute connections",
                     mute[0].recv(100).decode() + json.dumps(counters(n)))
            check(len(os.listdir("/proc/%d/fd" % n.process.pid)) < 250, "too many descriptors")
            still_good(c)
            for s in mute:
                s.close()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        still_good(c)


TESTS = [garbage_gets_a_line_and_the_end_of_its_connection, giant_lines_are_refused_by_zabctl_itself,
         closed_pipes_end_zabctl_and_harm_nobody, ctrl_c_in_the_middle_loses_only_what_was_not_acknowledged,
         thousands_of_mute_connections_keep_no_operator_out]

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a job in the background has it ignored, and so would its children
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
