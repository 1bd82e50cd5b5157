#!/usr/bin/python3
"""clients.py [NAME...] - ZooKeeper's own clients against three real nodes whose application is the tree.

kazoo (python3-kazoo) and the C client's command line (zookeeper-bin); installed here when missing and when root.
"""
import os
import re
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cli_mt import CLI, Cli  # noqa: E402
from cluster import Cluster, Failed, Skipped, check, run_tests, wait_for  # noqa: E402

try:
    from kazoo.client import KazooClient, KazooState
    from kazoo.exceptions import (BadVersionError, NoAuthError, NoNodeError, NodeExistsError, NotEmptyError,
                                  RolledBackError)
    from kazoo.protocol.states import EventType
    from kazoo.recipe.cache import TreeCache
    from kazoo.security import OPEN_ACL_UNSAFE, make_digest_acl
except ImportError:
    KazooClient = None

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


def test_no_acknowledged_write_is_lost_or_done_twice_when_leaders_die():
    with ensemble("counter") as c:
        c.start()
        c.wait_serving()
        acknowledged, unknown, stop = [0, 0, 0], [0, 0, 0], threading.Event()

        def count(i):
            """Compare and set, one more each time; no retry: what is not answered is unknown."""
            with Client(c.nodes[i:] + c.nodes[:i]) as k:
                while not stop.is_set():
                    try:
                        data, stat = k.get("/counter")
                        k.set("/counter", b"%d" % (int(data) + 1), version=stat.version)
                        acknowledged[i] += 1
                    except BadVersionError:
                        pass
                    except Exception:  # the connection: was it done?
                        unknown[i] += 1
                        stop.wait(0.02)
        with Client(c.nodes) as k:
            k.create("/counter", b"0")
        threads = [threading.Thread(target=count, args=(i,)) for i in range(3)]
        for t in threads:
            t.start()
        for _ in range(3):
            before = sum(acknowledged)
            wait_for("writes", lambda: sum(acknowledged) > before + 50, 60)
            dead = c.wait_leader()
            dead.kill()
            c.wait_leader()
            at = sum(acknowledged)
            wait_for("writes after the kill", lambda: sum(acknowledged) > at + 50, 60)
            dead.start()
            c.wait_serving(seconds=60)
        stop.set()
        for t in threads:
            t.join(60)
        with Client(c.nodes) as k:
            k.sync("/counter")
            data, stat = k.get("/counter")
        check(int(data) == stat.version, "%r is not the number of its writes, %d" % (data, stat.version))
        check(sum(acknowledged) <= stat.version <= sum(acknowledged) + sum(unknown),
              "%d acknowledged, %d unknown, %d done" % (sum(acknowledged), sum(unknown), stat.version))
        c.wait_equal()


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


def test_multi_is_all_or_nothing():
    with ensemble("multi") as c:
        c.start()
        c.wait_serving()
        with Client([c.nodes[0]]) as a, Client([c.nodes[2]]) as b:
            t = a.transaction()
            t.create("/m", b"1")
            t.create("/m/k", b"")
            t.set_data("/m", b"2", version=0)
            t.check("/m", 1)
            results = t.commit()
            check(results[:2] == ["/m", "/m/k"] and results[2].version == 1 and results[3] is True,
                  "results: %r" % (results,))
            t = a.transaction()
            t.set_data("/m", b"3")
            t.delete("/m")
            results = t.commit()
            check(isinstance(results[0], RolledBackError) and isinstance(results[1], NotEmptyError),
                  "results: %r" % (results,))
            b.sync("/m")
            check(b.get("/m")[0] == b"2", "half a multi was done")


def test_acls_of_digest_users_hold_on_every_replica():
    with ensemble("acl") as c:
        c.start()
        c.wait_serving()
        with Client([c.nodes[0]]) as a, Client([c.nodes[1]]) as b:
            a.add_auth("digest", "me:secret")
            a.create("/mine", b"x", acl=[make_digest_acl("me", "secret", all=True)])
            b.sync("/mine")
            for attempt in (lambda: b.get("/mine"), lambda: b.set("/mine", b"y"), lambda: b.get_acls("/mine")):
                try:
                    attempt()
                    raise Failed("a stranger got in")
                except NoAuthError:
                    pass
            b.add_auth("digest", "me:secret")
            check(b.get("/mine")[0] == b"x", "with the password")
            acls, stat = b.get_acls("/mine")
            check(acls[0].id.scheme == "digest" and acls[0].id.id.startswith("me:"), "acls: %r" % (acls,))
            b.set_acls("/mine", OPEN_ACL_UNSAFE)
            check(b.exists("/mine").aversion == 1, "aversion")


