#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What it costs that a program is outside of ternd, in one run, in turn:
#
#     wake-up   of a thread that waits in recv(), beside a bare eventfd between two threads
#     latency   64 bytes there and back from Linux over net_tap: a program's echo beside the echo service
#               in the lane, median and 99th percentile
#     redis     GET a second: redis-server under `tern run` over net_tap, beside redis-server on the
#               kernel's TCP over a veth pair without offloads; as it is, and 16 requests at once
#     idle      context switches and processor time of a program that waits, over some seconds
#
# A lane has the last processor; programs and clients share the others. So with two processors Tern's
# redis-server shares one with its client, while Linux' has one, its TCP included, for itself. What the
# table says is the ratios; the numbers are this machine's.
#
#     BENCH_ROUNDS=5 BENCH_REQUESTS=100000 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

ROUNDS=${BENCH_ROUNDS:-5}
REQUESTS=${BENCH_REQUESTS:-100000}
WAKES=${BENCH_WAKES:-2000}
TRIPS=${BENCH_TRIPS:-10000}
IDLE_S=5
PROGRAMS=$BUILD/test/bench/programs
SERVER_NS=$NAME-server
CLIENT_NS=$NAME-client
REDIS_ADDRESS=198.18.1.2
started=

command -v redis-server >/dev/null || skip "redis-server is not installed"
command -v redis-benchmark >/dev/null || skip "redis-benchmark is not installed"
[ $last -ge 1 ] || skip "needs two processors"

bench_cleanup()
{
	local status=$? pid
	[ -z "$ternd_pid" ] || kill -CONT "$ternd_pid" 2>/dev/null
	for pid in $started; do
		kill -CONT "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	netns_del "$SERVER_NS"
	netns_del "$CLIENT_NS"
	(exit $status)
	interop_cleanup
}
trap bench_cleanup EXIT

# record WHAT WHO COMMAND…: keeps what it prints.
record()
{
	local value
	value=$("${@:3}") || fail "$1, $2"
	echo "$1 $2 $value" >>"$tmp/results"
}

redis()
{
	"$@" redis-server --port 6379 --save '' --protected-mode no --bind "$address" \
		>"$tmp/redis" 2>&1 </dev/null &
	started="$started $!"
}

redis_up()
{
	address=$HOST4 redis "$TERN" run -- "${on_client[@]}"
	redis_tern=$!
	veth_up "$SERVER_NS" "$REDIS_ADDRESS" "$CLIENT_NS" 198.18.1.1
	address=$REDIS_ADDRESS redis ip netns exec "$SERVER_NS" "${on_server[@]}"
	redis_linux=$!
	wait_for 20 in_ns redis-cli -h "$HOST4" ping || fail "redis on Tern: $(cat "$tmp/redis")"
	wait_for 20 ip netns exec "$CLIENT_NS" redis-cli -h "$REDIS_ADDRESS" ping || fail "redis on Linux"
}

# gets NAMESPACE HOST PIPELINE: GET a second with 50 connections.
gets()
{
	ip netns exec "$1" "${on_client[@]}" redis-benchmark -h "$2" -t get -c 50 -n "$REQUESTS" -P "$3" --csv |
		awk -F '"' '$2 == "GET" { print $4; ok = 1 } END { exit !ok }'
}

latency()
{
	in_ns taskset -c 0 "$PROGRAMS" latency "$HOST4" "$1" "$TRIPS"
}

wake_ups()
{
	TERND_PID=$ternd_pid "$PROGRAMS" wake "$HOST4" 5100 "$last" "$WAKES" | grep -v listening
}

