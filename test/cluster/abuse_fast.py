#!/usr/bin/python3
"""abuse_fast.py [NAME...] - a hostile process on the fast path (wire.py): wrong headers, lying lengths, damage
above the NIC's check, frames of a former life, floods.  Each is dropped and counted by whom; nothing is
lost, nobody diverges, no leader changes for it."""
import contextlib
import os
import random
import socket
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, counters, drops, still_good, wait_counted  # noqa: E402
from cluster import SLOW, Cluster, check, run_tests, wait_for  # noqa: E402
from wire import ETHERNET, FIELDS, FRAME, IPV4, PAYLOAD, UDP, mangled_cluster  # noqa: E402

PATIENT = {"timeout_us": 2000000 * SLOW, "heartbeat_us": 5000 * SLOW}  # timeouts are not the subject
TO_LEADER, TO_FOLLOWER = 0, 1  # the mangler's directions: node 1 follows, node 3 leads
FAR = 1 << 60


@contextlib.contextmanager
def hostile(name, **overrides):
    """Three nodes; node 3 leads, and what it and node 1 say to each other passes through c.mangler."""
    with mangled_cluster(name, a=1, b=3, **dict(PATIENT, **overrides)) as c:
        for n in c.nodes:
            n.format()
        c.nodes[0].start()
        c.nodes[2].start()
        check(c.wait_leader(60) is c.nodes[2], "node 3 must lead")
        c.nodes[1].start()
        c.wait_serving()
        yield c, c.mangler


def receiver(c, direction):
    """(node, port, peer id) of who hears what goes that way."""
    n, from_ = (c.nodes[2], 1) if direction == TO_LEADER else (c.nodes[0], 3)
    return n, c.mangler.port(n.id), from_


def elections(c):
    return [n.status()["elections"] for n in c.nodes]


def expect(c, direction, reason, who="peer", at_least=3):
    """More of reason is counted at the receiver, against that port and sender."""
    n, port, peer = receiver(c, direction)
    peer = peer if who == "peer" else who
    total = counters(n).get(reason, 0)  # first: it runs on
    wait_counted(n, reason, drops(n, port, peer).get(reason, 0) + at_least, port=port, peer=peer)
    check(counters(n)[reason] >= total + at_least, "the sum does not count %s" % reason)


@contextlib.contextmanager
def load(node, count, size=300):
    """Lines are submitted meanwhile, again and again; afterwards all must have been acknowledged."""
    done, errors, total = threading.Event(), [], []

    def run():
        while not done.is_set() and not errors:
            text = ["%d %s" % (len(total) * count + i, "x" * size) for i in range(count)]
            ran = node.submit(text, "--timeout", "60")
            errors.extend([ran.stderr.decode()] * (ran.returncode != 0))
            total.append(text)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield total
    finally:
        done.set()
        thread.join()
    check(not errors, "".join(errors))


def same_everywhere(c, texts):
    c.wait_serving()
    c.wait_equal(60)
    expected = [line for text in texts for line in text]
    history = [row[3] for row in c.nodes[0].tail()]
    check([line for line in history if " x" in line] == expected, "%d lines submitted, %d there, or another order" %
          (len(expected), len(history)))


# field, wrong value, reason, directions; the checksum is right, or only it would be tested
BOTH = (TO_LEADER, TO_FOLLOWER)
WRONG = [("magic", 0x1234, "frame_magic", BOTH), ("version", 9, "frame_magic", BOTH),
         ("type", 99, "frame_field", BOTH), ("type", 4, "wrong_role", (TO_LEADER,)),
         ("flags", 0x80, "frame_field", BOTH), ("key_id", 1, "frame_field", BOTH),
         ("payload_len", 0xffff, "frame_short", BOTH), ("payload_len", 8, "frame_short", BOTH),
         ("cluster_id", 0xdeadbeef, "frame_cluster", BOTH), ("source", 77, "frame_peer", BOTH),
         ("destination", 2, "frame_peer", BOTH), ("zero_a", 1, "frame_field", BOTH),
         ("iteration", FAR + 5, "stale_iteration", BOTH), ("seq", 0, "stale_seq", BOTH),
         ("epoch", 77, "stale_epoch", BOTH), ("window", 0xffffffff, "impossible_position", BOTH),
         ("position", FAR, "impossible_position", BOTH), ("committed", FAR, "impossible_position", BOTH),
         ("durable", FAR, "impossible_position", (TO_LEADER,)), ("received", FAR, "impossible_position", BOTH),
         ("send_time", 0, "frame_field", BOTH), ("zero_b", 1, "frame_field", BOTH)]


