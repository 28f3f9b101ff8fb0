#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern bench flood: Linux receives every segment that ternd says it has sent, each of another flow and with right
# checksums, and answers; then the mistakes that one makes with it.
. "$(dirname "$0")/interop.sh"

conf
printf '[service bench]\n' >>"$tmp/ternd.conf"
tern_up
# All that Linux answers at once has room.
in_ns ip link set "$TAP" txqueuelen 10000

# What arrives at port 99 or 98 until it is told to end, by kind, and what Linux's TCP counted meanwhile.
cat >"$tmp/capture.py" <<'END'
import json, socket, struct, sys

def counters():
    lines = [line.split() for line in open("/proc/self/net/snmp") if line.startswith("Tcp:")]
    return dict(zip(lines[0][1:], map(int, lines[1][1:])))

def total(data):
    data += b"\0" * (len(data) % 2)
    n = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while n >> 16:
        n = (n & 0xFFFF) + (n >> 16)
    return n

sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
sock.bind((sys.argv[1], 0))
before = counters()
print("listening", flush=True)
sys.stdin.read()
after = counters()
sock.setblocking(False)
flows, seen, bad, flags, sizes, sources = set(), 0, 0, set(), set(), set()
while True:
    try:
        data, address = sock.recvfrom(65536)
    except BlockingIOError:
        break
    if address[2] == socket.PACKET_OUTGOING:
        continue
    kind, ip = data[12:14], data[14:]
    if kind == b"\x08\x00" and ip[9] == 6:
        tcp, ends = ip[(ip[0] & 15) * 4 : struct.unpack("!H", ip[2:4])[0]], ip[12:20]
        bad += total(ip[:20]) != 0xFFFF
    elif kind == b"\x86\xdd" and ip[6] == 6:
        tcp, ends = ip[40 : 40 + struct.unpack("!H", ip[4:6])[0]], ip[8:40]
    else:
        continue
    if struct.unpack("!H", tcp[2:4])[0] not in (98, 99) or tcp[13] & 4: # our engine's resets
        continue
    seen += 1
    bad += total(ends + struct.pack("!HH", 6, len(tcp)) + tcp) != 0xFFFF
    flows.add((ends, tcp[:4]))
    flags.add(tcp[13])
    sizes.add(len(tcp) - 20)
    sources.add(socket.inet_ntop(socket.AF_INET if len(ends) == 8 else socket.AF_INET6, ends[: len(ends) // 2]))
print(json.dumps({"seen": seen, "flows": len(flows), "bad": bad, "flags": sorted(flags), "sizes": sorted(sizes),
    "sources": len(sources), "source": min(sources, default=""), "rsts": after["OutRsts"] - before["OutRsts"],
    "errors": after["InErrs"] - before["InErrs"]}))
END

# flood ARGUMENT…: its JSON is in $tmp/json, what Linux saw of it in $tmp/seen.
flood()
{
	local capture
	rm -f "$tmp/out" # what the capture before said
	mkfifo "$tmp/in"
	ip netns exec "$NS" python3 "$tmp/capture.py" "$TAP" <"$tmp/in" >"$tmp/out" &
	capture=$!
	exec 7>"$tmp/in"
	wait_for 20 grep -qs listening "$tmp/out" || fail "the capture does not start"
	timeout 30 "$TERN" bench flood --seconds 0.5 --rate 2000 "$@" --json >"$tmp/json" ||
		fail "tern bench flood $* (status $?)"
	exec 7>&-
	wait "$capture" || fail "the capture fails"
	rm "$tmp/in"
	sed 1d "$tmp/out" >"$tmp/seen"
	say "$*: $(tr -d '\n' <"$tmp/json" | cut -c 1-700) Linux: $(cat "$tmp/seen")"
}

# good EXPRESSION: it holds for the result r and what Linux has seen, s.
good()
{
	python3 -c 'import json, sys
r, s = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
sys.exit(0 if eval(sys.argv[3]) else 1)' "$tmp/json" "$tmp/seen" "$1" || fail "not $1"
}

# arrived FLAGS SIZE: 1000 have left, or as many as a busy machine had time for; and all of them arrived.
arrived()
{
	good 'r["frames_lost"] == 0 and 0 < r["segments"] <= 1000'
	good 's["seen"] == s["flows"] == r["segments"] and s["bad"] == s["errors"] == 0'
	good "s['flags'] == [$1] and s['sizes'] == [$2]"
}

# Nobody has such connections, and nobody listens: each is reset. What comes back after the end is not counted.
flood 198.18.0.1:99
arrived 2 0
good 's["rsts"] == r["segments"] and s["rsts"] >= r["rsts"] > 0 and r["synacks"] == r["others"] == 0'
flood 198.18.0.1:99 --segments ack
arrived 16 0
good 's["rsts"] == r["segments"] and s["rsts"] >= r["rsts"] > 0'
flood 198.18.0.1:99 --segments data --size 1001
arrived 24 1001
good 's["rsts"] == r["segments"] and s["rsts"] >= r["rsts"] > 0'
flood '[2001:db8:18::1]:99'
arrived 2 0
good 's["rsts"] == r["segments"] and s["rsts"] >= r["rsts"] > 0'

# Flows in turn; and from addresses that are not ours.
flood 198.18.0.1:99 --flows 10
good 's["seen"] == r["segments"] >= 10 and s["flows"] == 10'
flood 198.18.0.1:99 --from 10.1.0.0/16 --flows 100000
arrived 2 0
good 's["sources"] == s["seen"] and s["source"] == "10.1.0.1" and r["rsts"] == 0'

# A listener's connections stay half open while it lasts; what Linux sends again of them afterwards is reset.
ip netns exec "$NS" python3 -c 'import signal, socket
s = socket.create_server(("198.18.0.1", 98), backlog=2000)
print("listening", flush=True)
signal.pause()' >"$tmp/listener" &
listener=$!
wait_for 20 grep -q listening "$tmp/listener" || fail "the listener does not start"
flood 198.18.0.1:98
arrived 2 0
good '0 < r["synacks"] <= r["segments"] and r["rsts"] == r["others"] == 0'
no_half_open()
{
	[ -z "$(in_ns ss -Htn state syn-recv)" ]
}
wait_for 30 no_half_open || fail "half-open connections are left"
kill "$listener"
wait "$listener" 2>/dev/null

# wrong STATUS TEXT ARGUMENT…: the tool ends with the status, and says the text.
wrong()
{
	local status=$1 text=$2 got=0
	shift 2
	timeout 30 "$TERN" bench flood --seconds 10 "$@" >"$tmp/said" 2>&1 || got=$?
	[ "$got" = "$status" ] || fail "tern bench flood $*: status $got: $(cat "$tmp/said")"
	grep -qF -- "$text" "$tmp/said" || fail "tern bench flood $*: said $(cat "$tmp/said")"
}
wrong 2 "no server given"
wrong 2 "needs the port" 198.18.0.1
wrong 2 "needs the port" 2001:db8:18::1
wrong 2 "say --flows" 198.18.0.1:99 -n 5
wrong 2 "unknown kind of segments" 198.18.0.1:99 --segments fin
wrong 2 "--size is of --segments data" 198.18.0.1:99 --size 5
wrong 1 "ADDRESS:PORT" 198.18.0.300:99
wrong 1 "No route to host" 198.18.0.99:99
wrong 1 "Network is unreachable" 192.0.2.1:99
wrong 1 "address of the ternd" "$HOST4:99"
wrong 1 "larger than the MTU" 198.18.0.1:99 --segments data --size 1461
wrong 1 "need more source addresses" 198.18.0.1:99 --flows 40000
wrong 1 "the sources are no prefix" 198.18.0.1:99 --from 10.0.0.1/8
wrong 1 "the sources are no prefix" 198.18.0.1:99 --from here
wrong 1 "the target is among the sources" 198.18.0.1:99 --from 198.18.0.0/24
wrong 1 "no host has such source addresses" 198.18.0.1:99 --from 224.0.0.0/8
wrong 1 "of another family" 198.18.0.1:99 --from 2001:db8::/64

tern_idle
tern_down