# activity PID: context switches and clock ticks of a process and its threads.
activity()
{
	awk '/ctxt_switches/ { n += $2 } END { print n }' "/proc/$1"/task/*/status
	awk '{ print $14 + $15 }' "/proc/$1/stat"
}

# measure_idle: a program with a connection that waits for its next byte.
measure_idle()
{
	local pid before after
	"$PROGRAMS" idle 5102 >"$tmp/idle" &
	pid=$!
	started="$started $pid"
	wait_for 10 grep -q listening "$tmp/idle" || fail "no idle program"
	exec 7> >(in_ns nc "$HOST4" 5102 >/dev/null)
	wait_for 10 grep -q accepted "$tmp/idle" || fail "no connection to the idle program"
	sleep 1
	before=$(activity $pid)
	sleep $IDLE_S
	after=$(activity $pid)
	echo x >&7
	exec 7>&-
	wait $pid || fail "the idle program ended with status $?"
	say "Idle for $IDLE_S s: context switches and ticks before $(echo $before), after $(echo $after)"
	[ "$before" = "$after" ] || fail "an idle program has run"
}

conf
tern_up
measure_idle
"$PROGRAMS" echo 5101 >"$tmp/echo" &
started="$started $!"
redis_up
say "$ROUNDS rounds; $(nproc) processors, $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
read -r steal_before all_before < <(steal)
for round in $(seq "$ROUNDS"); do
	order='1 2'
	[ $((round % 2)) -eq 1 ] || order='2 1'
	kill -STOP "$redis_linux"
	record wake both wake_ups
	for which in $order; do
		[ $which = 1 ] && record latency lane latency 7
		[ $which = 2 ] && record latency program latency 5101
	done
	for which in $order; do
		if [ $which = 1 ]; then
			for pipeline in 1 16; do
				record get$pipeline tern gets "$NS" "$HOST4" $pipeline
			done
			continue
		fi
		kill -STOP "$ternd_pid" "$redis_tern"
		kill -CONT "$redis_linux"
		for pipeline in 1 16; do
			record get$pipeline linux gets "$CLIENT_NS" "$REDIS_ADDRESS" $pipeline
		done
		kill -STOP "$redis_linux"
		kill -CONT "$ternd_pid" "$redis_tern"
	done
	say "round $round of $ROUNDS done"
done
read -r steal_after all_after < <(steal)

/usr/bin/python3 - "$tmp/results" $((steal_after - steal_before)) $((all_after - all_before)) <<'END'
import statistics, sys

rows = {}
for line in open(sys.argv[1]):
    what, who, *values = line.split()
    values = [float(v) for v in values]
    if what == "wake":
        rows.setdefault("wake", {}).setdefault("bare", []).append(values[0])
        rows["wake"].setdefault("tern", []).append(values[1])
    elif what == "latency":
        for name, value in zip(("p50", "p99"), values):
            rows.setdefault(name, {}).setdefault(who, []).append(value)
    else:
        rows.setdefault(what, {}).setdefault(who, []).append(values[0])
table = [("wake", "wake-up, µs", "tern", "bare", "%.2f", "a bare eventfd"),
         ("p50", "64 bytes there and back, µs, median", "program", "lane", "%.1f", "echo in the lane"),
         ("p99", "64 bytes there and back, µs, 99th percentile", "program", "lane", "%.1f", "echo in the lane"),
         ("get1", "redis GET a second", "tern", "linux", "%.0f", "Linux over veth"),
         ("get16", "redis GET a second, 16 at once", "tern", "linux", "%.0f", "Linux over veth")]

def cell(values, form):
    return (form + " (" + form + " … " + form + ")") % (statistics.median(values), min(values), max(values))

print()
print("| | a program on Tern: median (range) | beside it | its median (range) | ratio: median of the rounds |")
print("|---|---|---|---|---|")
for what, title, ours, theirs, form, beside in table:
    a, b = rows[what][ours], rows[what][theirs]
    ratios = [x / y for x, y in zip(a, b)]
    print("| %s | %s | %s | %s | %s |" % (title, cell(a, form), beside, cell(b, form), cell(ratios, "%.2f")))
print()
print("Steal: %.1f %% of the processors' time was taken by the machine's host." %
      (100 * int(sys.argv[2]) / max(1, int(sys.argv[3]))))
END
for pid in $started; do
	kill -CONT "$pid" 2>/dev/null
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
done
started=
tern_idle
tern_down
