#!/usr/bin/python3
"""ports_test.py [NAME...] - what a NIC of the kernel's brings with it: ARP, ping, tags, MTU, links, and the
kernel's own traffic on the same cable.

    host 1: fast (control address too) --- bridge --- fast: host 2, 3

Each ensemble uses one interface of each host for everything: the kernel's TCP and the fast path.
"""
import array
import fcntl
import fnmatch
import json
import os
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import wire as wires  # noqa: E402
from rack import BOUND_S, Rack, check, wait_for  # noqa: E402
from cluster import ZABCTL, ZABD, run_tests  # noqa: E402

DRIVERS = ("af_packet", "af_xdp")
LINES = 5000


class OneNic(Rack):
    """No second cable: the control addresses are on `fast`, beside the fast path's own."""

    def __init__(self, name, driver, vlan=0, changes=None, **overrides):
        self.vlan = vlan
        self.changes = changes or {}
        super().__init__(name, driver=driver, **overrides)
        for i in self.wire.hosts:
            self.ip(i, "addr", "del", self.wire.control_ip(i) + "/24", "dev", "ctl")
            self.ip(i, "addr", "add", self.wire.control_ip(i) + "/24", "dev", "fast")

    def ip(self, i, *args):
        wires.run("ip", "-n", self.wire.host(i), *args)

    def peer_config(self, node, i):
        config = super().peer_config(node, i)
        config["fast"].pop("mac", None)  # ARP finds it
        return config

    def port_configs(self, node):
        changes = self.changes.get(node.id, {})
        return [dict({"name": "net_%s0" % self.driver, "args": "iface=fast", "vlan": self.vlan}, **changes)]

    def serves(self):
        self.start()
        self.wait_serving()
        self.traffic()

    def traffic_without(self, absent):
        at = next(n for n in self.nodes if n.id != absent)
        done = at.submit(["line %d" % i for i in range(LINES)])
        check(done.returncode == 0, "submit: %s%s" % (done.stderr.decode().strip(), self.said()))

    def traffic(self):
        self.traffic_without(None)
        self.wait_equal()

    def counter(self, i, name):
        return self.node(i).status().get("counters", {}).get(name, 0)

    def counters(self, name):
        return [self.counter(n.id, name) for n in self.nodes]

    def logged(self, i, text, seconds=10):
        wait_for("node %d to log: %s" % (i, text), lambda: text in self.node(i).log(), seconds)


def in_host(r, i, function, *args):
    """Runs function(*args) in the namespace of host i, in a process of its own; returns what it printed."""
    code = "import sys; sys.path.insert(0, %r); import ports_test; ports_test.%s(*%r)" % (
        os.path.dirname(os.path.abspath(__file__)), function.__name__, args)
    done = subprocess.run(r.wire.inside(r.wire.host(i), sys.executable, "-c", code), capture_output=True, text=True,
                          timeout=60)
    check(done.returncode == 0, "%s: %s" % (function.__name__, done.stderr[-500:]))
    return done.stdout


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ping(address, size):
    """The kernel's ARP and an echo request of so many bytes, header of IPv4 included."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as s:
        s.settimeout(5)
        data = bytes(i % 251 for i in range(size - 28))
        packet = struct.pack("!BBHHH", 8, 0, 0, 77, size) + data
        packet = packet[:2] + struct.pack("!H", checksum(packet)) + packet[4:]
        s.sendto(packet, (address, 0))
        answer = b""
        while answer[20:21] != b"\0":
            answer = s.recv(65536)
        assert answer[28:] == data and checksum(answer[20:]) == 0, "not the same data back"


def without_tag_offload(iface):
    """Tags stand in the packet, where XDP sees them (ethtool -K IFACE rxvlan off txvlan off)."""
    with socket.socket() as s:
        def flags(command, value):
            data = array.array("B", struct.pack("II", command, value))
            fcntl.ioctl(s, 0x8946, struct.pack("16sP", iface.encode(), data.buffer_info()[0]))
            return struct.unpack("II", data)[1]
        flags(0x26, flags(0x25, 0) & ~(1 << 7 | 1 << 8))


def announce(iface, mac, ip):
    """A gratuitous ARP: ip is at mac."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((iface, 0))
        source, address = bytes.fromhex(mac.replace(":", "")), socket.inet_aton(ip)
        s.send(b"\xff" * 6 + source + bytes.fromhex("0806000108000604") + b"\0\1" + source + address + bytes(6) +
               address + bytes(18))


def doctor_says(r, i, check_name):
    """(verdict, found, mend) of zabctl doctor in host i, of net_af_xdp0."""
    done = subprocess.run(r.wire.inside(r.wire.host(i), ZABCTL, "--config", r.node(i).config_file, "doctor", "--json"),
                          capture_output=True, timeout=30)
    rows = json.loads(done.stdout)["checks"]
    return next((row["verdict"], row["found"], row["mend"]) for row in rows
                if (row["check"], row["subject"]) == (check_name, "net_af_xdp0"))


