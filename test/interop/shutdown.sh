#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SIGTERM and SIGINT end ternd in order, idle and under load: status 0, peers are told, nothing is left.
. "$(dirname "$0")/interop.sh"

left_behind()
{
	[ ! -e "$TERN_SOCKET" ] || fail "$TERN_SOCKET is left behind"
	[ ! -e "/run/dpdk/$NAME" ] && [ ! -e "/var/run/dpdk/$NAME" ] || ls -A "/var/run/dpdk/$NAME"
	if in_ns ip link show "$TAP" 2>/dev/null; then
		fail "interface $TAP is left behind"
	fi
	! ls /dev/hugepages/*"$NAME"* 2>/dev/null || fail "huge page files are left behind"
}

for signal in TERM INT; do
	for load in idle busy; do
		tern_up
		if [ $load = busy ]; then
			: >"$tmp/stuck"
			client stuck "$HOST4" 80 4000000000 >"$tmp/stuck" &
			wait_for 10 grep -q connected "$tmp/stuck" || fail "no load"
			in_ns wrk -t 1 -c 16 -d 5s "http://$HOST4/" >/dev/null 2>&1 &
			sleep 1
		fi
		kill -"$signal" "$ternd_pid"
		wait_for 15 ternd_gone || fail "SIG$signal, $load: still running after 15 seconds"
		ternd_reap
		[ "$ternd_status" -eq 0 ] || fail "SIG$signal, $load: status $ternd_status"
		left_behind
		for pid in $(ip netns pids "$NS"); do
			kill -KILL "$pid"
		done
		wait
		say "SIG$signal, $load: ended in order"
	done
done
