#!/usr/bin/python3
"""demo.py - three replicas agree on a file's lines over DPDK ports while leaders are killed and hung.

INPUT=file names the lines (default: the output of `dpkg -l`). They are repeated and submitted at a node
that is not hit. At one third the leader is killed with -9 (and started again); at two thirds the new
leader is stopped with SIGSTOP and continued after 1,000 further acknowledgements. Then each node's
history is read back and compared with the input. Then ZooKeeper's own client is shown at the tree (tree.py).
Writes build/demo/summary.json; exit status 0 only if nothing acknowledged was lost, nothing is twice or out of
order, all three are identical, and ZooKeeper's client has seen all that it should.
"""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
import tree  # noqa: E402
from cluster import ZABCTL, Cluster, Failed, Node, wait_for  # noqa: E402

CONFIGS, OUT = "config/dev3", "build/demo"
LINES_MIN, LINES_MAX, PLANNED = 100000, 900000, 200000
OUTSTANDING = 512
FURTHER_ACKS = 1000
WINDOW_BEFORE_S, WINDOW_AFTER_S = 1, 10


class Dev3(Cluster):
    """The ensemble of config/dev3, as a user starts it."""

    def __init__(self):
        self.dir = OUT
        shutil.rmtree(OUT, ignore_errors=True)
        os.makedirs(OUT)
        self.nodes, self.helpers = [], []
        for i in (1, 2, 3):
            n = Node(self, i)
            n.config_file = "%s/%d.json" % (CONFIGS, i)
            with open(n.config_file) as f:
                config = json.load(f)
            n.dir, n.socket = os.path.dirname(config["data_dir"]), config["control_socket"]
            self.nodes.append(n)
        self.durability = config["durability"]

    def prepare(self):
        for n in self.nodes:
            if n.status():
                raise Failed("a zabd of %s is running already: stop it first" % n.config_file)
        shutil.rmtree("build/dev3", ignore_errors=True)


def input_lines():
    name = os.environ.get("INPUT")
    if name:
        with open(name, "rb") as f:
            data = f.read()
    else:
        data = subprocess.run(["dpkg", "-l"], capture_output=True, check=True).stdout
    lines = data.split(b"\n")
    if lines and lines[-1] == b"":
        lines.pop()
    if not lines:
        raise Failed("%s has no lines" % (name or "dpkg -l"))
    return lines


class Submitter:
    """`zabctl submit` at one node: fed with the lines, its acknowledgements read as they come."""

    def __init__(self, node, lines):
        self.lines, self.fed, self.target = lines, 0, max(PLANNED, LINES_MIN)
        self.hash = hashlib.sha256()
        self.acks = []  # (time in ns, sequence, zxid), in the order they came
        self.hold = threading.Event()
        read_end, write_end = os.pipe()
        self.process = subprocess.Popen(
            [ZABCTL, "--socket", node.socket, "submit", "--json", "--outstanding", str(OUTSTANDING),
             "--acks", "/dev/fd/%d" % write_end],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=[write_end])
        os.close(write_end)
        self.reader = threading.Thread(target=self.read_acks, args=(os.fdopen(read_end),), daemon=True)
        self.feeder = threading.Thread(target=self.feed, daemon=True)
        self.reader.start()
        self.feeder.start()

    def feed(self):
        block = 1000
        while self.fed < self.target:
            data = b"".join(self.lines[i % len(self.lines)] + b"\n"
                            for i in range(self.fed, self.fed + block))
            try:
                self.process.stdin.write(data)
            except OSError:
                return
            self.hash.update(data)
            self.fed += block
        self.process.stdin.close()

    def read_acks(self, pipe):
        for line in pipe:
            at, seq, zxid = line.split()
            self.acks.append((int(at), int(seq), int(zxid, 0)))

    def reached(self, count):
        return len(self.acks) >= count or self.process.poll() is not None

    def finish(self):
        self.feeder.join()
        out = self.process.stdout.read()
        status = self.process.wait()
        self.reader.join()
        if status:
            raise Failed("zabctl submit ended with status %d" % status)
        return json.loads(out)


def gap_ms(acks, signal_ns):
    """The longest gap between two acknowledgements from 1 s before to 10 s after the signal."""
    low, high = signal_ns - WINDOW_BEFORE_S * 10**9, signal_ns + WINDOW_AFTER_S * 10**9
    times = sorted(a[0] for a in acks if low <= a[0] <= high)
    if not times or times[-1] < signal_ns:
        raise Failed("no acknowledgement after the signal")
    return max(b - a for a, b in zip(times, times[1:])) / 1e6


def say(text):
    print("demo: " + text, flush=True)


def progress(submitter, count, what):
    while not submitter.reached(count):
        if sys.stderr.isatty():
            sys.stderr.write("\rdemo: %d acknowledged, %s " % (len(submitter.acks), what))
            sys.stderr.flush()
        time.sleep(0.002)  # how often the milestone is looked for
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")


