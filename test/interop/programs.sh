#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs outside ternd, on libtern: servers for Linux clients and clients of a Linux server, with fork
# and poll; ends of programs, and of ternd, that nobody announces.
. "$(dirname "$0")/interop.sh"
PROGRAM=$BUILD/test/interop/program
MIB=$((1024 * 1024))

# server ARGUMENTS…: starts a program and waits until it listens; $server is its process.
server()
{
	: >"$tmp/server" # what the one before said must not be taken for its word
	"$@" >"$tmp/server" &
	server=$!
	wait_for 20 grep -q listening "$tmp/server" || fail "$* does not listen"
}

# reap: the server must end by itself, with status 0.
reap()
{
	wait "$server" || fail "the server ended with status $?"
}

no_programs()
{
	[ "$(counter gateway attached)" -eq "$(counter gateway detached)" ]
}

conf
tern_up

# Without a listener, and without a ternd.
expect "$PROGRAM" refused 198.18.0.1 5999
! TERN_SOCKET=$tmp/none.sock "$PROGRAM" refused 198.18.0.1 5999 2>/dev/null || fail "a program runs without ternd"

# Calls that none of the programs below makes, on a connection to a service.
expect "$BUILD/test/interop/calls" "$HOST4" 7

# A child for each connection.
server "$PROGRAM" fork 5000 4
for host in "$HOST4" "$HOST6"; do
	expect client echo "$host" 5000 $((3 * MIB))
	expect client echo "$host" 5000 1
done
reap

# A port is one program's, or one service's.
server "$PROGRAM" poll 5007 1
for port in 5007 80; do
	! "$PROGRAM" poll $port 1 >"$tmp/second" 2>&1 || fail "two listen on port $port"
	expect grep -q "Address already in use" "$tmp/second"
done
expect client echo "$HOST4" 5007 1
reap

# Reading in place.
server "$PROGRAM" inplace 5006 3
expect client echo "$HOST4" 5006 $((3 * MIB))
expect client echo "$HOST6" 5006 1
expect client echo "$HOST6" 5006 $((3 * MIB))
reap

# Many connections at once.
port=5010
for way in poll epoll edge; do
	port=$((port + 1))
	server "$PROGRAM" $way $port 21
	pids=
	for i in $(seq 20); do
		client echo "$HOST4" $port $((i * 30000)) >/dev/null &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || fail "$way: a client of 20"
	done
	expect client echo "$HOST6" $port $((3 * MIB))
	reap
done

# Clients: one process reads, its child writes.
server in_ns "$PROGRAM" linux-echo 198.18.0.1 5002 2
expect "$PROGRAM" send 198.18.0.1 5002 1
expect "$PROGRAM" send 198.18.0.1 5002 $((3 * MIB))
reap
server in_ns "$PROGRAM" linux-echo 2001:db8:18::1 5003 1
expect "$PROGRAM" send 2001:db8:18::1 5003 $((3 * MIB))
reap
wait_for 10 no_programs || fail "programs are still attached"

# Ends that nobody announces: the peers hear of it, and nothing is left.
server in_ns "$PROGRAM" linux-echo 198.18.0.1 5004 10
for i in $(seq 10); do
	: >"$tmp/hold"
	"$PROGRAM" hold 198.18.0.1 5004 >"$tmp/hold" &
	wait_for 20 grep -q connected "$tmp/hold" || fail "no connection to hold"
	kill -KILL $!
done
reap
wait_for 10 no_programs || fail "killed programs are still attached"
tern_idle

# ternd ends without a word: programs get an error and the end, and do not hang.
: >"$tmp/server"
in_ns "$PROGRAM" linux-echo 198.18.0.1 5005 1 >"$tmp/server" &
wait_for 20 grep -q listening "$tmp/server" || fail "no echo on Linux"
"$PROGRAM" orphan 198.18.0.1 5005 >"$tmp/orphan" &
orphan=$!
wait_for 20 grep -q connected "$tmp/orphan" || fail "no connection for an orphan"
kill -KILL "$ternd_pid"
wait "$orphan" || fail "a program whose ternd has gone ended with status $?"
ternd_stop
