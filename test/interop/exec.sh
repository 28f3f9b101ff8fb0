#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sockets over exec.
. "$(dirname "$0")/interop.sh"
INHERIT=$BUILD/test/interop/inherit
PORT=5000

no_programs()
{
	[ "$(counter gateway attached)" -eq "$(counter gateway detached)" ]
}

# established N: so many connections are open.
established()
{
	[ "$(connections | grep -c ESTAB)" -eq "$1" ]
}

conf
tern_up
in_ns "$INHERIT" echo 198.18.0.1 $PORT >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"

# A program on libtern that executes itself. What closes on exec has closed.
mkfifo "$tmp/go"
: >"$tmp/said"
"$INHERIT" exec 198.18.0.1 $PORT <"$tmp/go" >"$tmp/said" &
program=$!
exec 7>"$tmp/go"
wait_for 20 grep -q executed "$tmp/said" || fail "the next image does not go on"
wait_for 5 established 2 || fail "a socket that closes on exec is open: $(connections)"
echo >&7
exec 7>&-
wait "$program" || fail "the program ended with status $?"
wait_for 10 no_programs || fail "programs are still attached"
tern_idle

# What the environment says is not believed.
for lie in 0:1 5:6 -1:-1 99999999999:3 x: 3:4:5; do
	TERN_HANDOVER=$lie expect "$INHERIT" deep 198.18.0.1 $PORT
done
kill "$echo_server"
tern_down
