#!/usr/bin/python3
"""clients.py [NAME...] - ZooKeeper's own clients against three real nodes whose application is the tree.

kazoo (python3-kazoo) and the C client's command line (zookeeper-bin); installed here when missing and when root.
"""
import os
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import Cluster, Failed, Skipped, check, run_tests, wait_for  # noqa: E402

try:
    from kazoo.client import KazooClient, KazooState
    from kazoo.exceptions import (BadVersionError, NoNodeError, NodeExistsError, NotEmptyError)
    from kazoo.protocol.states import EventType
except ImportError:
    KazooClient = None

CLI = "/usr/lib/zookeeper/bin/cli_mt"
TICK_MS = 500  # sessions live 1 to 10 s


def ensemble(name, **overrides):
    if KazooClient is None:
        raise Skipped("python3-kazoo is not installed")
    settings = dict(app="tree", tick_ms=TICK_MS, timeout_us=400000, heartbeat_us=20000, init_limit=40,
                    sync_limit=20)
    settings.update(overrides)
    return Cluster(name, base_port=24000, prefix="build/clients", **settings)


def port(node):
    return node.cluster.base_port + node.id


def hosts(nodes):
    return ",".join("127.0.0.1:%d" % port(n) for n in nodes)


class Client(KazooClient or object):
    """Of one node or several; ends with the block."""

    def __init__(self, nodes, timeout=5.0, **kwargs):
        super().__init__(hosts=hosts(nodes), timeout=timeout, randomize_hosts=False, **kwargs)

    def __enter__(self):
        self.start(timeout=20)
        return self

    def __exit__(self, *_):
        self.stop()
        self.close()


def test_a_node_is_written_on_one_replica_and_read_on_another():
    with ensemble("basics") as c:
        c.start()
        c.wait_serving()
        with Client([c.nodes[0]]) as a, Client([c.nodes[1]]) as b, Client([c.nodes[2]]) as d:
            check(a.create("/a", b"one") == "/a", "create")
            for other in (b, d):
                other.sync("/a")
                data, stat = other.get("/a")
                check(data == b"one" and stat.version == 0 and stat.dataLength == 3, "get: %r" % (stat,))
            stat = b.set("/a", b"two", version=0)
            check(stat.version == 1, "set")
            try:
                d.set("/a", b"three", version=0)
                raise Failed("a write with an old version went through")
            except BadVersionError:
                pass
            try:
                a.create("/a", b"")
                raise Failed("created twice")
            except NodeExistsError:
                pass
            a.create("/a/b", b"")
            a.create("/a/c", b"")
            try:
                a.delete("/a")
                raise Failed("deleted with children")
            except NotEmptyError:
                pass
            d.sync("/a")
            check(sorted(d.get_children("/a")) == ["b", "c"], "children")
            check(d.exists("/a").cversion == 2 and d.exists("/a").numChildren == 2, "cversion")
            d.delete("/a/b")
            check(d.exists("/a/b") is None, "deleted")
            try:
                d.get("/a/b")
                raise Failed("read what is not there")
            except NoNodeError:
                pass
            check(d.exists("/a").cversion == 3, "cversion counts deletes")
        c.wait_equal()


def test_a_watch_fires_once_on_another_replica():
    with ensemble("watch") as c:
        c.start()
        c.wait_serving()
        with Client([c.nodes[0]]) as a, Client([c.nodes[1]]) as b:
            a.create("/w", b"1")
            b.sync("/w")
            events, came = [], threading.Event()

            def watch(event):
                events.append(event)
                came.set()
            b.get("/w", watch=watch)
            a.set("/w", b"2")
            check(came.wait(10), "the watch did not fire")
            check(events[0].type == EventType.CHANGED and events[0].path == "/w", "event: %r" % (events,))
            check(b.get("/w")[0] == b"2", "after the event the change shows")
            a.set("/w", b"3")
            b.sync("/w")
            check(len(events) == 1, "fired twice: %r" % (events,))


def test_sessions_and_ephemerals_live_across_a_leader_kill():
    with ensemble("kill") as c:
        leader = c.start()
        c.wait_serving()
        others = [n for n in c.nodes if n is not leader]
        lost = []
        with Client([leader] + others) as a, Client(others) as b:
            for client in (a, b):
                client.add_listener(lambda state: lost.append(state) if state == KazooState.LOST else None)
            session = a.client_id[0]
            a.create("/e", b"", ephemeral=True)
            b.sync("/e")
            check(b.exists("/e").ephemeralOwner == session, "owner")
            leader.kill()
            c.wait_leader()
            wait_for("a to write again", lambda: write(a, "/after"))
            check(a.client_id[0] == session, "another session")
            b.retry(b.sync, "/e")
            check(b.retry(b.exists, "/e"), "the ephemeral went with the leader")
            check(not lost, "a session was lost: %r" % (lost,))
            a.stop()
            b.retry(b.sync, "/e")
            check(b.exists("/e") is None, "the ephemeral outlived its session")


def write(client, path):
    try:
        return client.create(path)
    except NodeExistsError:
        return path
    except Exception:  # no connection yet
        return None


def test_a_silent_session_expires_with_its_ephemerals_and_not_before():
    with ensemble("expiry") as c:
        leader = c.start()
        c.wait_serving()
        other = next(n for n in c.nodes if n is not leader)
        with Client([leader]) as a:
            b = Client([other], timeout=2.0)
            b.start(timeout=20)
            b.create("/x", b"", ephemeral=True)
            a.sync("/x")
            check(a.exists("/x"), "it is there")
            gone = threading.Event()
            a.exists("/x", watch=lambda event: gone.set() if event.type == EventType.DELETED else None)
            other.kill()  # and with it the client's only node
            check(not gone.wait(1.0), "expired before its time")
            check(gone.wait(20), "never expired")
            b.stop()


def cli(node, *commands):
    """What the C client's command line says to the commands."""
    done = subprocess.run([CLI, "127.0.0.1:%d" % port(node)], input="\n".join(commands) + "\nquit\n",
                          capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


TESTS = [v for k, v in sorted(globals().items()) if k.startswith("test_")]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or any(w in t.__name__ for w in wanted)]))
