"""wire.py - hosts in network namespaces, cabled to bridges in the namespace of a switch.

    host 1            host 2                   namespaces zrack-<pid>-<n>-h1, -h2, ...
    fast  ctl         fast  ctl
     |     |           |     |                 veths
     f1    c1          f2    c2
    =brf= =brc=                                bridges in namespace zrack-<pid>-<n>-sw

A second rail (rails=2) is one more of `fast`: fast2, g1, g2, brg.  Rules of nftables' family `bridge` in
the switch cut and lose frames, one way; rules in the hosts would not see frames of AF_PACKET or AF_XDP.
Frames of a mangled host pass through a process of mangler.c: m1 <-> x1 between its veth and the bridge.

Everything goes with the process that made it; what a killed one left is swept by the next.
"""
import atexit
import json
import os
import re
import shutil
import signal
import subprocess

PREFIX = "zrack-"
PATHS = {"fast": "f", "fast2": "g", "ctl": "c"}  # a host's interface: how its end in the switch begins
RAILS = ("fast", "fast2")
MANGLER = os.path.join(os.environ.get("ZABLINE_BUILD", "build/gcc"), "mangler")


def missing():
    """Why there can be no namespaces here, in one line, or None."""
    if os.geteuid() != 0:
        return "needs root (network namespaces)"
    for tool in ("ip", "nft"):
        if not shutil.which(tool):
            return "%s is not installed" % tool
    probe = PREFIX + "%d-probe" % os.getpid()
    done = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    if done.returncode:
        return "no network namespaces: " + done.stderr.strip()
    subprocess.run(["ip", "netns", "delete", probe])
    return None


def run(*args, text=None):
    done = subprocess.run(list(args), input=text, capture_output=True, text=True)
    if done.returncode:
        raise OSError("%s: %s%s" % (" ".join(args), done.stderr.strip(), text or ""))
    return done.stdout


def delete(namespace):
    """With the processes in it, which are ours by its name."""
    pids = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout
    for pid in pids.split():
        try:
            os.kill(int(pid), signal.SIGKILL)
        except ProcessLookupError:
            pass
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def sweep():
    """Removes what processes that are gone have left."""
    for row in json.loads(run("ip", "-json", "netns", "list") or "[]"):
        owner = re.match(PREFIX + r"(\d+)-", row["name"])
        if owner and not os.path.exists("/proc/" + owner.group(1)):
            delete(row["name"])


def mac(i, rail=0):
    """The default of config key fast.mac."""
    return "02:5a:42:00:%02x:%02x" % (rail, i)