def test_kazoos_recipes_work_from_several_replicas():
    with ensemble("recipes") as c:
        c.start()
        c.wait_serving()
        with Client([c.nodes[0]]) as a, Client([c.nodes[1]]) as b:
            order = []

            def worker(client, name):
                for _ in range(5):
                    with client.Lock("/lock", name):
                        order.append((name, "in"))
                        order.append((name, "out"))
            threads = [threading.Thread(target=worker, args=(k, n)) for k, n in ((a, "a"), (b, "b"))]
            for t in threads:
                t.start()
            for t in threads:
                t.join(60)
            check(len(order) == 20, "the lock was not had ten times: %r" % (order,))
            check(all(order[i][0] == order[i + 1][0] for i in range(0, 20, 2)), "two had the lock: %r" % (order,))
            counter_a, counter_b = a.Counter("/counter"), b.Counter("/counter")
            for _ in range(5):
                counter_a += 1
                counter_b += 2
            a.sync("/counter")  # the last one was counted at the other replica
            check(counter_a.value == 15, "counter: %r" % counter_a.value)
            queue = a.Queue("/queue")
            for i in range(5):
                queue.put(b"%d" % i)
            b.sync("/queue")
            other = b.Queue("/queue")
            check([other.get() for _ in range(5)] == [b"%d" % i for i in range(5)], "queue order")
            party_a, party_b = a.Party("/party", "a"), b.Party("/party", "b")
            party_a.join()
            party_b.join()
            a.sync("/party")
            check(sorted(party_a) == ["a", "b"], "party: %r" % (sorted(party_a),))
            barrier = a.Barrier("/barrier")
            barrier.create()
            b.sync("/barrier")
            released = threading.Event()
            t = threading.Thread(target=lambda: b.Barrier("/barrier").wait(30) and released.set())
            t.start()
            barrier.remove()
            check(released.wait(30), "the barrier held")
            elected = threading.Event()
            election = a.Election("/election", "a")
            t2 = threading.Thread(target=lambda: election.run(elected.set))
            t2.start()
            check(elected.wait(30), "nobody was elected")
            t.join(30)
            t2.join(30)
            seen, came = [], threading.Event()

            def children(now):
                seen.append(sorted(now))
                if len(now) == 3:
                    came.set()
            a.create("/watched")
            b.sync("/watched")
            b.ChildrenWatch("/watched", children)
            for name in "xyz":
                a.create("/watched/" + name)
            check(came.wait(30), "children seen: %r" % (seen,))
            cache = TreeCache(b, "/watched")
            cache.start()
            wait_for("the cache", lambda: cache.get_data("/watched/z"), 30)
            a.set("/watched/z", b"new")
            wait_for("the cache to hear", lambda: cache.get_data("/watched/z").data == b"new", 30)
            cache.close()


def word(node, text):
    with socket.create_connection(("127.0.0.1", port(node)), timeout=20) as s:
        s.sendall(text.encode())
        return b"".join(iter(lambda: s.recv(65536), b"")).decode()


def test_four_letter_words_are_answered():
    with ensemble("words") as c:
        leader = c.start()
        c.wait_serving()
        for n in c.nodes:
            check(word(n, "ruok") == "imok", "ruok")
            check(word(n, "isro") == "rw", "isro")
            srvr = word(n, "srvr")
            check(srvr.startswith("Zookeeper version: 3.9.5-zabline-"), srvr)
            check("Mode: %s\n" % ("leader" if n is leader else "follower") in srvr, srvr)
            check("Node count: 5\n" in srvr, srvr)
            check("zk_znode_count\t5\n" in word(n, "mntr"), "mntr")
            check(word(n, "dump") == "dump is not executed because it is not in the whitelist.\n", "dump")


