#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes a capture of frames for dpdk-testpmd, which by itself sends UDP only, to send over and over:
the loads of syn_flood.pkt, ack_flood.pkt and data_flood.pkt.

    frames.py syn|ack|data FILE [--mac MAC] [--to ADDRESS] [--port PORT] [--gateway ADDRESS] [--flows N]
              [--size BYTES]

Each frame is another flow's, from 10.0.0.0/8; but for the first, which is an ARP reply: ternd's gateway4 is
who sends all this. Otherwise answers would wait for one. --size is the frame's, its checksum on the wire (4 bytes)
included, as Pktgen counts; without it data has all sizes from 64 to 1518, one after the other.
"""
import argparse
import ipaddress
import struct

LINKTYPE_ETHERNET = 1
FIN, SYN, PSH, ACK = 0x01, 0x02, 0x08, 0x10
LOADS = {"syn": SYN, "ack": ACK, "data": ACK | PSH}
FCS_BYTES = 4
HEADERS = 14 + 20 + 20
SIZE_MIN, SIZE_MAX = 64, 1518
SENDER = bytes.fromhex("020000000001")
PORTS = 60000  # of each host: 1024 and up


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) & ~1]))
    if len(data) & 1:
        total += data[-1] << 8
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(flags, source, sport, args, size, number):
    payload = b"\0" * (size - FCS_BYTES - HEADERS) if flags & PSH else b""
    ack = number + 1 if flags & ACK else 0
    addresses = source.packed + args.to.packed
    tcp = struct.pack("!HHIIBBHHH", sport, args.port, number + 1, ack, 5 << 4, flags, 65535, 0, 0) + payload
    pseudo = addresses + struct.pack("!BBH", 0, 6, len(tcp))
    tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), number & 0xFFFF, 0, 64, 6, 0) + addresses
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return (args.mac + SENDER + b"\x08\x00" + ip + tcp).ljust(size - FCS_BYTES, b"\0")


def arp_reply(args):
    arp = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + SENDER + args.gateway.packed + args.mac + args.to.packed
    return (args.mac + SENDER + b"\x08\x06" + arp).ljust(SIZE_MIN - FCS_BYTES, b"\0")


def write(out, number, data):
    out.write(struct.pack("=IIII", 0, number, len(data), len(data)) + data)


def mac(text):
    value = bytes.fromhex(text.replace(":", ""))
    if len(value) != 6:
        raise ValueError
    return value


def main():
    parser = argparse.ArgumentParser(description="Frames of TCP floods for dpdk-testpmd")
    parser.add_argument("load", choices=LOADS)
    parser.add_argument("file")
    parser.add_argument("--mac", type=mac, default="02:00:00:00:00:02", help="ternd's")
    parser.add_argument("--to", type=ipaddress.IPv4Address, default="198.18.1.2", help="ternd's address")
    parser.add_argument("--port", type=int, default=80)
    parser.add_argument("--gateway", type=ipaddress.IPv4Address, default="198.18.1.1")
    parser.add_argument("--flows", type=int, default=16384)
    parser.add_argument("--size", type=int, help=f"{SIZE_MIN} to {SIZE_MAX}")
    args = parser.parse_args()
    if args.size is not None and not SIZE_MIN <= args.size <= SIZE_MAX:
        parser.error(f"--size: {SIZE_MIN} to {SIZE_MAX}")

    first = ipaddress.IPv4Address("10.0.0.1")
    with open(args.file, "wb") as out:
        out.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINKTYPE_ETHERNET))
        write(out, 0, arp_reply(args))
        for n in range(args.flows):
            size = args.size or SIZE_MIN
            if args.size is None and args.load == "data":
                size = SIZE_MIN + n % (SIZE_MAX - SIZE_MIN + 1)
            # Hosts first: neighbouring frames are of different ones.
            write(out, n, frame(LOADS[args.load], first + n % 251, 1024 + n // 251 % PORTS, args, size, n))


main()
