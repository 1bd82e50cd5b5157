#!/usr/bin/python3
"""abuse.py [NAME...] - bad input to real processes: each gets one clear line or a counted drop; nothing
crashes, hangs, goes half-dead or loses what was acknowledged."""
import ast
import glob
import json
import os
import random
import re
import shutil
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, one_line, refused, rows, run, still_good  # noqa: E402
from cluster import SLOW, SUFFIX, ZABCTL, ZABD, Cluster, Skipped, check, run_tests, unmount, wait_for  # noqa: E402


def bad_arguments_get_one_line():
    one_line(run(ZABD, "--config", "build/none.json"), 2, "build/none.json")
    one_line(run(ZABD), 2, "--config")
    one_line(run(ZABD, "--config", "x", "--rejoin"), 2, "--rejoin")
    one_line(run(ZABD, "--check-config", "x", "--format"), 2, "--check-config")
    one_line(run(ZABD, "--check-config", "x", "--config", "y"), 2, "--check-config")
    one_line(run(ZABD, "x"), 2, "--help")
    one_line(run(ZABCTL, "--socket", "build/none.sock", "status"), 4, "build/none.sock", "running")
    check(run(ZABCTL, "--socket", "x", "frobnicate").returncode == 2, "unknown command")
    for program in (ZABD, ZABCTL):
        for option in ("--help", "--version"):
            done = run(program, option)
            check(done.returncode == 0 and done.stdout, "%s %s" % (program, option))


def bad_configs_name_file_path_found_and_allowed():
    with Cluster("badconfig") as c:
        n = c.nodes[0]
        def bad(*words, **changes):
            c.write_config(n, **changes)
            one_line(run(ZABD, "--check-config", n.config_file), 2, n.config_file, "found", "allowed", *words)
        bad("id", id=7)
        bad("timeout_us", timeout_us=10000)
        bad("mtu", mtu=100)
        bad("colour", colour="red")
        bad("ring_bytes", ring_bytes=100000)
        c.write_config(n)
        with open(n.config_file) as f:
            config = json.load(f)
        config["peers"][2]["fast"]["ip"] = "10.0.0.300"
        with open(n.config_file, "w") as f:
            json.dump(config, f)
        one_line(run(ZABD, "--check-config", n.config_file), 2, "peers[2].fast.ip", "10.0.0.300")
        with open(n.config_file, "w") as f:
            f.write('{"cluster": "x",\n "id": }')
        check(run(ZABD, "--check-config", n.config_file).returncode == 2, "syntax error")


def foreign_and_missing_data_directories_are_refused():
    with Cluster("foreign") as c:
        a, b = c.nodes[0], c.nodes[1]
        refused(a, 5, "--format")
        a.format()
        shutil.copytree(a.dir + "/data", b.dir + "/data")
        refused(b, 5, "1", "2")
        c.write_config(a, cluster="another")
        refused_again = subprocess.run([ZABD, "--config", a.config_file], capture_output=True, timeout=30 * SLOW)
        check(refused_again.returncode == 5 and b"another" in refused_again.stderr, "another cluster's directory")
        c.write_config(a)
        done = run(ZABD, "--config", a.config_file, "--format")
        check(done.returncode == 5, "--format over an existing directory")


def ports_and_sockets_in_use_end_with_status_4():
    with Cluster("inuse") as c:
        c.start()
        c.wait_serving()
        second = run(ZABD, "--config", c.nodes[0].config_file)
        check(second.returncode in (4, 5) and b"ERROR" in second.stderr, "a second zabd of one config")
        still_good(c)
        victim = c.nodes[2]
        victim.kill()
        for port in (c.base_port + 13, c.base_port + 23):
            with socket.socket() as s:
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
                s.listen()
                os.truncate(victim.log_file, 0)
                refused(victim, 4, str(port))
        victim.start()
        still_good(c)


def control_socket_that_cannot_be_ends_with_status_4():
    with Cluster("nosocket", nodes=1) as c:
        n = c.nodes[0]
        n.format()
        open(n.socket, "w").close()
        refused(n, 4, n.socket, "not a socket")
        os.truncate(n.log_file, 0)
        c.write_config(n, control_socket=c.dir + "/none/control.sock")
        refused(n, 4, "/none/control.sock", "missing")


