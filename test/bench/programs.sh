#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What it costs that a program is outside of ternd, in one run, in turn:
#
#     wake-up   of a thread that waits in recv(), beside a bare eventfd between two threads
#     latency   64 bytes there and back from Linux over net_tap: a program's echo beside the echo service
#               in the lane, median and 99th percentile
#     redis     GET a second: redis-server under `tern run` over net_tap, beside redis-server on the
#               kernel's TCP over a veth pair without offloads; as it is, and 16 requests at once
#     nginx     requests a second by wrk with 64 connections: the same two ways; kept connections, and one
#               for each request
#     idle      context switches and processor time of a program that waits, over some seconds
#
# A lane has the last processor; programs and clients share the others. So with two processors Tern's
# redis-server shares one with its client, while Linux' has one, its TCP included, for itself. What the
# table says is the ratios; the numbers are this machine's.
#
#     BENCH_ROUNDS=5 BENCH_REQUESTS=100000 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

REQUESTS=${BENCH_REQUESTS:-100000}
WAKES=${BENCH_WAKES:-2000}
TRIPS=${BENCH_TRIPS:-10000}
IDLE_S=5
PROGRAMS=$BUILD/test/bench/programs
SERVER_NS=$NAME-server
CLIENT_NS=$NAME-client
REDIS_ADDRESS=198.18.1.2

command -v redis-server >/dev/null || skip "redis-server is not installed"
command -v nginx >/dev/null || skip "nginx is not installed"
command -v wrk >/dev/null || skip "wrk is not installed"
command -v redis-benchmark >/dev/null || skip "redis-benchmark is not installed"
[ $last -ge 1 ] || skip "needs two processors"

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
	namespaces="$SERVER_NS $CLIENT_NS"
	veth_up "$SERVER_NS" "$REDIS_ADDRESS" "$CLIENT_NS" 198.18.1.1
	address=$REDIS_ADDRESS redis ip netns exec "$SERVER_NS" "${on_server[@]}"
	redis_linux=$!
	wait_for 20 in_ns redis-cli -h "$HOST4" ping || fail "redis on Tern: $(cat "$tmp/redis")"
	wait_for 20 ip netns exec "$CLIENT_NS" redis-cli -h "$REDIS_ADDRESS" ping || fail "redis on Linux"
}

nginx_up()
{
	nginx_conf "$HOST4" "$tmp/www" nginx_tern 8080
	"$TERN" run -- "${on_client[@]}" nginx -c "$tmp/nginx_tern.conf" -e "$tmp/nginx_tern.log" \
		>"$tmp/nginx" 2>&1 </dev/null &
	nginx_tern=$!
	nginx_conf "$REDIS_ADDRESS" "$tmp/www" nginx_linux 8080
	ip netns exec "$SERVER_NS" "${on_server[@]}" nginx -c "$tmp/nginx_linux.conf" -e "$tmp/nginx_linux.log" \
		>"$tmp/nginx" 2>&1 </dev/null &
	nginx_linux=$!
	started="$started $nginx_tern $nginx_linux"
	chmod 755 "$tmp" "$tmp/www"
	wait_for 20 in_ns curl -gsf -o /dev/null "http://$HOST4:8080/" || fail "nginx on Tern: $(cat "$tmp/nginx_tern.log")"
	wait_for 20 ip netns exec "$CLIENT_NS" curl -gsf -o /dev/null "http://$REDIS_ADDRESS:8080/" || fail "nginx on Linux"
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
nginx_up

# of_programs WHO NAMESPACE HOST
of_programs()
{
	local pipeline
	for pipeline in 1 16; do
		measure "get$pipeline" "$1" gets "$2" "$3" "$pipeline"
	done
	measure keep "$1" wrk_rate "$2" "$3:8080"
	measure close "$1" wrk_rate "$2" "$3:8080" -H 'Connection: close'
}

round()
{
	local who bare blocked way
	let_run "$ternd_pid" "$redis_tern" "$nginx_tern" -- "$redis_linux" "$nginx_linux"
	read -r bare blocked way < <(wake_ups) || fail "wake-ups"
	record wake eventfd "$bare"
	record wake program "$blocked"
	for who in $(in_turn "$1" lane program); do
		[ "$who" = program ] || measure latency lane latency 7
		[ "$who" = lane ] || measure latency program latency 5101
	done
	for who in $(in_turn "$1" tern linux); do
		case $who in
		tern) of_programs tern "$NS" "$HOST4" ;;
		linux)
			let_run "$redis_linux" "$nginx_linux" -- "$ternd_pid" "$redis_tern" "$nginx_tern"
			of_programs linux "$CLIENT_NS" "$REDIS_ADDRESS"
			let_run "$ternd_pid" "$redis_tern" "$nginx_tern" -- "$redis_linux" "$nginx_linux"
			;;
		esac
	done
}

rounds round
table <<ROWS
wake      | wake-up of a program                          | us  | program | eventfd |
latency   | 64 bytes to a program and back over tap, median | us | program | lane  |
latency.2 | the same, 99th percentile                     | us  | program | lane    |
get1      | redis GET, 50 connections                     | 1/s | tern    | linux   |
get16     | the same, 16 at once                          | 1/s | tern    | linux   |
keep      | nginx, 64 kept connections                    | 1/s | tern    | linux   |
close     | nginx, a connection for each request          | 1/s | tern    | linux   |
ROWS
for pid in $started; do
	kill -CONT "$pid" 2>/dev/null
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
done
started=
tern_idle
tern_down