def run_faults(cluster, kept, submitter):
    """Kills, then hangs, the leader; returns the times of the two signals in ns."""
    progress(submitter, submitter.target // 3, "next: kill -9 of the leader")
    victim = cluster.leader_but(kept)
    killed_ns = time.monotonic_ns()
    victim.signal(signal.SIGKILL)
    victim.process.wait()
    at = len(submitter.acks)
    say("killed the leader, node %d, with -9 after %d acknowledgements" % (victim.id, at))
    wait_for("acknowledgements after the kill", lambda: len(submitter.acks) > at + OUTSTANDING)
    victim.start()
    while not victim.status().get("serving"):
        if submitter.fed > submitter.target - 60000:
            submitter.target = min(submitter.target + 60000, LINES_MAX)
        time.sleep(0.005)
    say("node %d is back and follows" % victim.id)
    progress(submitter, 2 * submitter.target // 3, "next: SIGSTOP of the leader")
    hung = cluster.leader_but(kept)
    if len(submitter.acks) + 30 * FURTHER_ACKS > submitter.target:
        submitter.target = min(len(submitter.acks) + 100 * FURTHER_ACKS, LINES_MAX)
    hung_ns = time.monotonic_ns()
    hung.signal(signal.SIGSTOP)
    at = len(submitter.acks)
    say("stopped the leader, node %d, with SIGSTOP after %d acknowledgements" % (hung.id, at))
    try:
        wait_for("1,000 acknowledgements after the stop", lambda: submitter.reached(at + FURTHER_ACKS))
    finally:
        hung.signal(signal.SIGCONT)
    wait_for("node %d to step down by itself" % hung.id,
             lambda: hung.status().get("state") == "following" and hung.status().get("serving"))
    say("continued it: node %d stepped down by itself and follows" % hung.id)
    return killed_ns, hung_ns


def compare(cluster, submitter):
    """Reads each history back and compares it with what was submitted."""
    total = submitter.fed
    acked = {seq: zxid for _, seq, zxid in submitter.acks}
    digests, result = [], {"lost": 0, "duplicated": 0, "out_of_order": 0}
    for n in cluster.nodes:
        seen, previous, whole = set(), 0, hashlib.sha256()
        content = hashlib.sha256(n.ctl("tail").stdout)  # the lines themselves, byte for byte
        for zxid, client, seq, data in n.tail():
            result["duplicated"] += seq in seen
            result["out_of_order"] += seq != previous + 1
            seen.add(seq)
            previous = seq
            whole.update(("%s %s %s\n" % (zxid, client, seq)).encode())
            whole.update(data.encode("utf-8", "surrogateescape"))
        result["lost"] += sum(1 for seq in acked if seq not in seen)
        if len(seen) == total and content.digest() != submitter.hash.digest():
            result["lost"] += 1
            say("node %d: content differs from the input" % n.id)
        digests.append(whole.hexdigest())
        say("node %d: %d records read back, checksum %s" % (n.id, len(seen), content.hexdigest()[:16]))
    result["identical"] = len(set(digests)) == 1
    result["input_checksum"] = submitter.hash.hexdigest()[:16]
    return result


def summarize(cluster, submitter, report, signals, compared):
    summary = {"nodes": len(cluster.nodes), "submitted": submitter.fed, "acknowledged": len(submitter.acks)}
    summary.update(compared)
    summary.update({
        "leader_kills": 1,
        "failover_kill_ms": round(gap_ms(submitter.acks, signals[0]), 1),
        "failover_hang_ms": round(gap_ms(submitter.acks, signals[1]), 1),
        "commit_p50_us": report["ack_p50_us"], "commit_p99_us": report["ack_p99_us"],
        "throughput_per_s": round(report["throughput_per_s"]), "durability": cluster.durability})
    return summary


def show(summary, checksum):
    with open(OUT + "/summary.json", "w") as f:
        json.dump(summary, f, indent=1)
        f.write("\n")
    print("\n  %-34s %s" % ("input checksum", checksum))
    for key, value in summary.items():
        if not isinstance(value, dict):
            print("  %-34s %s" % (key.replace("_", " "), value))
    print("  with ZooKeeper's client:")
    for key, value in summary["tree"].items():
        print("  %-34s %s" % (key.replace("_", " "), value))
    print()


def good(s):
    return (s["lost"] == s["duplicated"] == s["out_of_order"] == 0 and s["identical"] and
            s["acknowledged"] == s["submitted"] >= LINES_MIN and tree.good(s["tree"]))


def log_part():
    """The log's half: what goes into the summary, and the input's checksum."""
    lines = input_lines()
    with Dev3() as cluster:
        cluster.prepare()
        say("starting three zabd of %s" % CONFIGS)
        cluster.start()
        cluster.wait_serving()
        kept = min((n for n in cluster.nodes if n is not cluster.leader()), key=lambda n: n.id)
        say("node %d leads; submitting at node %d, %d outstanding" %
            (cluster.leader().id, kept.id, OUTSTANDING))
        submitter = Submitter(kept, lines)
        signals = run_faults(cluster, kept, submitter)
        report = submitter.finish()
        cluster.wait_equal()
        compared = compare(cluster, submitter)
        checksum = compared.pop("input_checksum")
        summary = summarize(cluster, submitter, report, signals, compared)
        for n in cluster.nodes:
            n.stop()
    return summary, checksum


def main():
    try:
        summary, checksum = log_part()
        summary["tree"] = tree.run(OUT + "/tree", say)
        show(summary, checksum)
    except Failed as e:
        say("FAILED: %s (logs: %s/zabd-*.log, %s/tree/zabd-*.log)" % (e, OUT, OUT))
        return 1
    say("nothing lost, nothing twice, all three identical, and ZooKeeper's client saw it through"
        if good(summary) else "FAILED: see the table")
    return 0 if good(summary) else 1


if __name__ == "__main__":
    sys.exit(main())
