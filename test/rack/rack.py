"""rack.py - ensembles of zabd processes on the cables of wire.py: each node in its own namespace, its fast
path an AF_PACKET or AF_XDP port of its own veth, its kernel sockets on another one.

verdict() is what every test ends with: the faults are over, and within BOUND_S a new write of every node
commits; then nothing acknowledged is lost or twice or out of order, and all nodes hold the same.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from cluster import SLOW, SUFFIX, Cluster, check, wait_for  # noqa: E402,F401
from torture import Client, verify  # noqa: E402
from wire import RAILS, Wire, mac  # noqa: E402

TIMEOUT_US = 600000 * SLOW  # far above the delays of the scheduler of a busy machine
HEARTBEAT_US = TIMEOUT_US // 10
TICK_MS, INIT_LIMIT, SYNC_LIMIT = 200 * SLOW, 10, 5

# From the end of a fault, or from its begin when a majority stays connected, to the commit of a new write,
# each part once, at its worst:
BOUND_S = SLOW * 1e-6 * (
    TIMEOUT_US / SLOW  # a leader or follower that cannot work any more finds that out (timeout_us)
    + 2000000  # an attempt that began before and cannot succeed: init_limit, CEPOCH_LIMIT_US
    + 1500000  # the pause after failed attempts: 1.5 x HOLD_MAX_US
    + 1000000  # the next repetition of a vote: BACKOFF_MAX_US
    + 1500000  # a dial into the void (CONNECT_US), and the pause before the next (LAST_DELAY_US)
    + 2000000  # the best candidate is avoided by one whom it could not serve (AVOID_US)
    + 1000000)  # the election, the sync, and the scheduler of a shared machine
GRACE_S = 0.3 * SLOW  # what a shared machine adds to a measured time: its scheduler, the start of zabctl
PROBE_PAUSE_S = 0.1  # each probe is a client of its own, and the app knows only the last 1024
CLIENT_S = 60  # what a client's load is spread over: longer than a test


class Rack(Cluster):
    """arp: no static MACs.  wire, first_host: nodes on cables of another ensemble.  to_foreign: {id of a peer:
    host whose MAC the config names for it}."""

    def __init__(self, name, nodes=3, driver="af_packet", rails=1, mangled=(), extra_hosts=0, arp=False,
                 wire=None, first_host=1, to_foreign=None, **overrides):
        self.driver, self.rails, self.first_host, self.arp = driver, rails, first_host, arp
        self.to_foreign = to_foreign or {}
        settings = {"idle": "yield", "idle_turns": 100, "heartbeat_us": HEARTBEAT_US, "timeout_us": TIMEOUT_US,
                    "tick_ms": TICK_MS, "init_limit": INIT_LIMIT, "sync_limit": SYNC_LIMIT,
                    "disk_timeout_ms": 3000 * SLOW}
        settings.update(overrides)
        super().__init__(name, nodes, prefix="build/rack", **settings)
        self.clients = []
        self.owns_wire = wire is None
        self.wire = wire or Wire(self.dir, nodes + extra_hosts, rails, mangled)

    def host_of(self, node):
        return self.first_host + node.id - 1

    def command(self, node):
        return self.wire.inside(self.wire.host(self.host_of(node)), *super().command(node))

    def peer_config(self, node, i):
        host = self.first_host + i - 1
        fast = [{"ip": "10.92.%d.%d" % (rail, i)} for rail in range(self.rails)]
        if not self.arp:
            for rail, address in enumerate(fast):
                address["mac"] = mac(self.to_foreign.get(i, host) if i != node.id else host, rail)
        if self.rails > 1:
            for rail, address in enumerate(fast):
                address["port"] = self.port_name(rail)
        return {"id": i, "role": "voter", "address": "10.93.0.%d" % host, "fast": fast if self.rails > 1 else fast[0]}

    def port_configs(self, node):
        args = {"af_packet": "iface=%s", "af_xdp": "iface=%s,start_queue=0,queue_count=1"}[self.driver]
        return [{"name": self.port_name(rail), "args": args % RAILS[rail]} for rail in range(self.rails)]

    def port_name(self, rail):
        return "net_%s%d" % (self.driver, rail)

    def node(self, i):
        return self.nodes[i - 1]

    def begin(self, loaded=None):
        """Starts all nodes and a client at each of `loaded` (default: at node 1)."""
        self.start()
        self.wait_serving()
        return self.begin_load(loaded)

    def begin_load(self, loaded=None):
        self.load(loaded or [1])
        return self.leader_id()

    def load(self, ids):
        self.clients += [Client(self.node(i), 1000000, CLIENT_S) for i in ids]

    def leader_id(self):
        return self.wait_leader(BOUND_S).id

    def acknowledged(self):
        total = 0
        for c in self.clients:  # a line may be half written
            with open(c.acks_file, "rb") as f:
                total += f.read().count(b"\n")
        return total

    def commits(self, i, within_s=BOUND_S, size=0):
        """A write of at least `size` bytes at node i commits in time; returns the seconds it took."""
        start = time.monotonic()
        line = ("probe of node %d at %.6f " % (i, start)).ljust(size, "x")
        done = self.node(i).submit([line], "--timeout", "%d" % (within_s + 1), timeout=within_s + 10)
        took = time.monotonic() - start
        check(done.returncode == 0 and took <= within_s, "no write at node %d within %.1f s (%.1f s): %s%s" %
              (i, within_s, took, done.stderr.decode(errors="replace").strip()[-300:], self.said()))
        return took

    def works_on(self, i, seconds, size=0):
        """For so long, each write at node i commits within BOUND_S; returns the longest time."""
        end, longest = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            longest = max(longest, self.commits(i, size=size))
            time.sleep(PROBE_PAUSE_S)
        return longest

    def said(self):
        """The last lines of all nodes, for a failure."""
        return "".join("\n  -- node %d\n  %s" % (n.id, "\n  ".join(n.log().splitlines()[-12:])) for n in self.nodes)

    def counted(self, name, ids=None):
        """The sum of a counter over nodes (default: all)."""
        nodes = [self.node(i) for i in ids] if ids else self.nodes
        return sum(n.status().get("counters", {}).get(name, 0) for n in nodes)

    def epoch(self):
        return max(n.status().get("epoch") or 0 for n in self.nodes)

    def paths(self):
        """The paths that nodes have last moved to, of all pairs that moved."""
        last = {}
        for n in self.nodes:
            for peer, path in re.findall(r"node (\d+): frames go by (\w+) now", n.log()):
                last[n.id, int(peer)] = path
        return last

    def elections(self):
        return [n.status().get("elections") for n in self.nodes]

    def heal(self):
        self.wire.heal()
        return time.monotonic()

    def verdict(self, bound_s=BOUND_S):
        """To be called after the faults are over; prints the figures."""
        start = time.monotonic()
        took = self.commits(self.clients[0].node.id if self.clients else 1, bound_s)
        for n in self.nodes:
            self.commits(n.id, max(bound_s - (time.monotonic() - start), 1))
        self.wait_serving(seconds=max(bound_s - (time.monotonic() - start), 1))
        before = self.acknowledged()
        wait_for("the load to go on", lambda: self.acknowledged() > before or not self.clients, BOUND_S)
        for c in self.clients:
            c.finish()
        records, acknowledged = verify(self, self.clients)
        check(acknowledged > 0 or not self.clients, "nothing was acknowledged")
        for n in self.nodes:
            check(n.running(), "node %d ended by itself:\n%s" % (n.id, n.log()[-800:]))
        print("    committed %.2f s after; %d records, %d acknowledged; elections %s" %
              (took, records, acknowledged, self.elections()), flush=True)

    def end(self):
        for c in getattr(self, "clients", []):
            c.stopping = True
            if c.process.poll() is None:
                c.process.kill()
        super().end()
        if hasattr(self, "wire") and self.owns_wire:
            self.wire.end()
