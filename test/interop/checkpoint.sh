#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A connection outlives its programs: each checkpoints it in mid-stream and is killed, the next one restores it from the
# file; the last one finishes it. Linux is the peer, checks every byte, and neither sends nor hears a reset. What is no image
# is refused.
. "$(dirname "$0")/interop.sh"
LIVES=$BUILD/test/interop/checkpoint
PORT=5000
MB=1000000

# One program's; how it was killed is told by another shell, to nobody.
life()
{
	bash -c '"$@" >"$0" 2>&1; exit $?' "$tmp/life" timeout 60 "$LIVES" "$@" 2>/dev/null
}

# lives HOST UP DOWN AT...: a program for each AT, and a last one.
lives()
{
	local host=$1 up=$2 down=$3 what=first at pid status
	shift 3
	: >"$tmp/peer" # what the one before said must not be taken for its word
	in_ns "$LIVES" peer "$host" $PORT "$up" "$down" >"$tmp/peer" 2>&1 &
	pid=$!
	wait_for 10 grep -q listening "$tmp/peer" || fail "no peer"
	for at in "$@" 999999999999; do
		if [ $what = first ]; then
			life first "$host" $PORT "$up" "$down" "$at" "$tmp/image"
		else
			life next "$at" "$tmp/image"
		fi
		status=$?
		what=next
		if [ "$at" = 999999999999 ]; then
			[ $status = 0 ] || fail "the last one: status $status: $(cat "$tmp/life")"
		else
			[ $status = 137 ] || fail "until $at: status $status: $(cat "$tmp/life")"
			grep -q "left with" "$tmp/life" || fail "it has not left: $(cat "$tmp/life")"
		fi
	done
	wait $pid || fail "the peer: $(cat "$tmp/peer")"
	grep -q whole "$tmp/peer" || fail "the peer: $(cat "$tmp/peer")"
	say "$host: $up bytes up, $down down, $# lives"
}

# What Linux has heard and said of resets, but to who was in TIME-WAIT.
resets()
{
	in_ns cat /proc/net/snmp | awk -v late="$(late_resets)" '/^Tcp: [0-9]/ { print $9, $15 - late }'
}

conf
tern_up
before=$(resets)
# Neither here nor below is all through and only unread at the last checkpoint: that is no connection any more.
lives 198.18.0.1 $((4 * MB)) $((14 * MB)) $MB $((3 * MB)) $((6 * MB)) $((8 * MB))
lives 2001:db8:18::1 $((4 * MB)) $((4 * MB)) $MB $((3 * MB))
# After the FIN of either side: CLOSE-WAIT, and FIN-WAIT-2.
lives 198.18.0.1 $((6 * MB)) $((MB / 10)) $((2 * MB)) $((4 * MB))
lives 198.18.0.1 $((MB / 10)) $((14 * MB)) $((2 * MB)) $((4 * MB))
# By another's order, again and again while it reads and writes: it is only made to wait, and has each byte once.
: >"$tmp/peer"
in_ns "$LIVES" peer 198.18.0.1 $PORT $((20 * MB)) $((60 * MB)) >"$tmp/peer" 2>&1 &
peer=$!
wait_for 10 grep -q listening "$tmp/peer" || fail "no peer"
"$LIVES" first 198.18.0.1 $PORT $((20 * MB)) $((60 * MB)) 999999999999 "$tmp/image" >"$tmp/life" 2>&1 &
program=$!
kept=0
while kill -0 $program 2>/dev/null; do
	"$TERN" checkpoint --keep --pid $program - >"$tmp/kept" 2>"$tmp/said" && [ -s "$tmp/kept" ] && kept=$((kept + 1))
done
wait $program || fail "held $kept times: $(cat "$tmp/life" "$tmp/said")"
wait $peer || fail "the peer of what was held: $(cat "$tmp/peer")"
[ $kept -gt 2 ] || fail "held $kept times only: $(cat "$tmp/said")"
say "held $kept times"

[ "$(counter gateway checkpoints)" = "$(counter gateway restores)" ] || fail "not as many restored as left"
[ "$(resets)" = "$before" ] || fail "resets: $before before, $(resets) now"
tern_idle

# What is no image.
no()
{
	local said
	said=$("$LIVES" next 1 "$tmp/image" 2>&1) && fail "$1 is restored"
	case $said in
	*"$2"*) ;;
	*) fail "$1: $said" ;;
	esac
}
printf 'nonsense, and more of it' >"$tmp/image"
no "nonsense" "no image"
: >"$tmp/image"
no "nothing" "no image any more"
tern_down
