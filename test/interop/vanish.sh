#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A client that disappears without FIN is timed out, with data in flight and without; one that stays
# but says nothing is closed by the idle time-out.
. "$(dirname "$0")/interop.sh"
conf user_timeout=4 idle_timeout=6
tern_up

# Silent, but there.
expect client idle "$HOST4" 80 15

# Gone while a download is under way: whatever the client sends is thrown away from now on, and its
# end with it.
timeouts=$(counter tcp timeouts)
client stuck "$HOST4" 80 4000000000 >"$tmp/stuck" &
wait_for 10 grep -q connected "$tmp/stuck" || fail "no download to cut"
client stuck "$HOST6" 80 4000000000 >"$tmp/stuck6" &
wait_for 10 grep -q connected "$tmp/stuck6" || fail "no download to cut over IPv6"
[ "$(connections | grep -c ESTAB)" -eq 2 ] || fail "not two connections: $(connections)"
in_ns ip route add blackhole "$HOST4/32"
in_ns ip -6 route add blackhole "$HOST6/128"
for pid in $(ip netns pids "$NS"); do
	[ "$(cat "/proc/$pid/comm")" != client ] || kill -KILL "$pid"
done
wait_for 30 no_connections || fail "still there: $(connections)"
[ "$(counter tcp timeouts)" -ge $((timeouts + 2)) ] || fail "timeouts counted: $(counter tcp timeouts), before $timeouts"

in_ns ip route del blackhole "$HOST4/32"
in_ns ip -6 route del blackhole "$HOST6/128"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
tern_idle
tern_down
