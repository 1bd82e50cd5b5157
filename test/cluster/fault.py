"""fault.py - a disk that fails or is slow, a clock that jumps: zabd under fault_disk.so (fault_disk.c)."""
import mmap
import os
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from cluster import BUILD, wait_for  # noqa: E402

SHIM = os.path.join(BUILD, "fault_disk.so")
LAYOUT = "<IIIIiIqi16s64s4x"  # struct fault_control
ARMED, HITS, REALTIME = 0, 4, 24


class Fault:
    """The faults of one node; it must not run yet."""

    def __init__(self, node, bind_shift=0):
        self.node = node
        path = os.path.join(os.path.abspath(node.cluster.dir), "fault-%s" % os.path.basename(node.log_file))
        with open(path, "wb") as f:
            f.write(struct.pack(LAYOUT, 0, 0, 0, 0, 0, 0, 0, bind_shift, b"", b""))
        with open(path, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), struct.calcsize(LAYOUT))
        self.bind_shift = bind_shift
        node.environment.update({"LD_PRELOAD": os.path.abspath(SHIM), "FAULT_CONTROL": path,
                                 "FAULT_DIR": os.path.abspath(node.dir + "/data")})

    def arm(self, op, file, error=0, delay_ms=0, skip=0, for_all=False):
        """From now on the next (for_all: each) matching call waits delay_ms, and fails with error."""
        self.disarm()
        shift = struct.unpack_from("<q", self.map, REALTIME)[0]
        self.map[:] = struct.pack(LAYOUT, 0, 0, skip, for_all, error, delay_ms, shift, self.bind_shift, op.encode(),
                                  file.encode())
        self.map[ARMED:ARMED + 4] = struct.pack("<I", 1)

    def disarm(self):
        self.map[ARMED:ARMED + 4] = struct.pack("<I", 0)

    def hits(self):
        return struct.unpack_from("<I", self.map, HITS)[0]

    def wait_hit(self, seconds=20):
        wait_for("the fault to be met", self.hits, seconds)

    def jump(self, seconds):
        """CLOCK_REALTIME of the node is from now on so far from the truth."""
        self.map[REALTIME:REALTIME + 8] = struct.pack("<q", int(seconds * 1e9))
