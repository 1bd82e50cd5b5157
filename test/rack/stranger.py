#!/usr/bin/python3
"""stranger.py INTERFACE SECONDS CLUSTER EPOCH SOURCE DESTINATION MAC - a host that says it is node SOURCE.

Says by gratuitous ARP that SOURCE's address is at its own MAC, and sends to node DESTINATION, at MAC, PINGs
of SOURCE that are right in everything but the iteration.  Addresses and ports are those of rack.py.
"""
import socket
import struct
import sys
import time


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def ip(i):
    return bytes((10, 92, 0, i))


def gratuitous_arp(own, source):
    return (b"\xff" * 6 + own + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + own + ip(source) +
            b"\0" * 6 + ip(source))


def header(seq, cluster, epoch, source, destination):
    """design 4; type and magic as in proto/frame.h"""
    h = struct.pack("<HBBBBHIBBHQQIIQQQQII", 0x425a, 1, 4, 0, 0, 0, crc32c(cluster.encode()), source, destination,
                    0, 0x1234567, seq, epoch, 65536, 0, 0, 0, 0, seq, 0)
    return h + struct.pack("<II", crc32c(h), 0)


def packet(own, mac, source, destination, frame):
    """`frame` in UDP, IPv4 and Ethernet as node `source` sends it, but for its MAC."""
    udp = struct.pack(">HHHH", 0xc000 + source, 2988, 8 + len(frame), 0) + frame
    addresses = ip(source) + ip(destination)
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0) + addresses
    words = sum(struct.unpack(">10H", head))  # a bridge may check it
    words = (words & 0xffff) + (words >> 16)
    return mac + own + b"\x08\x00" + head[:10] + struct.pack(">H", ~words & 0xffff) + addresses + udp


def ping(own, mac, seq, cluster, epoch, source, destination):
    return packet(own, mac, source, destination, header(seq, cluster, epoch, source, destination))


def main():
    interface, seconds, cluster, epoch, source, destination, mac = sys.argv[1:]
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    s.bind((interface, 0))
    own, end, seq = s.getsockname()[4], time.monotonic() + float(seconds), 0
    while time.monotonic() < end:
        seq += 1
        s.send(gratuitous_arp(own, int(source)))
        s.send(ping(own, bytes.fromhex(mac.replace(":", "")), seq, cluster, int(epoch), int(source), int(destination)))
        time.sleep(0.01)
    print(seq)


if __name__ == "__main__":
    main()
