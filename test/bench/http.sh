#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# HTTP side by side in one run: Tern over net_tap, and nginx on the kernel's TCP over a veth pair with
# all offloads off, so that both pass every packet through one software interface without help.
#
# Requests a second by wrk with 64 connections, kept and closing, and Gbit/s of one large download by
# curl. Server and client have a processor each; the server has one lane or one worker. The two are
# measured in turn, and the one that is not measured is stopped: ternd polls. The table has the median
# and the range of all rounds. What it says about speed is the ratio; the numbers are this machine's.
#
#     BENCH_ROUNDS=5 BENCH_SECONDS=2 BENCH_MIB=512 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

MIB=${BENCH_MIB:-512}
BYTES=$((MIB * 1024 * 1024))
SERVER_NS=$NAME-server
CLIENT_NS=$NAME-client
NGINX_ADDRESS=198.18.1.2

command -v wrk >/dev/null || skip "wrk is not installed"
command -v nginx >/dev/null || skip "nginx is not installed"
command -v ethtool >/dev/null || skip "ethtool is not installed"

nginx_up()
{
	shm=$(mktemp -d /dev/shm/tern-bench.XXXXXX) || fail "no /dev/shm"
	folders=$shm
	chmod 755 "$shm"
	cp "$tmp/www/index.html" "$shm/index.html"
	head -c "$BYTES" /dev/zero >"$shm/large" || fail "no room for $MIB MiB in /dev/shm"
	namespaces="$SERVER_NS $CLIENT_NS"
	veth_up "$SERVER_NS" "$NGINX_ADDRESS" "$CLIENT_NS" 198.18.1.1
	nginx_conf "$NGINX_ADDRESS" "$shm" nginx
	ip netns exec "$SERVER_NS" "${on_server[@]}" nginx -c "$tmp/nginx.conf" -e "$tmp/nginx.log" \
		>"$tmp/nginx.out" 2>&1 </dev/null &
	nginx_pid=$!
	started="$started $nginx_pid"
	wait_for 10 ip netns exec "$CLIENT_NS" curl -gsf -o /dev/null "http://$NGINX_ADDRESS/" ||
		fail "nginx does not answer: $(cat "$tmp/nginx.out" "$tmp/nginx.log")"
}

# as tern|nginx: sets target and its client's namespace, lets it run and stops the other.
as()
{
	if [ "$1" = tern ]; then
		kill -STOP "$nginx_pid"
		kill -CONT "$ternd_pid"
		bench_ns=$NS host=$HOST4 large=/bytes/$BYTES
	else
		kill -STOP "$ternd_pid"
		kill -CONT "$nginx_pid"
		bench_ns=$CLIENT_NS host=$NGINX_ADDRESS large=/large
	fi
	wait_for 10 ip netns exec "$bench_ns" curl -gsf --max-time 2 -o /dev/null "http://$host/" ||
		fail "$1 does not answer"
}

# bulk: Gbit/s of one large download.
bulk()
{
	ip netns exec "$bench_ns" "${on_client[@]}" curl -gsf --max-time 120 -o /dev/null -w '%{size_download} %{time_total}\n' \
		"http://$host$large" | awk -v want="$BYTES" '$1 == want { printf "%.3f\n", $1 * 8e-9 / $2; ok = 1 } END { exit !ok }'
}

round()
{
	local who
	for who in $(in_turn "$1" tern nginx); do
		as "$who"
		measure keep "$who" wrk_rate "$bench_ns" "$host"
		measure close "$who" wrk_rate "$bench_ns" "$host" -H 'Connection: close'
		measure bulk "$who" bulk
	done
}

conf idle=poll
tern_up
nginx_up
rounds round
as tern
table <<ROWS
keep  | HTTP requests, 64 kept connections   | 1/s    | tern | nginx |
close | the same, a connection for each      | 1/s    | tern | nginx | >= 1
bulk  | one download of $MIB MiB             | Gbit/s | tern | nginx |
ROWS
tern_idle
tern_down
