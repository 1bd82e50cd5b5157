"""tree.py - the second half of the demo: ZooKeeper's own C client on three replicas, through the leader's death.

The replicas are those of config/dev3 with "app": "tree". Nothing here is Zabline's but zabd: what is said to be
true is what the clients (Debian's zookeeper-bin) have printed, and at the end the digests of all three.
"""
import json
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cluster"))
from cli_mt import CLI, Cli  # noqa: E402
from cluster import Cluster, Failed, Node, check, wait_for  # noqa: E402

CONFIGS = "config/dev3"
TIMEOUT_US = 200000  # one leader dies here, and none is to be taken for dead on a busy machine


def free_port(wanted):
    """wanted; or another one, if a ZooKeeper or anything else listens there."""
    for port in (wanted, 0):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("", port))
                return s.getsockname()[1]
            except OSError:
                pass
    raise Failed("no TCP port is free")


class Tree3(Cluster):
    """config/dev3 with the tree as its application and a data directory of its own."""

    def __init__(self, out):
        self.dir = out
        os.makedirs(out)
        self.nodes, self.helpers = [], []
        for i in (1, 2, 3):
            with open("%s/%d.json" % (CONFIGS, i)) as f:
                config = json.loads(f.read().replace("build/dev3/", out + "/"))
            config["app"] = "tree"
            config["timeout_us"] = TIMEOUT_US
            config["client_port"] = free_port(config["client_port"])
            n = Node(self, i)
            n.dir, n.socket, n.port = os.path.dirname(config["data_dir"]), config["control_socket"], config["client_port"]
            with open(n.config_file, "w") as f:
                json.dump(config, f, indent=1)
            self.nodes.append(n)


def hosts(*nodes):
    return ",".join("127.0.0.1:%d" % n.port for n in nodes)


def insist(client, command, *also):
    """Until it is done: a connection that is lost meanwhile (-4) is what the demo is about."""
    def done():
        said = client.do(command)
        rc = int(re.search(r"rc = (-?\d+)", said).group(1))
        check(rc in (0, -4) + also, command + ": " + said)
        return None if rc == -4 else said
    return wait_for(command + " to be done", done)


def create(client, path):
    insist(client, "create " + path, -110)  # -110: done, and the answer was lost


def read(client, path):
    """What the client's node has, once that is all that was committed before."""
    insist(client, "sync " + path.split()[0])
    return insist(client, "get " + path, -101)


def fired(client):
    return client.said.count("CHANGED_EVENT state = CONNECTED_STATE for path /demo\n")


def gone_everywhere(cluster, path):
    for n in cluster.nodes:
        with Cli(hosts(n)) as k:
            if "rc = -101" not in read(k, path):
                return False
    return True


def kill_leader(leader, writer, watcher):
    """Returns ms until another node's write was acknowledged, and until the watcher heard of it."""
    before, start = fired(watcher), time.monotonic()
    leader.kill()
    insist(writer, "set /demo after")
    written = time.monotonic()
    wait_for("the watch to fire after the fail-over", lambda: fired(watcher) > before)
    return round(1000 * (written - start), 1), round(1000 * (time.monotonic() - start), 1)


def scene(cluster, say):
    """Three clients; returns what was seen.  Whoever leads at the end of the first act dies, but node two."""
    leader = cluster.wait_leader()
    one, two = [n for n in cluster.nodes if n is not leader]
    result = {"client": "zookeeper-bin's cli_mt"}
    with Cli(hosts(two)) as writer, Cli(hosts(leader, one)) as watcher, Cli(hosts(one, two)) as short:
        create(writer, "+e /alive")
        create(watcher, "/demo")
        insist(writer, "set /demo before")
        result["read_elsewhere"] = "\nbefore\n" in read(watcher, "/demo")  # and watches: its get does
        insist(writer, "set /demo between")
        wait_for("the watch to fire", lambda: fired(watcher) > 0)
        result["watch_fired_elsewhere"] = "\nbetween\n" in read(watcher, "/demo")  # and watches again
        create(watcher, "+e /watcher")
        create(short, "+e /short")
        leader = cluster.leader_but(two)
        say("written at node %d, read and watched at others; now kill -9 of the leader, node %d" %
            (two.id, leader.id))
        sessions = [k.session() for k in (writer, watcher, short)]
        result["write_after_kill_ms"], result["watch_after_kill_ms"] = kill_leader(leader, writer, watcher)
        result["watch_survived"] = "\nafter\n" in read(watcher, "/demo")
        result["sessions_survived"] = [k.session() for k in (writer, watcher, short)] == sessions and all(
            "rc = 0" in read(writer, path) for path in ("/alive", "/watcher", "/short"))
        say("the watch that was set before has fired for a write at node %d; all sessions live on" % two.id)
        leader.start()
        cluster.wait_serving()
        short.quit()
        result["ephemeral_gone"] = gone_everywhere(cluster, "/short") and "rc = 0" in read(writer, "/watcher")
        say("node %d is back; the ephemeral of the session that was closed is gone on all nodes" % leader.id)
    return result


def run(out, say):
    """Returns what was seen, for the summary; every truth value in it has to be true."""
    if not os.path.exists(CLI):
        raise Failed("%s is missing; run as root: apt-get install -y zookeeper-bin" % CLI)
    with Tree3(out) as cluster:
        say('starting three zabd of %s with "app": "tree"' % CONFIGS)
        cluster.start()
        cluster.wait_serving()
        say("ZooKeeper's C client connects to %s" % hosts(*cluster.nodes))
        result = scene(cluster, say)
        result["identical"] = bool(cluster.wait_equal())
        for n in cluster.nodes:
            n.stop()
    return result


def good(result):
    return all(value is not False for value in result.values())
