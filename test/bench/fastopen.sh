#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Time from connect() to the first byte of the answer, with connect() deferred by Fast Open beside an
# ordinary one, in turn, over links of several round-trip times:
#
#     client - forwarder, which delays - server
#
# Linux with Linux, Tern's programs with Linux's nginx, and Linux with Tern's http service. An ordinary
# connection takes two round trips to the first byte, a deferred one takes one: the ratio says how much
# of that arrives at the program. Each request is checked to have been in the SYN, or not; if more than one
# in twenty was not what it should be, the numbers are not what they are called, and it fails.
#
#     BENCH_ROUNDS=5 BENCH_REQUESTS=40 BENCH_RTT_MS="0.2 1 10" sudo -E ./test/run bench
GUARD_S=0
. "$(dirname "$0")/../interop/fastopen_link.sh"
. "$(dirname "$0")/rounds.sh"

REQUESTS=${BENCH_REQUESTS:-40}
RTT_MS=${BENCH_RTT_MS:-0.2 1 10}
FIRST_BYTE=$BUILD/test/bench/first_byte

# Before the machine's other work, so that a delay is the link's.
printf '#!/bin/sh\nexec chrt -f 10 %s "$@"\n' "$FORWARDER" >"$tmp/forwarder.sh"
chmod +x "$tmp/forwarder.sh"
FORWARDER=$tmp/forwarder.sh

links_up
for pid in $$ "$ternd_pid" "${nginx_pids[@]}"; do
	go_first "$pid"
done

# time_of KIND RTT: requests over both families; the median of each sort is recorded.
time_of()
{
	local server who
	way_of "$1"
	forwarder_up "$client_link" "$server_link" --delay "$(awk -v rtt="$2" 'BEGIN { print rtt / 2 }')"
	: >"$tmp/times.all"
	for server in "$server4" "$server6"; do
		"${client[@]}" "$FIRST_BYTE" "$server" 80 "$REQUESTS" >"$tmp/times" || fail "$1, $2 ms, $server"
		awk '$1 == "disturbed" { n++ } END { exit n > NR / 20 }' "$tmp/times" ||
			fail "$1, $2 ms, $server: data was not in the SYN"
		cat "$tmp/times" >>"$tmp/times.all"
	done
	forwarder_down >"$tmp/forwarded"
	for who in deferred ordinary; do
		record "$1-$2" $who "$(/usr/bin/python3 -c '
import statistics, sys
lines = (line.split() for line in open(sys.argv[1]))
print(statistics.median(float(us) for who, us in lines if who == sys.argv[2]))' "$tmp/times.all" $who)"
	done
}

round()
{
	local rtt kind
	for rtt in $RTT_MS; do
		for kind in linux-linux tern-linux linux-tern; do
			time_of $kind "$rtt"
		done
	done
}

rounds round
kill -CONT "$ternd_pid"
for kind in linux-linux tern-linux linux-tern; do
	for rtt in $RTT_MS; do
		echo "$kind-$rtt | first byte, $kind, $rtt ms there and back, median | us | deferred | ordinary |"
	done
done | table
tern_idle
tern_down