def config_that_differs_is_refused_by_name():
    with Cluster("differs") as c:
        c.write_config(c.nodes[2], largest_record=524288)
        c.start()
        c.wait_serving(c.nodes[:2])
        wait_for("a line with both values", lambda: any(
            "1048576" in l and "524288" in l for n in c.nodes for l in n.log().splitlines()))
        check(c.nodes[2].running() and not c.nodes[2].status().get("serving"), "node 3 must wait, not serve")


def garbage_on_the_kernel_ports_is_dropped_and_counted():
    rng = random.Random(7)
    with Cluster("garbage") as c:
        c.start()
        c.wait_serving()
        n = c.nodes[0]
        hello = lambda sid: struct.pack(">qqi", -65536, sid, 15) + b"127.0.0.1:12345"
        messages = [b"", b"\0", rng.randbytes(10), rng.randbytes(5000), b"\xff" * 3000, hello(99), hello(1),
                    hello(2)[:20], hello(2) + struct.pack(">i", 0x7fffffff), hello(2) + struct.pack(">i", -5),
                    hello(3) + struct.pack(">i", 40) + rng.randbytes(40),
                    struct.pack(">iqii", 11, 0, 20, 5) + b"x" * 20, struct.pack(">iqii", 11, 0, -7, 0),
                    struct.pack(">iqi", 11, 0, 20) + struct.pack(">qiq", 77, 0x10000, 0) + struct.pack(">i", -1),
                    struct.pack(">iqii", 3, 1 << 40, -1, -1) * 50, b"GET / HTTP/1.1\r\n\r\n"]
        silent = []
        for port in (c.base_port + 11, c.base_port + 21):
            for m in messages:
                with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
                    try:
                        s.sendall(m)
                        s.shutdown(socket.SHUT_WR)
                        while s.recv(65536):  # until zabd has read it and closed
                            pass
                    except OSError:
                        pass
            silent += [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(200)]
        still_good(c)
        counters = n.status()["counters"]
        for name in ("hello_bad", "hello_unknown", "hello_self"):
            check(counters.get(name, 0) > 0, "%s is not counted: %s" % (name, counters))
        for s in silent:
            s.close()
        still_good(c)


def garbage_on_the_control_socket_closes_only_that_connection():
    rng = random.Random(8)
    with Cluster("control") as c:
        c.start()
        c.wait_serving()
        for m in [b"", b"\0\0", rng.randbytes(100), b"\xff" * 100000, b"\x7f\xff\xff\xff", b"status\n",
                  rng.randbytes(1 << 20)]:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(c.nodes[0].socket)
                try:
                    s.sendall(m)
                    s.shutdown(socket.SHUT_WR)
                    while s.recv(65536):
                        pass
                except OSError:
                    pass
        too_long = c.nodes[0].submit(["x" * (1 << 20) + "yyy"])
        check(too_long.returncode != 0 and b"largest_record" in too_long.stderr, "a line that is too long: %r" %
              too_long.stderr)
        check(os.stat(c.nodes[0].socket).st_mode & 0o777 == 0o660, "mode of the control socket")
        still_good(c)


def damaged_files_are_named_and_nothing_is_given_up():
    with Cluster("damaged", nodes=1) as c:
        n = c.nodes[0]
        c.start()
        n.submit(["line %d" % i for i in range(50)], "--outstanding", "1")
        n.kill()
        shutil.copytree(n.dir + "/data", n.dir + "/saved")

        def restore():
            shutil.rmtree(n.dir + "/data")
            shutil.copytree(n.dir + "/saved", n.dir + "/data")
            os.truncate(n.log_file, 0)

        def flip(path, offset):
            with open(path, "r+b") as f:
                f.seek(offset)
                byte = f.read(1)[0]
                f.seek(offset)
                f.write(bytes([byte ^ 0x10]))

        def path_of(*patterns):
            return sorted(p for pattern in patterns for p in glob.glob(n.dir + "/data/" + pattern))

        log = path_of("log*")[0]
        flip(log, 4096 * 20 + 100)
        n.start()  # alone: nobody can repair it, and nothing is given up
        zxid = wait_for("the record that is missing, in status", lambda: n.status().get("waits_for"))
        check(zxid.startswith("0x1000000"), zxid)
        check(not n.status()["serving"], "serves without it")
        check(os.path.basename(log) + " is damaged at offset" in n.log(), n.log())
        answered("log: a record in the middle is damaged, on a node alone", n.log() + json.dumps(n.status()))
        n.kill()
        restore()
        copies = path_of("epoch*")
        check(len(copies) == 2, "two epoch copies: %s" % copies)
        flip(copies[0], 20)
        n.start()
        c.wait_leader()
        check(len(n.tail()) == 50, "one damaged epoch copy is mended")
        n.kill()
        restore()
        for p in copies:
            flip(p, 20)
        refused(n, 3, "epoch")


