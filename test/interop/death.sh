#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ends that nobody announces. Programs are killed under load, a hundred times: peers hear of it, nothing
# is left, and another program's transfer goes on. Then ternd is killed: no program hangs.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"
PROGRAM=$BUILD/test/interop/program
DEATH=$BUILD/test/interop/death

conf
tern_up
in_ns "$BUILD/test/interop/inherit" echo 198.18.0.1 5000 >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"

# The other program: one connection after the other, each with all its bytes.
(
	while [ ! -e "$tmp/enough" ]; do
		"$PROGRAM" send 198.18.0.1 5000 2000000 || exit 1
		echo done >>"$tmp/transfers"
	done
) &
transfers=$!
expect in_ns "$DEATH" servers 100 "$HOST4" 5001 "$PROGRAM" poll 5001 1000
touch "$tmp/enough"
wait "$transfers" || fail "the other program has noticed"
[ "$(wc -l <"$tmp/transfers")" -ge 3 ] || fail "the other program has hardly run"
wait_for 10 no_programs || fail "killed programs are still attached"
tern_idle
opened=$(($(counter gateway opened) + $(counter gateway accepted)))
[ "$opened" -ge 500 ] || fail "no more than $opened sockets were opened"
[ "$opened" -eq "$(counter gateway closed)" ] || fail "$opened sockets were opened, $(counter gateway closed) closed"
[ "$(counter gateway faults)" -eq 0 ] || fail "ternd takes a program that was killed for a bad one"

: >"$tmp/said"
on_tern "$DEATH" waits 198.18.0.1 5000 "$HOST4" 198.18.0.99 >"$tmp/said" &
waits=$!
wait_for 20 grep -q waiting "$tmp/said" || fail "no program waits"
kill -KILL "$ternd_pid"
wait "$waits" || fail "a program whose ternd was killed ended with status $?"
kill "$echo_server"
ternd_stop