def each_field_of_the_header_wrong_is_dropped_and_counted_by_whom():
    with hostile("fields") as (c, m):
        before, got = elections(c), {}
        for field, value, reason, directions in WRONG:
            for d in directions:
                m.field(d, field, value, words="seal copy")
                expect(c, d, reason)
                m.say("pass %d", d)
            got.setdefault(field, []).append(reason)
        for field, reasons in got.items():
            answered("frame header: `%s` wrong" % field, " ".join(reasons))
        for d in BOTH:
            m.say("bytes %d 1 %d ffffffff xor copy", d, FRAME + FIELDS["crc"][0])
            expect(c, d, "frame_crc")
            m.say("bytes %d 1 %d 00000080 xor seal copy", d, FRAME + FIELDS["echo_time"][0])
            expect(c, d, "impossible_position")
            m.say("pass %d", d)
        answered("frame header: `crc` wrong", "frame_crc")
        answered("frame header: `echo_time` wrong", "impossible_position")
        check(elections(c) == before, "a leader changed for it: %s, %s" % (before, elections(c)))
        still_good(c)
        text = c.nodes[2].ctl("status").stdout.decode()
        check("net_memif1           from node 1: " in text, "status does not say from whom: " + text[-900:])


def lengths_that_lie_are_dropped_and_counted():
    with hostile("lengths") as (c, m):
        before = elections(c)
        lies = [("IPv4 length too long", IPV4 + 2, "ffff"), ("IPv4 length too short", IPV4 + 2, "0010"),
                ("UDP length too long", UDP + 4, "ffff"), ("UDP length too short", UDP + 4, "0000")]
        for name, at, value in lies:
            for d in BOTH:
                m.say("bytes %d 1 %d %s copy", d, at, value)
                expect(c, d, "frame_short")
                m.say("pass %d", d)
            answered("packet: " + name, "frame_short")
        for d in BOTH:
            m.say("cutto %d 2 60", d)  # every second one instead of the true one
            expect(c, d, "frame_short")
            m.say("pass %d", d)
        answered("packet: cut short", "frame_short")
        check(elections(c) == before, "a leader changed for it")
        still_good(c)


def wrong_addresses_are_counted_as_a_strangers():
    with hostile("addresses") as (c, m):
        wrong = [("Ethernet address", ETHERNET, "02aabbccddee"), ("EtherType", 12, "86dd"),
                 ("IPv4 version", IPV4, "65"), ("IPv4 fragment", IPV4 + 6, "2000"), ("protocol", IPV4 + 9, "06"),
                 ("source address", IPV4 + 12, "0a630909"), ("destination address", IPV4 + 16, "0a630909"),
                 ("source port", UDP, "0001"), ("destination port", UDP + 2, "0001")]
        for name, at, value in wrong:
            for d in BOTH:
                m.say("bytes %d 1 %d %s copy", d, at, value)
                expect(c, d, "frame_address", "stranger")
                m.say("pass %d", d)
            answered("packet: wrong %s" % name, "frame_address")
        m.say("bytes 0 1 %d 0a630909 copy", IPV4 + 12)
        expect(c, TO_LEADER, "frame_address", "stranger")
        m.say("pass 0")
        m.say("bytes 0 1 6 02deadbeef07 copy")  # the source MAC is not looked at, but said
        wait_for("the newest stranger's addresses", lambda: "10.99.9.9:49153" in
                 c.nodes[2].ctl("status").stdout.decode())
        still_good(c)


def damaged_payload_is_found_by_the_records_checksum_and_repaired():
    with hostile("damage") as (c, m):
        before = elections(c)
        with load(c.nodes[0], 300) as texts:  # at the follower: REQUESTs one way, PROPOSALs the other
            for d in BOTH:
                m.say("random %d 5 %d 1500", d, PAYLOAD)
                expect(c, d, "record_crc", at_least=5)
                m.say("bytes %d 7 %d ffffff7f", d, PAYLOAD + 4)  # the record's length
                expect(c, d, "record_crc")
                m.say("pass %d", d)
        answered("payload damaged above the NIC's check", "record_crc")
        answered("record: length wrong", "record_crc")
        same_everywhere(c, texts)
        check(elections(c) == before, "a leader changed for it")


def damage_at_random_harms_nobody():
    with hostile("random") as (c, m):
        with load(c.nodes[0], 300) as texts:
            for d in BOTH:
                m.say("random %d 4 0 1500", d)
            wait_for("much damage", lambda: sum(sum(drops(n).values()) for n in c.nodes) > 1000, 60)
            for d in BOTH:  # a good checksum over nonsense, beside the true frames
                m.say("random %d 2 %d %d seal copy", d, FRAME, FRAME + FIELDS["seq"][0])
            expect(c, TO_LEADER, "stale_iteration", at_least=10)
            for d in BOTH:
                m.say("pass %d", d)
        same_everywhere(c, texts)
        answered("frame header: damaged at random", " ".join(drops(c.nodes[2])))


