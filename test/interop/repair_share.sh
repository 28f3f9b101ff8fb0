#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sockets in repair, and who has them: over fork, over exec, in a set of epoll's, by one who is killed; that nothing waits
# there; who may; and how `tern ss` shows them.
. "$(dirname "$0")/interop.sh"
SHARE=$BUILD/test/interop/repair_share
PORT=5000

conf
sed -i "s/^\[limits\]/[programs]\nrepair_group = daemon\n\n&/" "$tmp/ternd.conf"
tern_up
in_ns "$BUILD/test/interop/inherit" echo 198.18.0.1 $PORT >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"

for case in fork exec epoll waits; do
	expect timeout 40 "$SHARE" $case 198.18.0.1 $PORT
done

# Killed: its peer hears nothing, and goes on waiting.
port=$(timeout 40 "$SHARE" killed 198.18.0.1 $PORT 2>&1)
[ $? = 137 ] || fail "it was not killed"
mute()
{
	"$TERN" ss -aoH state mute sport = ":$port" | grep -q '^MUTE.*timer:(mute,'
}
wait_for 5 mute || fail "no mute address: $("$TERN" ss -aoH)"
in_ns ss -tnH state established "dport = :$port" | grep -q ":$port" || fail "its peer has heard of it"

# By another user: refused, but for a member of the group, be it by his first group or another.
as()
{
	timeout 40 setpriv --reuid 65534 "$@" "$SHARE" fork 198.18.0.1 $PORT 2>&1
}
chmod o+rw "$TERN_SOCKET"
chmod o+x "$tmp" 2>/dev/null
as --regid 65534 --clear-groups | grep -q "Operation not permitted" || fail "anybody may repair"
as --regid 65534 --groups 1 | grep -q "went on" || fail "a member may not: $(as --regid 65534 --groups 1)"
as --regid 1 --clear-groups | grep -q "went on" || fail "the group may not: $(as --regid 1 --clear-groups)"
kill "$echo_server"
tern_down
