#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sockets over fork: what children inherit, in the middle of whatever their parent's threads do.
. "$(dirname "$0")/interop.sh"
INHERIT=$BUILD/test/interop/inherit
PORT=5000

no_programs()
{
	[ "$(counter gateway attached)" -eq "$(counter gateway detached)" ]
}

conf
tern_up
in_ns "$INHERIT" echo 198.18.0.1 $PORT >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"

for case in slots unread threads handlers deep; do
	expect "$INHERIT" $case 198.18.0.1 $PORT
done
wait_for 10 no_programs || fail "programs are still attached"
tern_idle

# One program is all that ternd allows: no child can have a share.
tern_down
sed -i 's/^\[limits\]/&\nprograms = 1/' "$tmp/ternd.conf"
tern_up
said=$("$INHERIT" refused 198.18.0.1 $PORT) || fail "refused: status $?"
[ "$said" = refused ] || fail "the child has said: $said"
grep -q "its sockets cannot be shared" "$log" || fail "ternd does not tell of it"
wait_for 10 no_programs || fail "programs are still attached"
tern_idle
kill "$echo_server"
tern_down
