#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs of one ternd talk to each other, and to its services, through its own addresses; nothing of it
# gets to the port.
. "$(dirname "$0")/interop.sh"
LOOPBACK=$BUILD/test/interop/loopback
GIB=$((1024 * 1024 * 1024))
MAPPED=::ffff:$HOST4

# server ARGUMENTS…: starts a program and waits until it listens; $server is its process.
server()
{
	: >"$tmp/server"
	"$@" >"$tmp/server" &
	server=$!
	wait_for 20 grep -q listening "$tmp/server" || fail "$* does not listen"
}

reap()
{
	wait "$server" || fail "the server ended with status $?"
}

# Frames that the kernel has seen of Tern.
frames()
{
	in_ns cat "/sys/class/net/$TAP/statistics/rx_packets"
}

conf
tern_up
sleep 4 # announcements of our addresses: so much for frames of our own accord

port=5990
for host in "$HOST4" "$HOST6" "$MAPPED"; do
	port=$((port + 1)) # the one before is in TIME-WAIT
	expect "$LOOPBACK" refused "$host" 5999
	expect "$LOOPBACK" self "$host" $port
	server "$LOOPBACK" serve 5000 3 1000
	for i in 1 2 3; do
		expect "$LOOPBACK" send "$host" 5000 1000
	done
	reap
done

before=$(frames)
for host in "$HOST4" "$HOST6"; do
	start=$(date +%s.%N)
	server "$LOOPBACK" serve 5001 1 $GIB
	expect "$LOOPBACK" send "$host" 5001 $GIB
	reap
	say "1 GiB to $host in $(awk -v a="$start" -v b="$(date +%s.%N)" 'BEGIN { printf "%.1f", b - a }') s"
done
# 2 GiB went through ternd: what the port saw is at most a neighbour's question or two.
seen=$(($(frames) - before))
[ $seen -lt 20 ] || fail "the port saw $seen frames of what stays inside"
[ "$(counter net looped)" -gt 10000 ] || fail "nothing was looped"

# A service in the lane, from a program; and a program's port, which is a service's.
expect "$BUILD/test/interop/program" send "$HOST4" 7 300000
expect "$BUILD/test/interop/program" send "$HOST6" 7 300000
expect "$LOOPBACK" taken 80

# Many at once, small and large.
server "$LOOPBACK" serve 5002 40 100000
pids=
for i in $(seq 40); do
	"$LOOPBACK" send "$([ $((i % 2)) = 0 ] && say "$HOST4" || say "$HOST6")" 5002 100000 &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || fail "one of 40 clients"
done
reap

# Unmodified programs, both on this ternd.
"$TERN" run -- redis-server --port 6379 --bind "$HOST4" "$HOST6" --save '' --protected-mode no \
	>"$tmp/redis" 2>&1 &
server=$!
answers()
{
	[ "$(timeout 5 "$TERN" run -- redis-cli -h "$HOST4" ping)" = PONG ]
}
wait_for 20 answers || fail "redis-server does not answer: $(cat "$tmp/redis")"
for host in "$HOST4" "$HOST6"; do
	timeout 60 "$TERN" run -- redis-benchmark -h "$host" -n 20000 -c 20 -t ping,set,get,lrange_100 --csv \
		>"$tmp/benchmark" 2>&1 || fail "redis-benchmark: $(cat "$tmp/benchmark")"
	[ "$(grep -c '^"[A-Z]' "$tmp/benchmark")" -ge 5 ] || fail "redis-benchmark said: $(cat "$tmp/benchmark")"
done
kill "$server"
wait "$server" || fail "redis-server ended with status $?: $(tail -n 5 "$tmp/redis")"

# What comes from outside in our own name is dropped: RFC 1122's martians.
station=$(in_ns ip neigh show "$HOST4" | awk '{ for (i = 1; i < NF; i++) if ($i == "lladdr") print $(i + 1) }')
before=$(counter net drop_ip_source)
in_ns /usr/bin/python3 - "$HOST4" "$HOST6" "$TAP" "$station" <<'END' || fail "cannot send packets"
import socket, struct, sys
ours4, ours6, interface, station = sys.argv[1:]
mac = bytes.fromhex(station.replace(":", ""))
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sock.bind((interface, 0))
ip4, ip6 = socket.inet_aton(ours4), socket.inet_pton(socket.AF_INET6, ours6)
header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, ip4, ip4)
total = sum(struct.unpack("!10H", header))
total = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
header = header[:10] + struct.pack("!H", total) + header[12:]
syn = struct.pack("!HHIIBBHHH", 80, 80, 1, 0, 0x50, 2, 1000, 0, 0)
for _ in range(10):
    sock.send(mac + b"\x02\0\0\0\0\1" + b"\x08\x00" + header + syn)
    sock.send(mac + b"\x02\0\0\0\0\1" + b"\x86\xdd" + struct.pack("!IHBB", 6 << 28, 20, 6, 64) + ip6 + ip6 + syn)
END
martians_dropped()
{
	[ "$(counter net drop_ip_source)" -eq $((before + 20)) ]
}
wait_for 5 martians_dropped || fail "packets in our own name are not dropped"
tern_idle
tern_down
