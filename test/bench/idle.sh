#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What it costs that an idle lane sleeps (idle = adaptive), beside one that polls, in one run, in turn:
#
#     rtt, rtt1, rtt10, rtt100   64 bytes there and back over net_tap, median and 99th percentile: the next
#                                at once, or when 1, 10, 100 ms have passed
#     cpu                        processor time of ternd in a second without traffic
#
# The client sleeps between its requests, too, and is the same for both; so the difference is the lane's.
#
#     BENCH_ROUNDS=5 BENCH_TRIPS=100 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

TRIPS=${BENCH_TRIPS:-100}
IDLE_S=2

# ticks: processor time of ternd so far, in hundredths of a second.
ticks()
{
	awk '{ print $14 + $15 }' "/proc/$ternd_pid/stat"
}

idle_time()
{
	local before
	sleep 0.5
	before=$(ticks)
	sleep $IDLE_S
	record cpu "$1" "$(awk -v t=$(($(ticks) - before)) -v s=$IDLE_S 'BEGIN { print t * 10 / s }')"
}

round()
{
	local who pause
	for who in $([ $(($1 % 2)) -eq 1 ] && echo adaptive poll || echo poll adaptive); do
		conf idle=$who
		tern_up
		idle_time "$who"
		DURATION=1 take "$who" "$NS" rtt=p50_us rtt_p99=p99_us -- rr $HOST4
		for pause in 1 10 100; do
			DURATION=$(awk -v n="$TRIPS" -v ms=$pause 'BEGIN { print n * ms / 1000 + 0.1 }') \
				take "$who" "$NS" rtt$pause=p50_us rtt${pause}_p99=p99_us -- \
				rr $HOST4 --rate $((1000 / pause))
		done
		tern_idle
		tern_down
	done
}

rounds round
table <<ROWS
rtt        | 64 bytes there and back over tap, median   | us | adaptive | poll |
rtt_p99    | the same, 99th percentile                  | us | adaptive | poll |
rtt1       | the same, each 1 ms, median                | us | adaptive | poll |
rtt1_p99   | the same, 99th percentile                  | us | adaptive | poll |
rtt10      | the same, each 10 ms, median               | us | adaptive | poll |
rtt10_p99  | the same, 99th percentile                  | us | adaptive | poll |
rtt100     | the same, each 100 ms, median              | us | adaptive | poll |
rtt100_p99 | the same, 99th percentile                  | us | adaptive | poll |
cpu        | processor time of an idle ternd            | ms/s | adaptive | poll |
ROWS
