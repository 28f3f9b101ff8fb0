#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Many connections: 10,000 one after the other, 1,000 open at once.
. "$(dirname "$0")/interop.sh"
tern_up

expect client sequential "$HOST4" 80 10000
expect client sequential "$HOST6" 80 500
# 1,000 open at once: counted by Tern while they are.
client together "$HOST4" 80 1000 >"$tmp/together" &
pid=$!
most=0
while kill -0 $pid 2>/dev/null; do
	now=$("$TERN" ss | grep -c ESTAB)
	[ "$now" -le "$most" ] || most=$now
	sleep 0.02
done
wait $pid || fail "1,000 connections at once: $(cat "$tmp/together")"
cat "$tmp/together"
say "tern ss showed up to $most at once"
expect client together "$HOST4" 80 3000
tern_idle
tern_down
