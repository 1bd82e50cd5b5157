"""cluster.py - ensembles of real zabd processes on one machine, for the scripts in this folder.

Every wait has a deadline and ends in an exception that says what was waited for; no sleep stands for
synchronisation. Processes are ended by their process ids, whatever happens.
"""
import atexit
import json
import os
import shutil
import signal
import subprocess
import time
import traceback

BUILD = os.environ.get("ZABLINE_BUILD", "build/gcc")
ZABD = os.path.join(BUILD, "zabd")
ZABCTL = os.path.join(BUILD, "zabctl")
PORT_OFFSET = int(os.environ.get("PORT_OFFSET", "0"))  # another one lets two runs share a machine
SUFFIX = "-%d" % PORT_OFFSET if PORT_OFFSET else ""
SLOW = 5 if "san" in BUILD else 1  # sanitizer builds: deadlines times this


class Failed(Exception):
    pass


class Skipped(Exception):
    """Raised by a test that cannot run here; says why."""


def wait_for(what, condition, seconds=20):
    """Returns the first true value of condition(); Failed after `seconds`."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed("timed out after %d s: %s" % (seconds * SLOW, what))
        time.sleep(0.01)


def unmount(path):
    """Nothing is mounted there any more, and its loop device is gone."""
    while os.path.ismount(path):
        if subprocess.run(["umount", path]).returncode and subprocess.run(["umount", "-l", path]).returncode:
            raise Failed("cannot unmount " + path)


class Node:
    def __init__(self, cluster, idx):
        self.cluster = cluster
        self.id = idx
        self.dir = os.path.join(cluster.dir, str(idx))
        self.config_file = os.path.join(cluster.dir, "%d.json" % idx)
        self.log_file = os.path.join(cluster.dir, "zabd-%d.log" % idx)
        self.socket = os.path.join(self.dir, "control.sock")
        self.process = None
        self.environment = {}  # of zabd, beside our own

    def format(self, rejoin=False):
        subprocess.run([ZABD, "--config", self.config_file, "--format"] + ["--rejoin"] * rejoin,
                       check=True, stderr=subprocess.PIPE)

    def start(self):
        assert not self.running()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.cluster.command(self), stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL,
                                            env=dict(os.environ, **self.environment))

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        os.kill(self.process.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=20):
        """A clean stop; returns the exit status."""
        self.process.terminate()
        return self.process.wait(seconds * SLOW)

    def wait_exit(self, seconds=20):
        return self.process.wait(seconds * SLOW)

    def log(self):
        with open(self.log_file, errors="replace") as f:
            return f.read()

    def ctl(self, *args, **kwargs):
        return subprocess.run([ZABCTL, "--socket", self.socket] + list(args), capture_output=True,
                              timeout=kwargs.pop("timeout", 60 * SLOW), **kwargs)

    def status(self):
        """The status as a dict, or {} if the node does not answer."""
        try:
            done = self.ctl("status", "--json", timeout=5 * SLOW)
            return json.loads(done.stdout) if done.returncode == 0 else {}
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            return {}

    def submit(self, lines, *args, timeout=120):
        return self.ctl("submit", *args, input="".join(l + "\n" for l in lines).encode(),
                        timeout=timeout * SLOW)

    def tail(self):
        """[(zxid, client, sequence, data)] of what the node keeps."""
        done = self.ctl("tail", "--json")
        if done.returncode:
            raise Failed("node %d: tail: %s" % (self.id, done.stderr.decode().strip()))
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        if rows and "purged_before" in rows[0]:
            raise Failed("node %d no longer keeps its whole history: purged before %s" %
                         (self.id, rows[0]["purged_before"]))
        def data(row):  # "data_hex" where the bytes are no text
            return row["data"] if "data" in row else bytes.fromhex(row["data_hex"]).decode("utf-8", "surrogateescape")
        return [(r["zxid"], r["client"], r["seq"], data(r)) for r in rows]

    def digest(self):
        return self.ctl("digest").stdout.decode().split()


def raw_writes(directory, count, writers):
    """Durable writes by programs that link nothing of Zabline, at once on one disk: what each has measured."""
    if not os.path.exists(BUILD + "/raw_write"):
        raise Failed("%s/raw_write is missing: run `make perf-programs` first" % BUILD)
    all_ = [subprocess.Popen([BUILD + "/raw_write", "%s/raw_write.%d" % (directory, i), str(count)],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE) for i in range(writers)]
    outs = [p.communicate(timeout=120) for p in all_]
    if any(p.returncode for p in all_):
        raise Failed("raw_write: %s" % b"".join(err for _, err in outs).decode().strip())
    return [json.loads(out) for out, _ in outs]


class Cluster:
    def __init__(self, name, nodes=3, base_port=23000, prefix="build/cluster", **overrides):
        self.name = name
        self.dir = os.path.join(prefix + SUFFIX, name)
        self.base_port = base_port + PORT_OFFSET
        self.overrides = overrides
        shutil.rmtree(self.dir, ignore_errors=True)
        os.makedirs(self.dir)
        self.nodes = [Node(self, i + 1) for i in range(nodes)]
        self.helpers = []  # whatever else ends with the cluster: has end()
        for n in self.nodes:
            self.write_config(n)
        atexit.register(self.end)

    def command(self, node):
        """What starts zabd of the node, in the foreground."""
        return [ZABD, "--config", node.config_file]

    def peer_config(self, node, i):
        """The entry of node i among the peers in the config of node."""
        fast = {"ip": "10.91.0.%d" % i, "udp_port": 2988}
        if i != node.id:
            fast["port"] = "net_memif%d" % i
        return {"id": i, "role": "voter", "address": "127.0.0.1", "quorum_port": self.base_port + 10 + i,
                "election_port": self.base_port + 20 + i, "fast": fast}

    def port_configs(self, node):
        ports = []
        for i in [n.id for n in self.nodes if n is not node]:
            low, high = min(i, node.id), max(i, node.id)
            ports.append({"name": "net_memif%d" % i,
                          "args": "role=%s,id=%d,socket-abstract=no,socket=%s/memif-%d-%d.sock" %
                                  ("server" if node.id == low else "client", 10 * low + high, self.dir, low,
                                   high)})
        return ports

    def write_config(self, node, **changes):
        peers, ports = [self.peer_config(node, n.id) for n in self.nodes], self.port_configs(node)
        config = {
            "cluster": self.name, "id": node.id, "data_dir": node.dir + "/data",
            "control_socket": node.socket, "durability": "sync", "client_port": self.base_port + node.id,
            "peers": peers, "ports": ports,
            "eal": ["--no-huge", "-m", "128", "--no-pci", "--file-prefix",
                    "zabline-%s-%d" % (self.name, node.id)],
            "idle": "yield", "idle_turns": 500, "heartbeat_us": 5000 * SLOW, "timeout_us": 40000 * SLOW,
            "finalize_ms": 20, "ring_bytes": 4194304, "largest_record": 1048576,
            "segment_bytes": 16777216, "min_free_bytes": 67108864, "app_keep": 1000000,
        }
        config.update(self.overrides)
        config.update(changes)
        with open(node.config_file, "w") as f:
            json.dump(config, f, indent=1)

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self.end()
        if error is None:
            self.check_logs()

    def check_logs(self):
        """No node's log holds an assertion, a panic or a sanitizer's report."""
        for n in self.nodes:
            text = n.log() if os.path.exists(n.log_file) else ""
            for bad in ("Assertion", "PANIC", "Sanitizer", "runtime error:"):
                at = text.find(bad)
                check(at < 0, "node %d: %s" % (n.id, text[max(at - 200, 0):at + 1000]))

    def start(self):
        for n in self.nodes:
            n.format()
        for n in self.nodes:
            n.start()
        return self.wait_leader()

    def end(self):
        for n in self.nodes:
            if n.running():
                n.kill()
        for helper in self.helpers:
            helper.end()

    def up(self):
        return [n for n in self.nodes if n.running()]

    def leader(self):
        """The node that serves as the established leader, or None."""
        for n in self.up():
            s = n.status()
            if s.get("state") == "leading" and s.get("serving"):
                return n
        return None

    def wait_leader(self, seconds=20):
        return wait_for("a serving leader", self.leader, seconds)

    def leader_but(self, kept):
        """The leader; if that is node `kept`, it is asked to step down first."""
        def settled():
            leader = self.leader()
            if leader is kept:
                kept.ctl("step-down")
                return None
            return leader
        return wait_for("a leader that is not node %d" % kept.id, settled)

    def wait_serving(self, nodes=None, seconds=20):
        """All of nodes (default: all that run) serve."""
        for n in nodes or self.up():
            def serving(node=n):
                check(node.running(), "node %d ended by itself:\n%s" % (node.id, node.log()[-800:]))
                return node.status().get("serving")
            wait_for("node %d to serve" % n.id, serving, seconds)

    def wait_equal(self, seconds=30):
        """All running nodes have the same applied zxid and digest; returns them."""
        def equal():
            digests = [n.digest() for n in self.up()]
            return digests[0] if digests[0] and all(d == digests[0] for d in digests) else None
        return wait_for("equal digests on all nodes", equal, seconds)


def check(condition, what):
    if not condition:
        raise Failed(what)


def run_tests(tests):
    """Runs the functions one after the other; prints one line each, at the end `N skipped: NAME...` if any
    was, and `N passed, N failed`.  Returns the exit status: 77 if all were skipped."""
    passed = failed = 0
    skipped = []
    for test in tests:
        start = time.monotonic()
        try:
            test()
            passed += 1
            print("ok      %-60s %6.1f s" % (test.__name__, time.monotonic() - start), flush=True)
        except Skipped as e:
            skipped.append(test.__name__)
            print("skipped %s: %s" % (test.__name__, e), flush=True)
        except (Failed, subprocess.SubprocessError, AssertionError, OSError) as e:
            failed += 1
            print("FAILED  %s: %s" % (test.__name__, e), flush=True)
        except Exception as e:  # an error of the test's own, and the others still run
            failed += 1
            print("FAILED  %s: %r\n%s" % (test.__name__, e, traceback.format_exc()), flush=True)
    if skipped:
        print("%d skipped: %s" % (len(skipped), " ".join(skipped)))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 77 if skipped and not passed else 0
