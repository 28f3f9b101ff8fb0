#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern bench local: lanes that generate load and lanes that serve, in one ternd, with a memif, a vhost-user socket or
# rings between.
. "$(dirname "$0")/interop.sh"

# bench WORKLOAD ARGUMENT…: its JSON is in $tmp/json, the socket of its ternd in $tmp/sockets.
bench()
{
	# shellcheck disable=SC2016
	timeout 50 sh -c 'echo "/run/tern/bench-$$.sock" >>"$0"; exec "$@"' "$tmp/sockets" \
		"$TERN" bench local "$@" --warmup 0.2 --seconds 0.5 --json >"$tmp/json" 2>"$tmp/said" ||
		fail "tern bench local $* (status $?): $(cat "$tmp/said")"
	! grep -q 'ended by signal' "$tmp/said" || fail "tern bench local $*: $(cat "$tmp/said")"
	say "$1: $(tr -d '\n' <"$tmp/json" | cut -c 1-600)"
}

# good EXPRESSION: it holds for the result r.
good()
{
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if r["errors"] == 0 and eval(sys.argv[2]) else 1)' "$tmp/json" "$1" || fail "not $1"
}

bench rr --size 1024 -n 32
good 'r["requests"] > 0 and r["bytes_in"] >= 1024 * (r["requests"] - 32) and r["most_open"] == 32'
bench crr -n 8
good 'r["requests"] > 0 and r["connects"] > 0'
# TIME-WAIT keeps the ports of this side: one of the server's would be used up on a fast machine.
bench crr -n 8 --close client --ports 8
good 'r["requests"] > 0 and r["connects"] > 0'
bench fastopen -n 8
good 'r["requests"] > 0 and r["syn_data"] > 0.8 * r["connects"] and r["cookies_asked"] == 0'
for way in up down both; do
	bench stream --direction $way -n 2
	good "r['bytes_out'] > 0 or '$way' == 'down'"
	good "r['bytes_in'] > 0 or '$way' == 'up'"
done
# A larger MTU: by the bytes of a packet, acknowledgments among them.
bench stream --mtu 9000
good 'r["bytes_out"] > 4000 * (r["frames_out"] + r["frames_in"])'
# The other devices; and two pairs, whose four lanes take turns where there are fewer processors.
for device in virtio ring; do
	bench stream --over $device --mtu 9000
	good 'r["bytes_out"] > 4000 * (r["frames_out"] + r["frames_in"])'
	bench rr --over $device --lanes 2 -n 64
	good 'r["lanes"] == 2 and r["most_open"] == 64 and r["requests"] > 0'
done
bench idle -n 3000
good 'r["most_open"] == 3000'
# Segments without connections: what left, what the server made of it, and what came back.
bench flood --rate 10000
good 'r["segments"] > 500 and r["victim"]["segs_in"] > 400 and r["synacks"] > 400 and r["rsts"] == 0'
bench flood --segments data --size 1000 --over ring --lanes 2 --rate 10000
good 'r["lanes"] == 2 and r["segments"] > 500 and r["victim"]["rsts_out"] > 400 and r["rsts"] > 400'

while read -r socket; do
	[ ! -e "$socket" ] || fail "$socket is left behind"
done <"$tmp/sockets"