def test_quotas_hold_on_every_replica_and_after_a_leader_kill():
    if not os.path.exists(CLI):
        raise Skipped("zookeeper-bin is not installed")  # kazoo does not know QUOTAEXCEEDED
    with ensemble("quota") as c:
        leader = c.start()
        c.wait_serving()
        others = [n for n in c.nodes if n is not leader]
        with Client(others) as a, Client(others[1:]) as b, Cli(hosts(others)) as k:
            a.create("/q", b"12345")
            quota = "/zookeeper/quota/q/"
            a.create(quota + "zookeeper_limits", b"count=-1,bytes=-1=;byteHardLimit=20;countHardLimit=3", makepath=True)
            a.create(quota + "zookeeper_stats", b"")

            def stats(client):
                client.retry(client.sync, quota)
                return client.retry(client.get, quota + "zookeeper_stats")[0]
            b.sync("/q")
            b.create("/q/1", b"x")
            b.create("/q/2", b"x")
            check("rc = -125" in k.do("create /q/3"), "a fourth znode of three: " + k.said)
            check("rc = -125" in k.do("set /q/1 sixteen_bytes_++"), "21 bytes of 20: " + k.said)
            check(stats(a) == stats(b) == b"count=3,bytes=7", "stats: %r %r" % (stats(a), stats(b)))
            leader.kill()
            c.wait_leader()
            check(stats(a) == b"count=3,bytes=7", "stats after the kill: %r" % stats(a))
            wait_for("the quota to hold under the new leader", lambda: "rc = -125" in k.do("create /q/4"))
            a.retry(a.delete, "/q/1")
            a.retry(a.create, "/q/4")
            check(stats(b) == b"count=3,bytes=6", "stats at the end: %r" % stats(b))
            said = "".join(n.log() for n in c.nodes)
            check("Quota exceeded: /q [current count=4, hard limit=3]: refused" in said, "no line in the logs")


def test_the_super_user_may_do_everything():
    with ensemble("super", super_digest="super:lK75jTNcA+U9vtVEw5vB51mj/w4=") as c:
        c.start()
        c.wait_serving()
        with Client([c.nodes[0]]) as a, Client([c.nodes[1]]) as b:
            a.add_auth("digest", "me:mine")
            a.create("/mine", b"x", acl=[make_digest_acl("me", "mine", all=True)])
            b.add_auth("digest", "super:guess")
            b.sync("/mine")
            try:
                b.set_acls("/mine", OPEN_ACL_UNSAFE)
                raise Failed("a stranger got in")
            except NoAuthError:
                pass
            b.add_auth("digest", "super:secret")
            b.set_acls("/mine", OPEN_ACL_UNSAFE)
            check(b.get("/mine")[0] == b"x", "get")


def test_a_leader_tells_of_its_followers_and_of_more_if_it_may():
    with ensemble("more-words", four_letter_words="*") as c:
        leader = c.start()
        c.wait_serving()
        wait_for("two followers", lambda: "zk_synced_followers\t2\n" in word(leader, "mntr"))
        with Client([leader]) as a:
            a.create("/e", b"", ephemeral=True)
            check("\t/e\n" in word(leader, "dump"), "dump")
            check("sid=0x%x" % a.client_id[0] in word(leader, "cons"), "cons")
        counts = {k: int(v) for k, v in re.findall(r"zk_(diff|snap|proposal|commit)_count\t(\d+)\n", word(leader, "mntr"))}
        check(counts["diff"] + counts["snap"] >= 2, "both followers were brought up to date: %s" % counts)
        check(counts["proposal"] >= counts["commit"] >= 2, counts)
        check(re.search(r"\nProposal sizes last/min/max: \d+/\d+/\d+\n$", word(leader, "srvr")), "srvr")
        follower = next(n for n in c.nodes if n is not leader)
        check("Proposal sizes" not in word(follower, "srvr"), "srvr")
        mntr = word(follower, "mntr")
        check("zk_server_state\tfollower\n" in mntr and "zk_learners" not in mntr, mntr)
        check("server.1=" in word(follower, "conf"), "conf")


def test_the_c_client_reads_and_watches_what_another_replica_writes():
    if not os.path.exists(CLI):
        raise Skipped("zookeeper-bin is not installed")
    with ensemble("c-client") as c:
        c.start()
        c.wait_serving()
        with Cli(hosts(c.nodes[:1])) as a, Cli(hosts(c.nodes[1:2])) as b:
            check("name = /c" in a.do("create +e /c"), "create")
            check("rc = 0" in a.do("set /c hello"), "set")
            b.do("sync /c")
            check("hello" in b.do("get /c"), "get: " + b.said)  # and watches, as its get does
            a.do("set /c other")
            wait_for("the watch to fire", lambda: "CHANGED_EVENT" in b.said)
            check("other" in b.do("get /c"), "get: " + b.said)
            b.do("delete /c")
            check("rc = -101" in b.do("get /c"), "get: " + b.said)


TESTS = [v for k, v in sorted(globals().items()) if k.startswith("test_")]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or any(w in t.__name__ for w in wanted)]))
