#!/usr/bin/python3
"""abuse_space.py [NAME...] - real file systems that fill, or that the kernel makes read-only: an ext4 in a
file, which has O_DIRECT (as root; the tmpfs of abuse.py has none)."""
import contextlib
import json
import os
import shutil
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from answers import answered, ended, refused, run  # noqa: E402
from cluster import SUFFIX, Cluster, Skipped, check, run_tests, unmount, wait_for  # noqa: E402

SMALL = {"segment_bytes": 4 << 20, "largest_record": 1 << 16, "ring_bytes": 1 << 20, "min_free_bytes": 0}
MIB = 1 << 20


class Disk:
    """An ext4 of so many MiB, mounted at path; read-only from its first error on."""

    def __init__(self, directory, mib):
        if os.geteuid() or not all(shutil.which(tool) for tool in ("mkfs.ext4", "losetup", "mount")):
            raise Skipped("mounting a file needs root and mkfs.ext4")
        self.image, self.path = os.path.abspath(directory + "/disk.img"), os.path.abspath(directory + "/disk")
        os.makedirs(self.path)
        with open(self.image, "wb") as f:
            f.truncate(mib * MIB)
        done = run("mkfs.ext4", "-q", "-m", "0", self.image)
        check(done.returncode == 0, "mkfs.ext4: " + done.stderr.decode().strip())
        if self.mount():
            raise Skipped("no loop devices here")

    def mount(self):
        return run("mount", "-o", "loop,errors=remount-ro", self.image, self.path).returncode

    def umount(self):
        check(run("umount", self.path).returncode == 0, "umount")

    def free(self):
        s = os.statvfs(self.path)
        return s.f_bavail * s.f_frsize

    def fill_up_to(self, free):
        """A file that leaves so many bytes; its name."""
        with open(self.path + "/ballast", "wb") as f:
            os.posix_fallocate(f.fileno(), 0, self.free() - free)
        return f.name

    def make_read_only(self):
        """As the kernel does after an error of the device: files may be open for writing."""
        device = os.path.basename(run("losetup", "-n", "-O", "NAME", "-j", self.image).stdout.decode().strip())
        try:
            with open("/sys/fs/ext4/%s/trigger_fs_error" % device, "w") as f:
                f.write("1")
        except OSError as e:
            raise Skipped("this kernel makes no ext4 read-only at will: %s" % e)


@contextlib.contextmanager
def on_disk(name, mib, **overrides):
    """A node whose data is on a disk of its own."""
    unmount(os.path.join("build/cluster" + SUFFIX, name, "disk"))  # of a run that was killed
    with Cluster(name, nodes=1, **dict(SMALL, **overrides)) as c:
        disk = Disk(c.dir, mib)
        try:
            n = c.nodes[0]
            os.makedirs(n.dir)
            c.write_config(n, data_dir=disk.path + "/data")
            c.start()
            yield c, n, disk
        finally:
            c.end()
            unmount(disk.path)


class Fill(threading.Thread):
    """Lines until no more are taken."""

    def __init__(self, c, n):
        super().__init__()
        self.n, self.acks = n, c.dir + "/acks"
        self.start()

    def run(self):
        self.n.submit(["%d " % i + "f" * 20000 for i in range(4000)], "--acks", self.acks, "--timeout", "3")

    def acknowledged(self):
        if not os.path.exists(self.acks):
            return 0
        with open(self.acks) as f:
            return f.read().count("\n")


def nothing_lost(n, acked):
    there = [r[3].split(" ")[0] for r in n.tail()]
    check(0 < acked <= len(there) and there == [str(i) for i in range(len(there))],
          "%d acknowledged, %d there" % (acked, len(there)))


def space_that_shrinks_stops_proposals_and_not_the_node():
    with on_disk("shrinks", 160, min_free_bytes=64 * MIB) as (c, n, disk):
        check(n.submit(["before"]).returncode == 0, "submit")
        ballast = disk.fill_up_to(48 * MIB)
        wait_for("a warning", lambda: n.status().get("warning"))
        done = n.submit(["no"], "--timeout", "2")
        check(done.returncode != 0, "taken though there is no space")
        answered("disk: less is free than min_free_bytes", n.log() + done.stderr.decode() + json.dumps(n.status()))
        os.remove(ballast)
        wait_for("the end of the warning", lambda: n.status() and not n.status().get("warning"))
        check(n.submit(["after"]).returncode == 0, "submit with room again")
        check([r[3] for r in n.tail()] == ["before", "after"], "there: %s" % n.tail())


def a_file_system_that_fills_ends_the_node_and_loses_nothing():
    with on_disk("fills", 96) as (c, n, disk):
        ballast = disk.fill_up_to(24 * MIB)
        load = Fill(c, n)
        answered("disk: the file system is full", ended(n, 3, "No space left"))
        load.join()
        os.remove(ballast)
        n.start()
        c.wait_leader()
        nothing_lost(n, load.acknowledged())
        check(n.submit(["%d after" % len(n.tail())]).returncode == 0, "submit with room again")


def a_file_system_made_read_only_ends_the_node_and_loses_nothing():
    with on_disk("readonly", 160) as (c, n, disk):
        load = Fill(c, n)
        wait_for("lines to be acknowledged", lambda: load.acknowledged() > 20)
        disk.make_read_only()
        said = ended(n, 3)
        answered("disk: the kernel makes the file system read-only while it runs", said)
        # EIO: of a sync that was under way, since the kernel has given its journal up
        check("Read-only file system" in said or "sync of" in said and "Input/output error" in said, said[-600:])
        load.join()
        os.truncate(n.log_file, 0)
        answered("disk: the file system is read-only at the start", refused(n, 3, "Read-only"))
        disk.umount()
        check(disk.mount() == 0, "mount again")
        n.start()
        c.wait_leader()
        nothing_lost(n, load.acknowledged())


TESTS = [space_that_shrinks_stops_proposals_and_not_the_node, a_file_system_that_fills_ends_the_node_and_loses_nothing,
         a_file_system_made_read_only_ends_the_node_and_loses_nothing]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    sys.exit(run_tests([t for t in TESTS if not wanted or t.__name__ in wanted]))