def carries_the_kernels_traffic_beside(driver):
    with OneNic("nic", driver) as r:
        r.serves()
        check(r.counters("frame_address") == [0] * 3 and r.counters("frame_vlan") == [0] * 3,
              "the kernel's traffic was counted")
        r.ip(2, "addr", "add", "10.92.0.99/24", "dev", "fast")
        for address in (r.wire.control_ip(1), "10.92.0.1", "10.92.0.3"):  # the kernel's; the fast path's
            for size in (84, 1500):
                in_host(r, 2, ping, address, size)
        r.traffic()


def tags_frames_with(driver):
    """Another VLAN is another network: it is counted, and the ensemble goes on without."""
    with OneNic("vlan", driver, vlan=7, timeout_us=250000, changes={}) as r:
        for i in r.wire.hosts:
            if driver == "af_xdp":
                said = doctor_says(r, i, "rxvlan")
                check(said[0] == "FAIL" and said[2] == "ethtool -K fast rxvlan off", "doctor: %s" % (said,))
            in_host(r, i, without_tag_offload, "fast")
            if driver == "af_xdp":
                check(doctor_says(r, i, "rxvlan")[0] == "ok", "doctor: %s" % (doctor_says(r, i, "rxvlan"),))
            subprocess.run(r.wire.inside(r.wire.switch, sys.executable, "-c",
                                         "import sys; sys.path.insert(0, 'test/rack'); import ports_test; "
                                         "ports_test.without_tag_offload('%s')" % r.wire.port("fast", i)), check=True)
        r.serves()
        third = r.node(3)
        third.stop()
        r.changes = {3: {"vlan": 8}}
        r.write_config(third)
        third.start()
        r.traffic_without(3)
        r.logged(3, "looking for a leader")
        check(r.counter(3, "arp_unknown") > 0 or not third.status().get("serving"), "VLAN 8 reaches VLAN 7")
        third.kill()
        r.changes = {}
        r.write_config(third)
        third.start()
        r.wait_serving()
        r.traffic()


def a_changed_mac_is_noticed_with(driver):
    """The NIC of a follower is replaced: it announces itself, the others log both MACs and go on."""
    with OneNic("mac", driver) as r:
        r.serves()
        changed = next(n for n in r.nodes if n.id != r.leader_id())
        others = [n.id for n in r.nodes if n is not changed]
        changed.stop()
        r.ip(changed.id, "link", "set", "fast", "address", "02:00:00:00:00:99")
        changed.start()
        r.wait_serving()
        r.traffic()
        for i in others:
            r.logged(i, "node %d is at 02:00:00:00:00:99, and was at %s" % (changed.id, wires.mac(changed.id).upper()))
            check(r.counter(i, "arp_changed") == 1, "counted %d times" % r.counter(i, "arp_changed"))


def a_spoofer_is_outlived_with(driver):
    """A stranger claims the address of node 2 again and again: each time its owner has it back at once."""
    with OneNic("spoof", driver, extra_hosts=1) as r:
        r.serves()
        elections = r.elections()
        for _ in range(5):
            in_host(r, 4, announce, "fast", "02:00:00:00:00:66", "10.92.0.2")
        wait_for("the lie to be noticed", lambda: r.counter(1, "arp_changed") >= 2, 10)
        check(r.counter(2, "arp_conflict") > 0, "the owner of the address noticed nothing")
        r.traffic()
        check(r.elections() == elections, "elections: %s, before %s" % (r.elections(), elections))


def a_link_is_watched_with(driver):
    with OneNic("link", driver) as r:
        r.serves()
        down = next(n for n in r.nodes if n.id != r.leader_id())
        port = "port net_%s0: " % driver
        for times in (1, 2):
            r.wire.set_link("fast", down.id, False)
            wait_for("the loss to be logged", lambda: down.log().count(port + "link down") == times, 10)
            r.wire.set_link("fast", down.id, True)
            wait_for("the return to be logged", lambda: down.log().count(port + "link up") == times + 1, 10)
        r.wait_serving(seconds=BOUND_S * 2)
        r.traffic()
        check(r.counter(down.id, "link_lost") == 2, "link_lost: %d" % r.counter(down.id, "link_lost"))


