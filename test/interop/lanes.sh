#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two lanes, a net_tap of two queues and then of one: services answer on both, each packet finds the lane
# of its connection, and a program's sockets are on the first. The lanes sleep when they can: who hands
# something over must ring.
. "$(dirname "$0")/interop.sh"
PROGRAM=$BUILD/test/interop/program
LOOPBACK=$BUILD/test/interop/loopback

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

# of_lane LANE GROUP NAME: a counter of one lane.
of_lane()
{
	"$TERN" stats --json | /usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)["lanes"][int(sys.argv[1])][sys.argv[2]][sys.argv[3]])' "$@"
}

# requests: both lanes' services answer, both families.
requests()
{
	local host lane
	for host in "$HOST4" "$HOST6"; do
		expect in_ns ping -c 3 -i 0.2 -W 5 -q "$host" >/dev/null
		expect client sequential "$host" 80 40
	done
	for lane in 0 1; do
		[ "$(of_lane $lane service accepted)" -gt 10 ] || fail "lane $lane's services were hardly asked"
	done
}

# agree: what left a lane came to the other.
agree()
{
	local lane
	for lane in 0 1; do
		[ "$(of_lane $lane loop handed_in)" -eq "$(of_lane $((1 - lane)) loop handed_out)" ] ||
			fail "packets went lost between lanes"
		[ "$(of_lane $lane loop frames_handed_in)" -eq "$(of_lane $((1 - lane)) loop frames_handed_out)" ] ||
			fail "frames went lost between lanes"
	done
}

conf lanes=2
tern_up
requests

# A program serves: whichever queue a connection comes to.
server "$PROGRAM" epoll 5000 200
pids=
for i in $(seq 10); do
	(for n in $(seq 10); do
		client echo "$HOST4" 5000 $((n * 3000)) >/dev/null && client echo "$HOST6" 5000 1 >/dev/null || exit 1
	done) &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || fail "a client of the program"
done
reap
[ "$(of_lane 1 loop handed_out)" -gt 0 ] || fail "the second lane had nothing to hand over"
agree

# It connects.
server in_ns "$PROGRAM" linux-echo 198.18.0.1 5001 30
for i in $(seq 30); do
	expect "$PROGRAM" send 198.18.0.1 5001 3000
done
reap

# Nobody listens; a service's port is taken; programs talk to each other and to services.
expect "$LOOPBACK" taken 80
in_ns "$LOOPBACK" refused "$HOST4" 5999 || fail "not refused"
for i in $(seq 10); do
	! in_ns curl -gsf --max-time 5 -o /dev/null "http://$HOST4:5999/" || fail "somebody listens"
done
server "$LOOPBACK" serve 5002 2 1000000
expect "$LOOPBACK" send "$HOST4" 5002 1000000
expect "$LOOPBACK" send "$HOST6" 5002 1000000
reap
expect "$PROGRAM" send "$HOST4" 7 100000
tern_idle
tern_down
say "a queue for each lane"

# One queue, the first lane's: the second receives and sends by it.
sed -i '/^\[port 0\]/a queues = 1' "$tmp/ternd.conf"
tern_up
requests
server "$PROGRAM" epoll 5000 20
for i in $(seq 10); do
	expect client echo "$HOST4" 5000 30000 >/dev/null
	expect client echo "$HOST6" 5000 1 >/dev/null
done
reap
server in_ns "$PROGRAM" linux-echo 198.18.0.1 5001 10
for i in $(seq 10); do
	expect "$PROGRAM" send 198.18.0.1 5001 3000
done
reap
for i in $(seq 4); do
	expect client echo "$HOST4" 7 1000000 >/dev/null
done
agree
[ "$(of_lane 0 loop handed_out)" -gt 100 ] || fail "the first lane handed nothing over"
[ "$(of_lane 1 loop frames_handed_out)" -gt 100 ] || fail "the second lane sent by itself"
[ "$(of_lane 1 loop frames_in)$(of_lane 1 loop frames_out)" = 00 ] || fail "the second lane has a queue"
tern_idle
tern_down