def frames_of_a_former_life_are_refused():
    with hostile("former") as (c, m):
        m.say("record")
        with load(c.nodes[0], 300) as texts:
            wait_for("frames to be recorded", lambda: len(texts) > 1)
        c.nodes[0].kill()
        c.nodes[0].start()
        c.wait_serving()
        digest = c.wait_equal()
        for d in BOTH:
            m.say("replay %d %d", d, 1 - d)
            expect_since = receiver(c, d)
            wait_counted(expect_since[0], "stale_iteration", 100, port=expect_since[1], peer=expect_since[2])
            m.say("replay %d %d", d, d)  # back to who sent them
        answered("frames of the former life of a node", "stale_iteration")
        n, port, _ = receiver(c, TO_FOLLOWER)
        wait_counted(n, "frame_address", 100, port=port, peer="stranger")
        answered("a node's own packets coming back", "frame_address")
        check(c.wait_equal() == digest, "old frames changed the state")
        c.nodes[2].kill()
        c.nodes[2].start()
        c.wait_serving()
        for d in BOTH:
            m.say("replay %d %d", d, 1 - d)
        wait_for("frames of the former epoch to be counted", lambda: all(
            drops(*receiver(c, d)).get("stale_epoch", 0) > 100 for d in BOTH))
        answered("frames of a former epoch", "stale_epoch")
        check(c.wait_equal()[1:] == digest[1:], "old frames changed the state")
        still_good(c)


def open_files(node):
    return len(os.listdir("/proc/%d/fd" % node.process.pid))


def garbage_on_the_memif_socket_closes_only_that_connection():
    """Whoever may open the socket can speak to the driver before any packet: any bytes, descriptors, ends."""
    rng = random.Random(3)
    with Cluster("memif", **PATIENT) as c:
        c.start()
        c.wait_serving()
        files = [open_files(c.nodes[0])]
        for peer_is_there in (True, False):
            if not peer_is_there:
                c.nodes[2].kill()
            for i in range(300):
                with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s, open("/dev/null", "rb") as null:
                    s.settimeout(1)
                    try:
                        s.connect(c.dir + "/memif-1-3.sock")
                        for _ in range(rng.randrange(1, 6)):
                            message = rng.randbytes(rng.choice((0, 1, 64, 127, 128, 129, 500)))
                            if rng.random() < 0.5:  # a type that there is
                                message = rng.randrange(12).to_bytes(2, "little") + rng.randbytes(126)
                            socket.send_fds(s, [message], [null.fileno()] * rng.randrange(2))
                    except OSError:
                        pass
                check(c.nodes[0].running(), "it has ended: " + c.nodes[0].log()[-500:])
            if not peer_is_there:
                c.nodes[2].start()
            still_good(c)
            files.append(open_files(c.nodes[0]))
        print("    open files: %s" % files, flush=True)
        check(files[-1] <= files[0] + 20, "it keeps descriptors that strangers pass: %s" % files)
        answered("memif socket: random messages and descriptors", "no answer")


def floods_at_line_rate_stop_nobody():
    with hostile("floods") as (c, m):
        before = elections(c)
        for kind, reason, who, name in [
                ("noise", "frame_address", "stranger", "flood: random bytes"),
                ("wrapped", "frame_magic", "peer", "flood: right addresses, random frames"),
                ("sealed", "frame_field", "peer", "flood: random frames with a good checksum"),
                ("again", "stale_seq", "peer", "flood: one true frame again and again")]:
            for d in BOTH:
                n, port, peer = receiver(c, d)
                had = drops(n, port, peer if who == "peer" else who).get(reason, 0)
                m.say("flood %d %s 300000", 1 - d, kind)
                done = c.nodes[1].submit(["%s %d" % (kind, i) for i in range(300)])
                check(done.returncode == 0, "submit during %s: %s" % (kind, done.stderr.decode()))
                m.wait_idle()
                stats = m.stats()
                now = drops(n, port, peer if who == "peer" else who).get(reason, 0)
                check(now - had > 10000, "%s: only %d of %d counted as %s from %s" %
                      (kind, now - had, stats["injected"], reason, who))
            answered(name, reason)
        check(elections(c) == before, "a leader changed for it")
        still_good(c)


TESTS = [each_field_of_the_header_wrong_is_dropped_and_counted_by_whom, lengths_that_lie_are_dropped_and_counted,
         wrong_addresses_are_counted_as_a_strangers, damaged_payload_is_found_by_the_records_checksum_and_repaired,
         damage_at_random_harms_nobody, garbage_on_the_memif_socket_closes_only_that_connection, frames_of_a_former_life_are_refused]
SLOW_TESTS = [floods_at_line_rate_stop_nobody]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted] + [t for t in TESTS + SLOW_TESTS if t.__name__ in wanted]))
