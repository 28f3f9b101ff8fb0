#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Transfers with plain Linux whose Tern end is moved in mid-stream: its process writes the image of the
# connection and is killed, another restores it, every so often on another ternd. The peer must notice
# nothing but a pause:
#
#     mover, ternd - net_tap - forwarder - veth - mover_peer, Linux
#
# Each byte is checked, both ways; no reset of a live connection passes the forwarder; and where nothing is lost, neither end
# sends more than a window again for each move. Both families, either end opens.
#
#     MOVE_MIB=1024 MOVE_MOVES=200 bash test/interop/move.sh     the whole of it
#     MOVE_SEED=N             the moments of a run before (each transfer has a seed of its own: N + its number - 1)
#     MOVE_NEW_TERND=N        another ternd after each N moves
#     MOVE_TRANSFERS="2 6"    only these of them
. "$(dirname "$0")/lossy_link.sh"

MIB=${MOVE_MIB:-4}
MOVES=${MOVE_MOVES:-10}
SEED=${MOVE_SEED:-$RANDOM}
NEW_TERND=${MOVE_NEW_TERND:-6} # each so many moves; 0: none
[ "$MOVES" -lt 100 ] && TRANSFERS=${MOVE_TRANSFERS:-1 2 3 4} || TRANSFERS=${MOVE_TRANSFERS:-1 2 3 4 5 6 7}
MOVER=$BUILD/test/interop/mover
MOVER_PEER=$BUILD/test/interop/mover_peer
PROBES=$((3 * 1500)) # bytes that may be sent again besides, for each move
resets=0 # that passed the forwarder, but to who was in TIME-WAIT
peer_pid=

# link_up LOSS: frames flow.
link_up()
{
	forwarder_up "$TAP" "vf$$" --loss "$1" --delay 1 --seed "$SEED"
}

link_down()
{
	local n
	forwarder_down >"$tmp/frames"
	for n in $(sed -n 's/.* \([0-9]*\) resets$/\1/p' "$tmp/frames"); do
		resets=$((resets + n))
	done
}

# another_ternd LOSS: the one that runs is killed, with all that it has.
another_ternd()
{
	# First of all, or what passes meanwhile is not counted by who was in TIME-WAIT.
	link_down
	resets=$((resets - $(late_resets)))
	{ kill -KILL "$ternd_pid"; wait_for 5 ternd_gone; ternd_reap; } 2>/dev/null
	ternd_remains_remove "$NAME"
	ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf" --restoring
	wait_for 90 tern_ready_or_dead
	ternd_alive || fail "another ternd ended at its start"
	wait_for 20 ip -n "$NS" link show "$TAP" || fail "no $TAP"
	ip -n "$NS" link set "$TAP" up
	link_up "$1"
}

# What the ternd that runs has counted, for who looks for what went wrong.
counters()
{
	"$TERN" stats --json | /usr/bin/python3 -c '
import json, sys
for lane in json.load(sys.stdin)["lanes"]:
    for group in "tcp", "net", "move":
        print(group, {k: v for k, v in lane.get(group, {}).items() if v})'
}

value() # NAME FILE
{
	sed -n "s/.*\b$1 \([0-9]*\).*/\1/p" "$2"
}

listens() # FILE
{
	grep -q listening "$1"
}

# lives LOSS ARGUMENTS…: one process after the other, until the transfer is over.
lives()
{
	local loss=$1 moves=0 status
	shift
	while :; do
		# The shell would tell of each death.
		{ "$MOVER" "$tmp/lives" "$@" >>"$tmp/mover" 2>&1; status=$?; } 2>/dev/null
		[ $status -eq 137 ] || break
		moves=$((moves + 1))
		[ "$NEW_TERND" -eq 0 ] || [ $((moves % NEW_TERND)) -ne 0 ] || another_ternd "$loss"
	done
	return $status
}

