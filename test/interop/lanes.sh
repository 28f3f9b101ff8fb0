#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two lanes, a net_tap of two queues: services answer on both, and a program, whose sockets are on the
# first, gets what the device brings to the second. Short: both lanes poll.
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

conf lanes=2
tern_up
for host in "$HOST4" "$HOST6"; do
	expect in_ns ping -c 3 -i 0.2 -W 5 -q "$host" >/dev/null
	expect client sequential "$host" 80 40
done
for lane in 0 1; do
	[ "$(of_lane $lane service accepted)" -gt 0 ] || fail "lane $lane's services were not asked"
done

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
[ "$(of_lane 0 loop handed_in)" -eq "$(of_lane 1 loop handed_out)" ] || fail "packets went lost between lanes"

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