def a_way_too_small_for_the_mtu_is_named():
    """Frames of 9,000 bytes pass, and later not: the switch says nothing, zabd does."""
    with OneNic("mtu", "af_packet", mtu=9000) as r:
        for i in r.wire.hosts:
            r.ip(i, "link", "set", "fast", "mtu", "9000")
            r.wire.on_switch("link", "set", r.wire.port("fast", i), "mtu", "9000")
        r.wire.on_switch("link", "set", "brf", "mtu", "9000")
        r.serves()
        small = next(n for n in r.nodes if n.id != r.leader_id())
        small.stop()
        r.wire.rules.append("iifname %s meta length > 1600 drop" % r.wire.port("fast", small.id))
        r.wire.apply()
        small.start()
        r.logged(small.id, 'answers small packets, and none of "mtu" = 9000 bytes', 20)
        r.traffic_without(small.id)
        check(not small.status().get("serving") or small.status().get("counters", {}).get("path_mtu", 0) > 0,
              "served over a way that loses full frames")
        r.heal()
        r.logged(small.id, "packets of 9000 bytes reach node", 20)
        r.wait_serving(seconds=BOUND_S * 2)
        r.traffic()


def says_what_is_wrong(driver, words, prepare=None, **settings):
    with OneNic("wrong", driver, **settings) as r:
        if prepare:
            prepare(r)
        n = r.node(1)
        n.format()
        n.start()
        code = n.wait_exit()
        lines = [line for line in n.log().splitlines() if " ERROR " in line]
        check(code == 4 and len(lines) == 1 and all(w in lines[0] for w in words),
              "exit status %d, %s" % (code, lines))


def mistakes_of(driver):
    name = "net_%s0" % driver
    says_what_is_wrong(driver, [name, "no interface nic9", "ip -brief link"], changes={1: {"args": "iface=nic9"}})
    says_what_is_wrong(driver, [name, "iface=NAME"], changes={1: {"args": "qpairs=1"}})
    says_what_is_wrong(driver, ["interface fast is down", "ip link set dev fast up"],
                       lambda r: r.ip(1, "link", "set", "fast", "down"))
    says_what_is_wrong(driver, ["mtu", "2000", "1500", "ip link set dev fast mtu 2000"], mtu=2000)
    says_what_is_wrong(driver, ["fast.ip", "address of the kernel on fast"],
                       lambda r: r.ip(1, "addr", "add", "10.92.0.1/24", "dev", "fast"))


def a_queue_in_use_is_named():
    with OneNic("queue", "af_xdp") as r:
        r.serves()
        other = os.path.join(r.dir, "other.json")
        with open(r.node(1).config_file) as f:
            config = json.load(f)
        config.update(data_dir=r.dir + "/other", control_socket=r.dir + "/other.sock", client_port=22811)
        with open(other, "w") as f:
            json.dump(config, f)
        subprocess.run([ZABD, "--config", other, "--format"], check=True, capture_output=True)
        done = subprocess.run(r.wire.inside(r.wire.host(1), ZABD, "--config", other), capture_output=True, text=True,
                              timeout=30)
        check(done.returncode == 4 and "fast is in use by another zabd" in done.stderr, done.stderr)
        r.traffic()


def the_program_of_a_killed_one_is_replaced():
    with OneNic("program", "af_xdp") as r:
        r.serves()
        n = r.node(3)
        said = doctor_says(r, 3, "xdp")
        check(said[0] == "ok" and "the running node's program" in said[1], "doctor: %s" % (said,))
        n.kill()
        said = doctor_says(r, 3, "xdp")
        check(said[0] == "ok" and "the program of an ended zabd" in said[1], "doctor: %s" % (said,))
        note = os.path.join(n.dir, "data", "xdp-fast")
        os.rename(note, note + "-away")
        said = doctor_says(r, 3, "xdp")
        check(said[0] == "FAIL" and said[2] == "ip link set dev fast xdp off", "doctor: %s" % (said,))
        os.rename(note + "-away", note)
        n.start()
        r.wait_serving()
        r.traffic()
        check(n.stop() == 0, "no clean stop")
        shown = wires.run("ip", "-n", r.wire.host(3), "link", "show", "fast")
        check("xdp" not in shown, "the program outlived a clean stop: " + shown)


def named(function, driver):
    def test():
        function(driver)
    test.__name__ = "%s_%s" % (function.__name__, driver)
    return test


TESTS = [named(f, d) for f in (carries_the_kernels_traffic_beside, tags_frames_with, a_changed_mac_is_noticed_with,
                               a_spoofer_is_outlived_with, a_link_is_watched_with, mistakes_of) for d in DRIVERS]
TESTS += [a_way_too_small_for_the_mtu_is_named, a_queue_in_use_is_named,
          the_program_of_a_killed_one_is_replaced]

if __name__ == "__main__":
    why = wires.missing()
    if why:
        print("skipped: " + why)
        sys.exit(77)
    wires.sweep()
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or any(fnmatch.fnmatch(t.__name__, w) for w in wanted)]))
