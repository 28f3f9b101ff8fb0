#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends malformed frames to Tern and checks which counter each of them moves.

usage: malformed.py TERN INTERFACE MAC

TERN is the command line tool, INTERFACE the Linux side of the net_tap, MAC Tern's address. Needs
nothing but Python: frames are built here byte by byte, with what is wrong in one place each.
"""
import json
import random
import socket
import struct
import subprocess
import sys
import time

US4, THEM4 = "198.18.0.1", "198.18.0.2"
US6, THEM6 = "2001:db8:18::1", "2001:db8:18::2"
OUR_MAC = bytes.fromhex("0200c6120001")
SEED = 20250101


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def eth(payload, kind=0x0800, to=None, source=OUR_MAC):
    return (to or THEIR_MAC) + source + struct.pack("!H", kind) + payload


def ip4(payload, proto=6, version=4, ihl=None, length=None, frag=0, options=b"", src=US4, dst=THEM4,
        cksum=None):
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    length = 20 + len(options) + len(payload) if length is None else length
    head = struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, 0, length, 7, frag, 64, proto, 0,
                       socket.inet_aton(src), socket.inet_aton(dst)) + options
    cksum = checksum(head) if cksum is None else cksum
    return head[:10] + struct.pack("!H", cksum) + head[12:] + payload


def ip6(payload, proto=6, version=6, length=None, hop_limit=64, src=US6, dst=THEM6):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", version << 28, length, proto, hop_limit) + \
        socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + payload


def pseudo(family, proto, length, src, dst):
    if family == 4:
        return socket.inet_aton(src) + socket.inet_aton(dst) + struct.pack("!BBH", 0, proto, length)
    return socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst) + \
        struct.pack("!II", length, proto)


def tcp(family=4, sport=40000, dport=80, flags=0x02, offset=None, options=b"", payload=b"",
        break_cksum=False):
    offset = 5 + len(options) // 4 if offset is None else offset
    src, dst = (US4, THEM4) if family == 4 else (US6, THEM6)
    segment = struct.pack("!HHIIBBHHH", sport, dport, 1000, 0, offset << 4, flags, 8192, 0, 0) + \
        options + payload
    cksum = checksum(pseudo(family, 6, len(segment), src, dst) + segment)
    if break_cksum:
        cksum ^= 0x5555
    return segment[:16] + struct.pack("!H", cksum) + segment[18:]


def icmp(kind, body, family=4, break_cksum=False, dst=THEM6, src=US6):
    message = struct.pack("!BBH", kind, 0, 0) + body
    start = b"" if family == 4 else pseudo(6, 58, len(message), src, dst)
    cksum = checksum(start + message)
    if break_cksum:
        cksum ^= 0x5555
    return message[:2] + struct.pack("!H", cksum) + message[4:]


def arp(hardware=1, operation=1):
    return struct.pack("!HHBBH6s4s6s4s", hardware, 0x0800, 6, 4, operation, OUR_MAC,
                       socket.inet_aton(US4), b"\0" * 6, socket.inet_aton(THEM4))


def solicitation(option, hop_limit=255):
    body = b"\0" * 4 + socket.inet_pton(socket.AF_INET6, THEM6) + option
    return eth(ip6(icmp(135, body, 6), 58, hop_limit=hop_limit), 0x86DD)


def fragment6(offset, more, payload):
    return ip6(struct.pack("!BBHI", 6, 0, offset << 3 | more, 99) + payload, 44)


def cases():
    """(what is wrong, frames, the counter that must rise by their number)"""
    good = tcp()
    yield "Ethernet type nobody knows", [eth(b"x" * 46, 0x88B5)], "drop_eth_type"
    yield "to another station", [eth(ip4(good), to=b"\x02\0\0\0\0\x77")], "drop_eth_not_ours"
    yield "IPv4: cut off in its header", [eth(ip4(good)[:12])], "drop_ip_short"
    yield "IPv4: version 5", [eth(ip4(good, version=5))], "drop_ip_version"
    yield "IPv4: header length 16", [eth(ip4(good, ihl=4))], "drop_ip_header_length"
    yield "IPv4: header past the end", [eth(ip4(b"", ihl=15))], "drop_ip_header_length"
    yield "IPv4: total length 19", [eth(ip4(good, length=19))], "drop_ip_total_length"
    yield "IPv4: total length past the end", [eth(ip4(good, length=1400))], "drop_ip_short"
    yield "IPv4: header checksum", [eth(ip4(good, cksum=0x1234))], "drop_ip_checksum"
    yield "IPv4: option of length 0", [eth(ip4(good, options=b"\x44\0\0\0"))], "drop_ip_option"
    yield "IPv4: option past the end", [eth(ip4(good, options=b"\x44\x28\5\0"))], "drop_ip_option"
    yield "IPv4: from Tern's own address", [eth(ip4(good, src=THEM4))], "drop_ip_source"
    yield "IPv4: from 127.0.0.1", [eth(ip4(good, src="127.0.0.1"))], "drop_ip_source"
    yield "IPv4: from a group", [eth(ip4(good, src="224.0.0.1"))], "drop_ip_source"
    yield "IPv4: to another address", [eth(ip4(good, dst="198.18.0.99"))], "drop_ip_not_ours"
    yield "IPv4: protocol 99", [eth(ip4(b"x" * 20, proto=99))], "drop_ip_protocol"
    yield "IPv4: overlapping fragments", [
        eth(ip4(b"a" * 64, frag=0x2000)), eth(ip4(b"b" * 64, frag=0x2004)),
        eth(ip4(b"c" * 64, frag=0x0002))], "drop_fragment"
    yield "IPv4: tiny first fragment", [eth(ip4(good[:8], frag=0x2000))], "drop_fragment"

    yield "TCP: cut off in its header", [eth(ip4(good[:12]))], "drop_short"
    yield "TCP: data offset 4", [eth(ip4(tcp(offset=4)))], "drop_data_offset"
    yield "TCP: data offset past the end", [eth(ip4(tcp(offset=15)))], "drop_data_offset"
    yield "TCP: checksum", [eth(ip4(tcp(break_cksum=True)))], "drop_checksum"
    yield "TCP: option of length 0", [eth(ip4(tcp(options=b"\2\0\5\xb4")))], "drop_bad_option"
    yield "TCP: option of length 1", [eth(ip4(tcp(options=b"\3\1\5\xb4")))], "drop_bad_option"
    yield "TCP: option past the end", [eth(ip4(tcp(options=b"\2\x28\5\xb4")))], "drop_bad_option"
    yield "TCP: option without length", [eth(ip4(tcp(options=b"\1\1\1\2")))], "drop_bad_option"
    yield "TCP: SYN with FIN", [eth(ip4(tcp(flags=3)))], "drop_syn_fin"
    yield "TCP: no listener", [eth(ip4(tcp(dport=81)))], "drop_no_socket"
    yield "TCP: ACK out of nowhere", [eth(ip4(tcp(flags=0x10)))], "drop_no_socket"

    good6 = tcp(6)
    yield "IPv6: cut off in its header", [eth(ip6(good6)[:30], 0x86DD)], "drop_ip_short"
    yield "IPv6: version 4", [eth(ip6(good6, version=4), 0x86DD)], "drop_ip_version"
    yield "IPv6: length past the end", [eth(ip6(good6, length=900), 0x86DD)], "drop_ip_short"
    yield "IPv6: from a group", [eth(ip6(good6, src="ff02::1"), 0x86DD)], "drop_ip_source"
    yield "IPv6: from ::1", [eth(ip6(good6, src="::1"), 0x86DD)], "drop_ip_source"
    yield "IPv6: to another address", [
        eth(ip6(good6, dst="2001:db8:18::99"), 0x86DD)], "drop_ip_not_ours"
    yield "IPv6: routing header", [
        eth(ip6(struct.pack("!BBBB4x16s", 6, 2, 0, 1, b"\x20" + b"\1" * 15) + good6, 43), 0x86DD)
    ], "drop_ip_source_route"
    yield "IPv6: overlapping fragments", [
        eth(fragment6(0, 1, b"a" * 64), 0x86DD), eth(fragment6(4, 1, b"b" * 64), 0x86DD),
        eth(fragment6(2, 0, b"c" * 64), 0x86DD)], "drop_fragment"
    yield "IPv6: nothing next", [eth(ip6(b"", 59), 0x86DD)], "drop_ip_no_next_header"
    yield "IPv6: TCP checksum", [eth(ip6(tcp(6, break_cksum=True)), 0x86DD)], "drop_checksum"
    yield "IPv6: TCP option of length 0", [
        eth(ip6(tcp(6, options=b"\2\0\5\xb4")), 0x86DD)], "drop_bad_option"

    yield "ICMP: cut off", [eth(ip4(b"\x08\0", proto=1))], "drop_icmp_short"
    yield "ICMP: checksum", [
        eth(ip4(icmp(8, b"\0" * 8, break_cksum=True), proto=1))], "drop_icmp_checksum"
    yield "ICMP: quotes too little", [eth(ip4(icmp(3, b"\0" * 12), proto=1))], "drop_icmp_quote"
    yield "ICMPv6: checksum", [
        eth(ip6(icmp(128, b"\0" * 8, 6, break_cksum=True), 58), 0x86DD)], "drop_icmp_checksum"
    yield "ND: through a router", [
        solicitation(b"\1\1" + OUR_MAC, hop_limit=64)], "drop_nd_hop_limit"
    yield "ND: option of length 0", [solicitation(b"\1\0" + OUR_MAC)], "drop_nd_option"
    yield "ND: option past the end", [solicitation(b"\1\2" + OUR_MAC)], "drop_nd_option"
    yield "ARP: cut off", [eth(arp()[:20], 0x0806)], "drop_arp_short"
    yield "ARP: no Ethernet", [eth(arp(hardware=6), 0x0806)], "drop_arp_format"
    yield "ARP: operation 9", [eth(arp(operation=9), 0x0806)], "drop_arp_format"


def counters():
    found = {}

    def walk(value):
        for k, v in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(v, (dict, list)):
                walk(v)
            elif isinstance(v, int) and isinstance(k, str):
                found[k] = found.get(k, 0) + v

    walk(json.loads(subprocess.check_output([TERN, "stats", "--json"])))
    return found


def check_cases(raw):
    failures = 0
    for what, frames, counter in cases():
        before = counters()
        if counter not in before:
            print("no counter", counter)
            failures += 1
            continue
        for frame in frames:
            raw.send(frame)
        deadline = time.monotonic() + 3
        while True:
            after = counters()
            rise = after[counter] - before[counter]
            if rise >= len(frames) or time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if rise != len(frames):
            moved = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
            print("FAILED: %s: %s rose by %d instead of %d; moved: %s" %
                  (what, counter, rise, len(frames), moved))
            failures += 1
        else:
            print("%-36s %s" % (what, counter))
    return failures


def mutate(raw, n):
    """Frames with bytes changed or cut at random: nothing but survival is expected of them."""
    rng = random.Random(SEED)
    seeds = [frame for _, frames, _ in cases() for frame in frames]
    seeds += [eth(ip4(tcp(options=b"\2\4\5\xb4\1\3\3\7\4\2\1\1"))), eth(ip6(tcp(6)), 0x86DD),
              eth(arp(), 0x0806), solicitation(b"\1\1" + OUR_MAC)]
    for i in range(n):
        frame = bytearray(rng.choice(seeds))
        for _ in range(rng.randrange(1, 6)):
            frame[rng.randrange(12, len(frame))] = rng.randrange(256)
        if rng.randrange(4) == 0:
            del frame[rng.randrange(14, len(frame)):]
        while True:
            try:
                raw.send(frame)
                break
            except OSError:
                time.sleep(0.001)
        if i % 500 == 0:
            time.sleep(0.02)
    print("%d frames changed at random, seed %d" % (n, SEED))


def settle():
    """Waits until all that was sent has been worked through."""
    before, now = -1, counters()["frames_in"]
    while before != now:
        time.sleep(0.5)
        before, now = now, counters()["frames_in"]


if len(sys.argv) != 4:
    sys.exit(__doc__)
TERN, THEIR_MAC = sys.argv[1], bytes.fromhex(sys.argv[3].replace(":", ""))
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw_socket:
    raw_socket.bind((sys.argv[2], 0))
    bad = check_cases(raw_socket)
    mutate(raw_socket, 20000)
    settle()
    bad += check_cases(raw_socket)
sys.exit(1 if bad else 0)
