#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs that confine themselves: to a folder, a user without rights, the descriptors they have, and a few
# system calls. First on the kernel, where they must work, too.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"
CONFINED=$BUILD/test/interop/confined
INHERIT=$BUILD/test/interop/inherit
mkdir "$tmp/empty"

listens_on_linux()
{
	[ -n "$(in_ns ss -tlnH "sport = :$1")" ]
}

conf
tern_up
in_ns "$INHERIT" echo 198.18.0.1 5000 >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"
expect in_ns "$CONFINED" connect 198.18.0.1 5000 "$tmp/empty"
expect on_tern "$CONFINED" connect 198.18.0.1 5000 "$tmp/empty"

in_ns "$CONFINED" serve 5001 2 &
server=$!
wait_for 10 listens_on_linux 5001 || fail "it does not listen on Linux"
expect "$TERN" run -- "$CLIENT" echo 198.18.0.1 5001 1000000
expect "$TERN" run -- "$CLIENT" echo 198.18.0.1 5001 1
wait $server || fail "confined on Linux: status $?"

serve 5002 "$CONFINED" serve 5002 2
expect client echo "$HOST4" 5002 1000000
expect client echo "$HOST4" 5002 1
wait "$server" || fail "confined: $(cat "$tmp/server.log")"
kill "$echo_server"
wait_for 10 no_programs || fail "programs are still attached"
tern_idle
tern_down