class Mangler:
    """The process of mangler.c between host i and the bridge, see there."""

    def __init__(self, wire, i, *args):
        self.out = os.path.join(wire.dir, "mangler-%d.json" % i)
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(wire.inside(wire.switch, MANGLER, "m%d" % i, "x%d" % i, *args),
                                            stdout=out, stderr=out, stdin=subprocess.DEVNULL)

    def signal(self, number):
        self.process.send_signal(number)

    def end(self):
        """Its counters."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(10)
        with open(self.out) as f:
            return json.load(f)


class Wire:
    cnt = 0

    def __init__(self, directory, hosts, rails=1, mangled=()):
        Wire.cnt += 1
        self.dir = directory
        self.base = "%s%d-%d-" % (PREFIX, os.getpid(), Wire.cnt)
        self.switch = self.base + "sw"
        self.hosts = list(range(1, hosts + 1))
        self.paths = RAILS[:rails] + ("ctl",)
        self.mangled = set(mangled)
        self.manglers = []
        self.rules = []
        atexit.register(self.end)
        self.build()

    def host(self, i):
        return self.base + "h%d" % i

    def inside(self, namespace, *args):
        return ["ip", "netns", "exec", namespace] + list(args)

    def port(self, path, i):
        """The switch's end of the cable of host i."""
        return "%s%d" % (PATHS[path], i)

    def control_ip(self, i):
        return "10.93.0.%d" % i

    def build(self):
        for namespace in [self.switch] + [self.host(i) for i in self.hosts]:
            run("ip", "netns", "add", namespace)
            run(*self.inside(namespace, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6"))
        switch = []
        for path in self.paths:
            bridge = "br" + PATHS[path]
            switch += ["link add %s type bridge forward_delay 0 stp_state 0 mcast_snooping 0" % bridge,
                       "link set %s up" % bridge]
            for i in self.hosts:
                switch += self.cable(path, i, bridge)
        run("ip", "-n", self.switch, "-batch", "-", text="\n".join(switch) + "\n")
        for i in self.hosts:
            rows = ["link set lo up"] + ["link set %s up" % path for path in self.paths]
            rows.append("addr add %s/24 dev ctl" % self.control_ip(i))
            run("ip", "-n", self.host(i), "-batch", "-", text="\n".join(rows) + "\n")

    def cable(self, path, i, bridge):
        address = " address " + mac(i, RAILS.index(path)) if path in RAILS else ""
        host_end = "peer name %s%s netns %s" % (path, address, self.host(i))
        port = self.port(path, i)
        if path != "fast" or i not in self.mangled:
            return ["link add %s type veth %s" % (port, host_end), "link set %s master %s up" % (port, bridge)]
        return ["link add m%d type veth %s" % (i, host_end), "link add x%d type veth peer name %s" % (i, port),
                "link set m%d up" % i, "link set x%d up" % i, "link set %s master %s up" % (port, bridge)]

    # ---- faults ----

    def apply(self):
        rules = "\n".join("    " + rule for rule in self.rules)
        run(*self.inside(self.switch, "nft", "-f", "-"), text="""
table bridge rack
delete table bridge rack
table bridge rack {
  chain faults {
    type filter hook forward priority 0; policy accept;
%s
  }
}
""" % rules)

    def cut(self, path, *pairs):
        """Nothing more of each (source, destination)."""
        self.lose(path, 100, *pairs)

    def lose(self, path, percent, *pairs):
        """So many of 100 frames of each (source, destination) are lost, at random."""
        for source, destination in pairs:
            chance = "numgen random mod 100 < %d " % percent if percent < 100 else ""
            self.rules.append("iifname %s oifname %s %scounter drop" %
                              (self.port(path, source), self.port(path, destination), chance))
        self.apply()

    def only_small(self, path, i, size):
        """The switch loses packets to and from host i that are larger: those behind them still pass."""
        for way in ("iifname", "oifname"):
            self.rules.append("%s %s meta length > %d counter drop" % (way, self.port(path, i), size))
        self.apply()

    def lost(self, path):
        """How many frames of this path the present rules have taken."""
        rules = run(*self.inside(self.switch, "nft", "list", "table", "bridge", "rack"))
        return sum(int(n) for port, n in re.findall(r'iifname "(\w)\d+".* packets (\d+)', rules)
                   if port == PATHS[path])

    def both_ways(self, a, b):
        return [(a, b), (b, a)]

    def heal(self):
        self.rules = []
        self.apply()

    def set_mtu(self, path, i, mtu):
        """Frames to host i that are larger get lost without a word; one from it blocks those behind it
        (AF_PACKET sends it again and again)."""
        self.on_switch("link", "set", self.port(path, i), "mtu", str(mtu))

    def set_link(self, path, i, up):
        """The cable of host i, pulled out of the switch or put in: both ends lose their carrier."""
        run("ip", "-n", self.switch, "link", "set", self.port(path, i), "up" if up else "down")

    def on_switch(self, *args):
        """An `ip` command in the switch."""
        return run("ip", "-n", self.switch, *args)

    def mangle(self, i, *args):
        m = Mangler(self, i, *args)
        self.manglers.append(m)
        return m

    def end(self):
        for m in self.manglers:
            if m.process.poll() is None:
                m.process.kill()
                m.process.wait()
        for namespace in [self.switch] + [self.host(i) for i in self.hosts]:
            delete(namespace)
        self.hosts = []
        atexit.unregister(self.end)
