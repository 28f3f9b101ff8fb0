#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Packets of a net_tap come without a signal for each (dataplane/port_tap.h): no descriptor of the device asks for
# signals, and packets wake nobody but the lane. With signals the main thread runs once for each.
. "$(dirname "$0")/interop.sh"

# Context switches of ternd's main thread.
main_switches()
{
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$ternd_pid/task/$ternd_pid/status"
}

for lanes in 1 2; do
	conf idle=adaptive lanes=$lanes
	tern_up
	found=0
	for fd in "/proc/$ternd_pid/fd/"*; do
		[ "$(readlink "$fd")" = /dev/net/tun ] || continue
		found=$((found + 1))
		flags=$(awk '$1 == "flags:" { print $2 }' "/proc/$ternd_pid/fdinfo/${fd##*/}")
		[ $((flags & 020000)) -eq 0 ] || fail "descriptor ${fd##*/} asks for signals (flags $flags)"
	done
	[ $found -ge "$lanes" ] || fail "$found descriptors of /dev/net/tun"
	frames=$(counter loop frames_in)
	switches=$(main_switches)
	for i in 1 2 3 4 5; do
		expect client echo "$HOST4" 7 1000000
	done
	switches=$(($(main_switches) - switches))
	frames=$(($(counter loop frames_in) - frames))
	say "$lanes lane(s): $frames frames, $switches switches of the main thread"
	[ $frames -gt 2000 ] || fail "$frames frames came"
	[ $switches -lt $((frames / 20)) ] || fail "packets wake the main thread"
	tern_idle
	tern_down
done
