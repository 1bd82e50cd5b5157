#!/usr/bin/python3
"""torture.py ROUNDS=50 [DURABILITY=sync|memory] [NODES=3] [SEED=n] - kill -9 under load, many times.

Each node has a client that submits numbered lines without end and notes each acknowledgement. A round
kills a random node with -9 (in `sync` one to all of them), starts it again after a random time and waits
until all serve. At the end every node's history is read back and compared, outside the replicas, with
what was acknowledged: nothing lost, nothing twice, no client's order broken, the same zxid everywhere.
"""
import os
import random
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import SLOW, ZABCTL, Cluster, Failed, check, wait_for  # noqa: E402

BURST, PAUSE_S = 20, 0.05  # lines per burst and client: a steady load, far below what the disk can do
ROUND_S = 3  # what a round takes at most on average: the load of a long run is thinned, so that it lasts
KEEP = 1000000


class Client:
    """`zabctl submit` on one node, fed until told to stop."""

    def __init__(self, node, total, seconds):
        self.node, self.total, self.fed, self.stopping = node, total, 0, False
        self.pause_s = max(PAUSE_S, seconds * BURST / total)
        self.acks_file = "%s/acks-%d" % (node.cluster.dir, node.id)
        open(self.acks_file, "w").close()
        self.errors = open("%s/client-%d.log" % (node.cluster.dir, node.id), "wb")
        self.process = subprocess.Popen(
            [ZABCTL, "--socket", node.socket, "submit", "--json", "--timeout", str(60 * SLOW), "--acks", self.acks_file],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self.errors)
        self.thread = threading.Thread(target=self.feed, daemon=True)
        self.thread.start()

    def line(self, n):
        return "node %d line %d" % (self.node.id, n)

    def feed(self):
        while not self.stopping and self.fed + BURST <= self.total:
            lines = "".join(self.line(n) + "\n" for n in range(self.fed, self.fed + BURST))
            try:
                self.process.stdin.write(lines.encode())
                self.process.stdin.flush()
            except OSError:
                return
            self.fed += BURST
            time.sleep(self.pause_s)  # paces the load; nothing depends on it

    def finish(self):
        self.stopping = True
        self.thread.join(90 * SLOW)
        try:
            self.process.stdin.close()
        except OSError:
            pass
        status = self.process.wait(90 * SLOW)
        check(status == 0, "client of node %d ended with %d: %s" %
              (self.node.id, status, open(self.errors.name, errors="replace").read()[-300:]))

    def acks(self):
        """{sequence: zxid}"""
        with open(self.acks_file) as f:
            rows = [line.split() for line in f]
        return {int(r[1]): int(r[2], 0) for r in rows}


def as_zxid(z):
    return int(z, 0) if isinstance(z, str) else z


def verify(cluster, clients):
    cluster.wait_equal()
    histories = [[(as_zxid(r[0]),) + r[1:] for r in n.tail()] for n in cluster.nodes]
    check(all(h == histories[0] for h in histories), "histories differ")
    history = histories[0]
    zxids = [r[0] for r in history]
    check(zxids == sorted(set(zxids)), "zxids not ascending")
    by_text = {}
    last = {}
    for zxid, client, seq, data in history:
        check(data not in by_text, "twice in the history: %s" % data)
        by_text[data] = (zxid, seq)
        check(seq == last.get(client, 0) + 1, "client %s: %d follows %d" % (client, seq, last.get(client, 0)))
        last[client] = seq
    acknowledged = 0
    for c in clients:
        for seq, zxid in c.acks().items():
            acknowledged += 1
            check(by_text.get(c.line(seq - 1)) == (zxid, seq),
                  "acknowledged and not there: %s, zxid %#x" % (c.line(seq - 1), zxid))
    return len(history), acknowledged


def torture(rounds, durability, node_cnt, seed):
    rng = random.Random(seed)
    with Cluster("torture-" + durability, nodes=node_cnt, base_port=24000, durability=durability,
                 app_keep=KEEP) as cluster:
        cluster.start()
        cluster.wait_serving()
        clients = [Client(n, KEEP // node_cnt, rounds * ROUND_S * SLOW) for n in cluster.nodes]
        down_ms = []
        for i in range(rounds):
            most = 1 if durability == "memory" else rng.choice([1, 1, 1, 2, node_cnt])
            victims = rng.sample(cluster.nodes, most)
            time.sleep(rng.random() * 0.2)  # the moment of the kill is part of the seed's schedule
            start = time.monotonic()
            for v in victims:
                v.kill()
            time.sleep(rng.random() * 0.2)
            for v in victims:
                v.start()
            try:
                cluster.wait_serving(seconds=30)
            except Failed as e:
                raise Failed("round %d (victims %s): %s" % (i, [v.id for v in victims], e))
            down_ms.append((time.monotonic() - start) * 1000)
            for n in cluster.nodes:
                check(n.running(), "round %d: node %d ended by itself:\n%s" % (i, n.id, n.log()[-500:]))
            check(all(c.fed + BURST <= c.total for c in clients), "round %d: no load any more" % i)
            if (i + 1) % 10 == 0:
                print("round %d of %d, all serving again after %.0f ms (median)" %
                      (i + 1, rounds, sorted(down_ms)[len(down_ms) // 2]), flush=True)
        for c in clients:
            c.finish()
        records, acknowledged = verify(cluster, clients)
        print("%s: %d rounds, seed %d: %d records, %d acknowledged, 0 lost, 0 twice, identical" %
              (durability, rounds, seed, records, acknowledged))
        check(acknowledged > 0, "nothing was acknowledged")
        for n in cluster.nodes:
            check(n.stop() == 0, "node %d: no clean stop" % n.id)


def arguments():
    """NAME=VALUE of the command line, else of the environment; a wrong one ends the program."""
    defaults = {"ROUNDS": "50", "DURABILITY": "sync", "NODES": "3", "SEED": str(int(time.time()))}
    allowed = {"ROUNDS": r"[1-9]\d*", "DURABILITY": "sync|memory", "NODES": "[1-7]", "SEED": r"\d+"}
    args = {name: os.environ.get(name, default) for name, default in defaults.items()}
    given = [a.partition("=") for a in sys.argv[1:]]
    for name, _, value in given + [(name, "=", value) for name, value in args.items()]:
        if name not in allowed or not re.fullmatch(allowed[name], value):
            sys.exit("torture: found %s=%s, allowed: %s" %
                     (name, value, ", ".join("%s=%s" % pair for pair in allowed.items())))
    args.update((name, value) for name, _, value in given)
    return args


def main():
    args = arguments()
    rounds, seed, durability = int(args["ROUNDS"]), int(args["SEED"]), args["DURABILITY"]
    print("torture: ROUNDS=%d DURABILITY=%s SEED=%d" % (rounds, durability, seed), flush=True)
    try:
        torture(rounds, durability, int(args["NODES"]), seed)
    except Failed as e:
        print("FAILED: %s" % e)
        print("0 passed, 1 failed")
        return 1
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
