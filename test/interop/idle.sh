#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A lane that has nothing to do sleeps (idle = adaptive), and whatever comes wakes it at once: packets,
# programs' requests, timers, another lane's packets, the main thread's questions. With idle = poll it
# does not sleep, so what counts its sleep here would notice.
. "$(dirname "$0")/interop.sh"

PROGRAM=$BUILD/test/interop/program

# The iterations of all lanes in a second in which nothing happens.
turns_idle()
{
	local before
	before=$(counter loop turns)
	sleep 1
	echo $(($(counter loop turns) - before))
}

# What was lost on the way to a sleeping lane would be found when it next looks, a second later, and counted.
none_was_lost()
{
	[ "$(counter loop overslept)" = 0 ] || fail "wake-ups were lost: $(counter loop overslept)"
}

requests()
{
	local i
	for i in 1 2 3 4 5 6 7 8 9 10; do
		sleep 0.05
		expect in_ns curl -gsf --max-time 20 -o /dev/null "http://$HOST4/"
		expect in_ns curl -gsf --max-time 20 -o /dev/null "http://[$HOST6]/bytes/100000"
		expect timeout 20 "$TERN" version >/dev/null
	done
}

conf idle=poll
tern_up
turns=$(turns_idle)
say "poll: $turns iterations in a second"
[ "$turns" -gt 10000 ] && [ "$(counter loop sleeps)" -eq 0 ] || fail "a lane that is to poll slept"
ternd_stop

for lanes in 1 2; do
	conf idle=adaptive lanes=$lanes
	tern_up
	turns=$(turns_idle)
	say "adaptive, $lanes lane(s): $turns iterations in a second"
	[ "$turns" -lt 2000 ] || fail "an idle lane is busy"
	requests
	none_was_lost
	[ "$(counter loop wakes)" -gt 10 ] || fail "nothing woke it"
	for i in 1 2 3 4 5; do
		expect timeout 20 "$PROGRAM" refused 198.18.0.1 5999
	done
	# A program that sleeps wakes a lane that sleeps, and the other way round.
	: >"$tmp/server" # what the one before said must not be taken for its word
	"$PROGRAM" poll 7000 3 >"$tmp/server" &
	server=$!
	wait_for 20 grep -q listening "$tmp/server" || fail "the program does not listen"
	for bytes in 1 100000 1; do
		sleep 0.1
		expect timeout 20 ip netns exec "$NS" "$CLIENT" echo "$HOST4" 7000 $bytes
	done
	wait "$server" || fail "the program ended with status $?"
	none_was_lost
	ternd_stop
done
