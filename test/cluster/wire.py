"""wire.py - the fast path between two nodes in hostile hands: memif_mangler (test/dpdk_app/memif_mangler.c)."""
import json
import os
import re
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import BUILD, Cluster, check, wait_for  # noqa: E402

MANGLER = os.path.join(BUILD, "memif_mangler")
ETHERNET, IPV4, UDP, FRAME, PAYLOAD = 0, 14, 34, 42, 130  # offsets in a packet
# The frame header: name -> (offset in it, bytes).
FIELDS = {"magic": (0, 2), "version": (2, 1), "type": (3, 1), "flags": (4, 1), "key_id": (5, 1),
          "payload_len": (6, 2), "cluster_id": (8, 4), "source": (12, 1), "destination": (13, 1),
          "zero_a": (14, 2), "iteration": (16, 8), "seq": (24, 8), "epoch": (32, 4), "window": (36, 4),
          "position": (40, 8), "committed": (48, 8), "durable": (56, 8), "received": (64, 8),
          "send_time": (72, 4), "echo_time": (76, 4), "crc": (80, 4), "zero_b": (84, 4)}


def little(value, size):
    return value.to_bytes(size, "little").hex()


class Mangler:
    """Stands between nodes a and b (ids); direction 0 is from a to b."""

    def __init__(self, cluster, a, b):
        self.a, self.b = a, b
        here = "%s/memif-%d-%d.sock" % (cluster.dir, a, b)
        there = "%s/mangled-%d-%d.sock" % (cluster.dir, a, b)
        node = cluster.nodes[b - 1]
        with open(node.config_file) as f:
            ports = json.load(f)["ports"]
        for p in ports:
            p["args"] = p["args"].replace(here, there)
        cluster.write_config(node, ports=ports)
        args = "socket-abstract=no,id=%d,role=" % (10 * a + b)
        self.process = subprocess.Popen([MANGLER, args + "client,socket=" + here, args + "server,socket=" + there],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cluster.helpers.append(self)
        check(self.process.stdout.readline() == "ready\n", "the mangler does not start")

    def say(self, command, *words):
        self.process.stdin.write(command % words + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        check(answer and answer != "not understood", "mangler: %r: %r" % (command % words, answer))
        return answer

    def stats(self):
        return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", self.say("stats"))}

    def port(self, node):
        """The name of node's port that leads here."""
        return "net_memif%d" % (self.b if node == self.a else self.a)

    def field(self, dir, name, value, every=1, words="seal"):
        offset, size = FIELDS[name]
        self.say("bytes %d %d %d %s %s", dir, every, FRAME + offset, little(value, size), words)

    def wait_idle(self, seconds=60):
        return wait_for("the flood to end", lambda: not self.stats()["flooding"], seconds)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def mangled_cluster(name, a=1, b=2, **overrides):
    """A cluster whose nodes a and b have a mangler between them; start() it as any."""
    c = Cluster(name, **overrides)
    c.mangler = Mangler(c, a, b)
    return c


assert struct.calcsize("<HBBBBHIBBHQQIIQQQQIIII") == 88
