#!/usr/bin/python3
"""flood.py INTERFACE KIND COUNT CLUSTER EPOCH SOURCE DESTINATION MAC - COUNT frames to node DESTINATION, at
MAC, as fast as they go, from a host that is none of the ensemble.

noise     random bytes behind the addresses of Ethernet
stranger  UDP to the fast path's port from an address that is no peer's
wrapped   all of node SOURCE's addresses and ports, random bytes for a frame
sealed    a header of random fields with a good checksum
forged    PINGs of SOURCE that are right in everything but the iteration
tagged    the same with the tag of another VLAN
arp       claims of DESTINATION's own address
"""
import random
import socket
import struct
import sys

from stranger import crc32c, gratuitous_arp, packet, ping

VARIANTS = 200  # of each kind; sent again and again
STRANGER = 77   # is no node


def frames(kind, own, mac, cluster, epoch, source, destination):
    rng = random.Random(kind)
    for seq in range(1, VARIANTS + 1):
        size = rng.randrange(88, 1400)
        true = ping(own, mac, seq, cluster, epoch, source, destination)
        if kind == "noise":
            yield mac + own + rng.randbytes(rng.randrange(46, 1500))
        elif kind == "stranger":
            yield packet(own, mac, STRANGER, destination, rng.randbytes(size))
        elif kind == "wrapped":
            yield packet(own, mac, source, destination, rng.randbytes(size))
        elif kind == "sealed":
            head = struct.pack("<HB", 0x425a, 1) + rng.randbytes(77)
            yield packet(own, mac, source, destination, head + struct.pack("<II", crc32c(head), 0))
        elif kind == "forged":
            yield true
        elif kind == "tagged":
            yield true[:12] + struct.pack(">HH", 0x8100, 99) + true[12:]
        elif kind == "arp":
            yield gratuitous_arp(own, destination)


def main():
    interface, kind, count, cluster, epoch, source, destination, mac = sys.argv[1:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as s:
        s.bind((interface, 0))
        all_frames = list(frames(kind, s.getsockname()[4], bytes.fromhex(mac.replace(":", "")), cluster, int(epoch),
                                 int(source), int(destination)))
        for i in range(int(count)):
            s.send(all_frames[i % len(all_frames)])


if __name__ == "__main__":
    main()