def full_disk_refuses_proposals_and_warns():
    with Cluster("full", nodes=1, min_free_bytes=1 << 40) as c:
        n = c.nodes[0]
        c.start()
        done = n.submit(["no"], "--timeout", "2")
        check(done.returncode != 0 and b"min_free_bytes" in done.stderr, "not refused: %r" % done.stderr)
        check("min_free_bytes" in json.dumps(n.status()), "status does not warn")
        answered("disk: less is free than min_free_bytes", n.log() + done.stderr.decode() + json.dumps(n.status()))


def disks_that_fill_or_are_read_only_stop_the_node_and_lose_nothing():
    """On a small tmpfs, which has no O_DIRECT: the buffered way of writing is tested too."""
    unmount("build/cluster%s/tmpfs/disk" % SUFFIX)  # of a run that was killed
    with Cluster("tmpfs", nodes=1, min_free_bytes=0, segment_bytes=4 << 20, largest_record=1 << 16,
                 ring_bytes=1 << 20) as c:
        n = c.nodes[0]
        disk = c.dir + "/disk"
        os.makedirs(disk)
        if os.geteuid() or run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk).returncode:
            raise Skipped("mounting a tmpfs needs root")
        try:
            os.makedirs(n.dir)
            c.write_config(n, data_dir=disk + "/data")
            c.start()
            acks = c.dir + "/acks"
            n.submit(["%d " % i + "f" * 20000 for i in range(3000)], "--acks", acks, "--timeout", "3")
            check(n.wait_exit() == 3, "a full disk must end with status 3: " + n.log()[-300:])
            errors = [l for l in n.log().splitlines() if " ERROR " in l]
            check(len(errors) == 1 and "No space left" in errors[0], "not one clear line: %s" % errors)
            answered("disk: the file system is full", errors[0])
            acked = sum(1 for _ in open(acks))
            check(run("mount", "-o", "remount,size=64m", disk).returncode == 0, "remount")
            n.start()
            c.wait_leader()
            there = [r[3].split(" ")[0] for r in n.tail()]
            check(0 < acked <= len(there) and there == [str(i) for i in range(len(there))],
                  "%d acknowledged, %d there" % (acked, len(there)))
            check(n.stop() == 0, "clean stop")
            check(run("mount", "-o", "remount,ro", disk).returncode == 0, "remount read-only")
            os.truncate(n.log_file, 0)
            answered("disk: the file system is read-only at the start", refused(n, 3, "Read-only"))
        finally:
            c.end()
            unmount(disk)


def every_row_of_the_table_has_its_test():
    here = os.path.dirname(os.path.abspath(__file__))
    literals = set()
    for path in glob.glob(here + "/abuse*.py"):
        with open(path) as f:
            for node in ast.walk(ast.parse(f.read())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 100:
                    literals.add(re.escape(node.value).replace("%s", ".+"))
    for name in rows():
        check(any(re.fullmatch(l, name) for l in literals if l != ".+"), "no test answers %r" % name)


TESTS = [every_row_of_the_table_has_its_test, bad_arguments_get_one_line, bad_configs_name_file_path_found_and_allowed,
         foreign_and_missing_data_directories_are_refused, ports_and_sockets_in_use_end_with_status_4,
         control_socket_that_cannot_be_ends_with_status_4,
         config_that_differs_is_refused_by_name, garbage_on_the_kernel_ports_is_dropped_and_counted,
         garbage_on_the_control_socket_closes_only_that_connection, damaged_files_are_named_and_nothing_is_given_up,
         full_disk_refuses_proposals_and_warns,
         disks_that_fill_or_are_read_only_stop_the_node_and_lose_nothing]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
