#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The Linux side's link goes down and comes back: a transfer under way survives, and so does ternd.
. "$(dirname "$0")/interop.sh"
tern_up

client echo "$HOST4" 7 $((600 * 1024 * 1024)) >"$tmp/echo" 2>&1 &
pid=$!
sleep 0.5
for _ in 1 2 3; do
	in_ns ip link set "$TAP" down
	sleep 0.3
	in_ns ip link set "$TAP" up
	# Linux forgets IPv6 addresses of an interface that goes down.
	in_ns ip address replace 2001:db8:18::1/64 dev "$TAP" nodad
	sleep 0.5
done
kill -0 $pid 2>/dev/null || say "note: the transfer ended before the last interruption"
wait $pid || fail "the transfer did not survive: $(cat "$tmp/echo")"
cat "$tmp/echo"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
wait_for 10 in_ns curl -gsf --max-time 10 -o /dev/null "http://[$HOST6]/" || fail "IPv6 does not come back"
tern_idle
tern_down
