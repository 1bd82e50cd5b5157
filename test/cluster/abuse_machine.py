#!/usr/bin/python3
"""abuse_machine.py [NAME...] - the machine under zabd: stalls of the process and of single threads, a clock that
jumps, too little memory, missing huge pages and NICs."""
import glob
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, ended, still_good  # noqa: E402
from cluster import SLOW, ZABD, Cluster, check, run_tests, wait_for  # noqa: E402
from fault import Fault  # noqa: E402
from freeze import fast_lcore, frozen, threads  # noqa: E402

STALL = {"timeout_us": 300000 * SLOW, "heartbeat_us": 5000 * SLOW}
PATIENT = {"timeout_us": 1000000 * SLOW, "heartbeat_us": 5000 * SLOW}
PAUSE_S = 0.02


class Load:
    """Lines submitted at one node for as long as it lasts; all acknowledged, in order."""

    def __init__(self, node):
        self.node, self.said, self.errors, self.done = node, [], [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.done.is_set() and not self.errors:
            texts = ["load %d" % (len(self.said) + i) for i in range(200)]
            ran = self.node.submit(texts, "--timeout", "60")
            self.errors.extend([ran.stderr.decode()] * (ran.returncode != 0))
            self.said += texts
            self.done.wait(PAUSE_S)  # paces the load: a million lines are all that a node keeps

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        check(not self.errors, "".join(self.errors))

    def check_history(self, c):
        c.wait_serving(seconds=60)
        c.wait_equal(60)
        for n in c.nodes:
            there = [row[3] for row in n.tail() if row[3].startswith("load ")]
            check(there == self.said, "node %d: %d submitted, %d there" % (n.id, len(self.said), len(there)))


FAST_STALLS = (0.01, 0.1, 1.2, 10)


def wait(seconds):
    time.sleep(seconds)  # the stall itself


def stalls(c, seconds):
    """Each of leader and follower is stopped for each of so many seconds while another takes load."""
    for length in seconds:
        for role in ("leader", "follower"):
            leader = c.wait_leader(60)
            victim = leader if role == "leader" else next(n for n in c.nodes if n is not leader)
            busy = next(n for n in c.nodes if n not in (leader, victim))
            since = len(victim.log())
            with Load(busy) as load:
                wait_for("load", lambda: load.said)
                victim.signal(signal.SIGSTOP)
                wait(length)
                victim.signal(signal.SIGCONT)
                c.wait_serving(seconds=60)
            if length * 1e6 > 2 * STALL["timeout_us"] and role == "leader":
                answered("SIGSTOP of the leader's process, longer than timeout_us", victim.log()[since:])
            if length * 1e6 < STALL["timeout_us"] / 10:
                check("no longer leading" not in victim.log()[since:], "a stall of %g s costs a leader" % length)
            yield load


def processes_that_stand_still_lose_nothing():
    with Cluster("stalls", **STALL) as c:
        c.start()
        c.wait_serving()
        said = []
        for load in stalls(c, (0.01, 0.1, 1)):
            said += load.said
        c.wait_equal(60)
        there = [row[3] for row in c.nodes[0].tail()]
        check(there == said, "%d submitted, %d there" % (len(said), len(there)))
        still_good(c)


def processes_that_stand_still_for_ten_seconds_lose_nothing():
    with Cluster("longstalls", **STALL) as c:
        c.start()
        c.wait_serving()
        said = []
        for load in stalls(c, (10,)):
            said += load.said
        c.wait_equal(60)
        check([row[3] for row in c.nodes[0].tail()] == said, "lost, doubled or in another order")
        still_good(c)


def a_thread_that_stands_still_alone_leaves_no_node_half_dead():
    with Cluster("threads", **dict(STALL, disk_timeout_ms=500)) as c:
        c.start()
        c.wait_serving()
        said = []
        main = lambda n: n.process.pid
        for role in ("leader", "follower"):
            leader = c.wait_leader(60)
            victim = leader if role == "leader" else next(n for n in c.nodes if n is not leader)
            busy = next(n for n in c.nodes if n not in (leader, victim))
            names = threads(victim.process.pid)
            for tid in sorted(names):
                if tid == main(victim):
                    continue
                is_fast = tid == fast_lcore(victim.process.pid)
                since = len(victim.log())
                with Load(busy) as load:
                    for length in FAST_STALLS if is_fast else (0.4,):
                        wait_for("load", lambda: load.said)
                        with frozen(tid):
                            wait(length)
                        c.wait_serving(seconds=60)
                said += load.said
                if is_fast and role == "leader":
                    answered("the leader's fast lcore alone stands still, longer than timeout_us",
                             victim.log()[since:])
        c.wait_equal(60)
        check([row[3] for row in c.nodes[0].tail()] == said, "lost, doubled or in another order")
        still_good(c)


def jumps_of_the_clock_on_the_wall_change_nothing():
    with Cluster("jumps", **PATIENT) as c:
        faults = [Fault(n) for n in c.nodes]
        leader = c.start()
        c.wait_serving()
        elections = [n.status()["elections"] for n in c.nodes]
        rng = random.Random(5)
        day = 86400
        with Load(c.nodes[0]) as load:
            for jump in (3600, -3600, day, -day, 30 * 365 * day, -40 * 365 * day, 0):
                for f in faults:  # each another way, one after the other
                    f.jump(jump * rng.choice((1, -1, 0.5)))
                    count = len(load.said)
                    wait_for("load to go on", lambda: len(load.said) > count + 200)
        check(elections == [n.status()["elections"] for n in c.nodes], "a leader changed for it")
        check(c.leader() is leader, "another leader")
        faults[0].jump(-45 * 365 * day)
        c.nodes[0].kill()
        c.nodes[0].start()  # also at the start: nothing is compared with what the disk says of time
        c.wait_serving()
        check(any(l.startswith("198") for l in c.nodes[0].log().splitlines()), "the clock did not jump")
        load.check_history(c)
        answered("CLOCK_REALTIME jumps by seconds to decades", "no answer")
        still_good(c)


def too_little_memory_ends_the_start_with_one_line():
    with Cluster("memory-limit", nodes=1, **PATIENT) as c:
        n = c.nodes[0]
        n.format()
        served, seen = False, set()
        for mib in (16, 64, 128, 192, 256, 320, 384, 448, 512, 640, 768, 1024, 2048):
            since = len(n.log()) if os.path.exists(n.log_file) else 0
            limit = mib << 20
            with open(n.log_file, "ab") as log:
                n.process = subprocess.Popen(
                    [ZABD, "--config", n.config_file], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
            end = wait_for("an end, or service", lambda: n.process.poll() is not None or n.status().get("serving"))
            if n.running():
                check(n.submit(["with %d MiB" % mib]).returncode == 0, "submit")
                check(n.stop() == 0, "clean stop")
                served = True
                break
            text = n.log()[since:]
            check(n.process.returncode in (1, 4, 127), "%d MiB: exit status %d: %s" %
                  (mib, n.process.returncode, text[-500:]))
            lines = [l for l in text.splitlines() if " INFO " not in l and " WARN " not in l]
            check(len(lines) == 1, "%d MiB: not one line: %s" % (mib, lines))
            check('put "--no-huge"' not in lines[0], "it has --no-huge: " + lines[0])
            for part, name in (("DPDK", "too little memory at the start, for DPDK"),
                               ("cannot start a thread", "too little memory at the start, for its threads"),
                               ("", "too little memory at the start, for what a node keeps")):
                if part in lines[0]:
                    break
            if n.process.returncode != 127:  # the dynamic linker's
                answered(name, lines[0])
                seen.add(name)
            check(end, "")
        check(served, "it does not serve with 2 GiB either")
        check(len(seen) > 1, "too few ways: %s" % seen)


def vm_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(next(line for line in f if line.startswith("VmSize")).split()[1])


def memory_that_ends_while_it_runs_ends_the_node_with_one_line():
    with Cluster("memory-ends", nodes=1, **PATIENT) as c:
        n = c.nodes[0]
        c.start()
        acked = 0
        for spare in (1 << 20, 16 << 20):
            since, limit = len(n.log()), (vm_kib(n.process.pid) << 10) + spare
            subprocess.run(["prlimit", "--pid", str(n.process.pid), "--as=%d" % limit], check=True)
            acks = c.dir + "/acks"
            for i in range(30):  # what it keeps for tail grows
                n.submit(["%d " % k + "m" * 200000 for k in range(20)], "--timeout", "1", "--acks", acks)
                with open(acks) as f:
                    acked += sum(1 for _ in f)
                if not n.running():
                    break
            check(not n.running(), "memory has not ended")
            text = n.log()[since:]
            errors = [l for l in text.splitlines() if " ERROR " in l]
            check(n.process.returncode in (1, 3) and len(errors) == 1, "status %d: %s" % (n.process.returncode, text[-600:]))
            answered("memory ends while it runs", errors[0])
            n.start()
            c.wait_leader()
            there = len(n.tail())
            check(acked <= there, "%d acknowledged, %d there" % (acked, there))
            acked = there
        still_good(c)


def too_few_descriptors_are_raised_or_refused():
    with Cluster("files", nodes=1, **PATIENT) as c:
        n = c.nodes[0]
        n.format()
        def start(soft, hard):
            with open(n.log_file, "wb") as log:
                n.process = subprocess.Popen(
                    [ZABD, "--config", n.config_file], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                    preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))
        start(100, 100)
        answered("fewer open files allowed than a node may need", ended(n, 1))
        start(100, 1000)
        c.wait_leader()
        still_good(c)


def closed_standard_descriptors_are_no_files_of_the_node():
    with Cluster("stdio", nodes=1, **PATIENT) as c:
        n = c.nodes[0]
        n.format()
        n.process = subprocess.Popen(["sh", "-c", "exec %s --config %s <&- >&- 2>&-" % (ZABD, n.config_file)])
        c.wait_leader()
        check(n.submit(["line %d" % i for i in range(100)]).returncode == 0, "submit")
        fds = [os.readlink("/proc/%d/fd/%d" % (n.process.pid, fd)) for fd in range(3)]
        check(fds == ["/dev/null"] * 3, "standard descriptors: %s" % fds)
        check(n.stop() == 0, "clean stop")
        n.start()
        c.wait_leader()
        check(len(n.tail()) == 100, "lost")


def pci_devices():
    """[(row, address)] of devices here that DPDK has no driver for, and which so are safe from it: a bridge
    bound to no driver, and something that is neither NIC nor disk with a driver of the kernel's."""
    found = {}
    for path in sorted(glob.glob("/sys/bus/pci/devices/*")):
        with open(path + "/class") as f:
            kind = int(f.read(), 16) >> 16
        driver = os.path.basename(os.path.realpath(path + "/driver")) if os.path.exists(path + "/driver") else None
        if kind == 0x06 and not driver:
            found.setdefault("NIC bound to no driver", os.path.basename(path))
        if kind not in (0x01, 0x02, 0x0b, 0x10, 0x12) and driver and driver != "vfio-pci":
            found.setdefault("NIC bound to the kernel's driver", os.path.basename(path))
    print("        PCI devices to try: %s" % (found or "skipped, there are none here"))
    return found.items()


NO_RUN_TIME_DIRECTORY = "DPDK's run-time directory cannot be made"


def missing_huge_pages_and_nics_end_the_start_with_one_line():
    with Cluster("missing", nodes=3) as c:
        n = c.nodes[0]
        n.format()
        eal = ["--no-huge", "-m", "128", "--no-pci", "--file-prefix", "zabline-missing-1"]
        cases = [("NIC that is not there", {"ports": [{"name": "0000:7f:1f.6"}], "eal": eal[:3] + eal[4:]}, 4),
                 ("port of an unknown driver", {"ports": [{"name": "net_nosuch0"}], "eal": eal}, 4),
                 ("EAL argument that is none", {"eal": eal + ["--frobnicate"]}, 4)]
        for kind, address in pci_devices():
            cases.append((kind, {"ports": [{"name": address}], "eal": eal[:3] + eal[4:]}, 4))
        with open("/proc/meminfo") as f:
            if "HugePages_Total:       0" in f.read():
                cases.append(("huge pages missing", {"eal": ["--no-pci", "-m", "128", "--file-prefix", "zm1"]}, 4))
        if os.getuid():  # root's is /var/run
            cases.append((NO_RUN_TIME_DIRECTORY, {"eal": ["--no-pci", "-m", "128", "--file-prefix", "zm1"]}, 4))
        for name, changes, status in cases:
            # as its own: what DPDK takes else may be another user's from before
            run_time = n.config_file if name == NO_RUN_TIME_DIRECTORY else c.dir
            n.environment["XDG_RUNTIME_DIR"] = os.path.abspath(run_time)
            c.write_config(n, **changes)
            if "ports" in changes:
                import json
                with open(n.config_file) as f:
                    config = json.load(f)
                for p in config["peers"]:
                    p["fast"].pop("port", None)
                with open(n.config_file, "w") as f:
                    json.dump(config, f)
            since = len(n.log()) if os.path.exists(n.log_file) else 0
            n.start()
            answered(name, ended(n, status, since=since))


TESTS = [processes_that_stand_still_lose_nothing, jumps_of_the_clock_on_the_wall_change_nothing,
         too_little_memory_ends_the_start_with_one_line, too_few_descriptors_are_raised_or_refused,
         closed_standard_descriptors_are_no_files_of_the_node, missing_huge_pages_and_nics_end_the_start_with_one_line]
SLOW_TESTS = [a_thread_that_stands_still_alone_leaves_no_node_half_dead,
              memory_that_ends_while_it_runs_ends_the_node_with_one_line,
              processes_that_stand_still_for_ten_seconds_lose_nothing]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted] + [t for t in TESTS + SLOW_TESTS if t.__name__ in wanted]))