# transfer LOSS HOW HOST SEND RECEIVE RCVBUF [PAUSES]: HOW the Tern end opens, what it sends and receives in
# MiB, how often the peer pauses.
transfer()
{
	local loss=$1 how=$2 host=$3 peer=listen to=198.18.0.1 send=$(($4 * 1048576 + 1)) \
		receive=$(($5 * 1048576 + 1)) rcvbuf=$6 pauses=${7-} before=$((resets - $(late_resets))) again moves
	case $host in *:*) to=2001:db8:18::1 ;; esac
	say "seed $SEED: $how, $host, $4 MiB out and $5 MiB in, loss $loss"
	rm -rf "$tmp/lives"
	mkdir "$tmp/lives"
	: >"$tmp/mover"
	: >"$tmp/peer"
	link_up "$loss"
	if [ "$how" = listen ]; then
		# It is the first life that listens.
		peer=connect to=$host
		in_ns bash -c "until grep -q listening '$tmp/mover'; do sleep 0.05; done
			exec '$MOVER_PEER' connect $to 5001 $receive $send $SEED $rcvbuf $pauses" \
			>"$tmp/peer" 2>&1 &
		peer_pid=$!
	else
		in_ns "$MOVER_PEER" $peer $to 5001 $receive $send "$SEED" "$rcvbuf" $pauses >"$tmp/peer" 2>&1 &
		peer_pid=$!
		wait_for 5 listens "$tmp/peer" || fail "the peer: $(cat "$tmp/peer")"
		host=$to
	fi
	lives "$loss" $how $host 5001 $send $receive "$MOVES" "$SEED" "$rcvbuf" ||
		fail "the mover: $(cat "$tmp/mover" "$tmp/peer")"
	wait "$peer_pid" || fail "the peer: $(cat "$tmp/peer")"
	link_down
	cat "$tmp/mover" "$tmp/peer" | grep -v listening
	moves=$(value moves "$tmp/mover")
	[ "$moves" -gt 0 ] || fail "nothing was moved"
	[ $((resets - $(late_resets))) -eq "$before" ] || fail "resets: $(cat "$tmp/frames")"
	[ "$loss" = 0 ] || return 0
	again=$(value bytes_retrans "$tmp/mover")
	counters >"$tmp/counters"
	[ "$again" -le $(($(value in_flight "$tmp/mover") + moves * PROBES)) ] ||
		fail "Tern has sent $again bytes again, more than was in flight at $moves moves: $(cat "$tmp/counters")"
	again=$(value bytes_retrans "$tmp/peer")
	[ "$again" -le $(($(value window "$tmp/mover") + moves * PROBES)) ] ||
		fail "Linux has sent $again bytes again, more than a window for each of $moves moves"
}

conf
lossy_tern_up
# Duplicate address detection is over.
link_up 0
wait_for 10 in_ns ping -6 -c 1 -W 1 "$HOST6" >/dev/null 2>&1 || fail "no answer from $HOST6"
link_down
first=$SEED
for number in $TRANSFERS; do
	SEED=$((first + number - 1))
	say "transfer $number, seed $SEED, $(date -u +%T)"
	case $number in
	1) transfer 0 connect "$HOST4" "$MIB" "$MIB" 0 ;;
	2) transfer 0.01 listen "$HOST6" "$MIB" "$MIB" 65536 ;;
	3) transfer 0 connect "$HOST6" "$MIB" 0 65536 ;;
	4) transfer 0 listen "$HOST4" 0 "$MIB" 65536 ;;
	5) transfer 0 listen "$HOST6" "$MIB" "$MIB" 0 ;;
	6) transfer 0.01 connect "$HOST4" "$MIB" "$MIB" 0 ;;
	7) # to a peer who hardly reads
		transfer 0 connect "$HOST4" $((MIB < 64 ? MIB : 64)) 0 65536 $((MOVES * 2))
		[ "$(sed -n "s/.*peer's window shut \([0-9]*\).*/\1/p" "$tmp/mover")" -gt 0 ] ||
			fail "the peer's window was never shut" ;;
	*) fail "no transfer $number" ;;
	esac
done
tern_idle
tern_down
