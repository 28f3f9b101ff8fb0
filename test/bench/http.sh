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
#     BENCH_ROUNDS=5 BENCH_SECONDS=5 BENCH_MIB=1024 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

ROUNDS=${BENCH_ROUNDS:-5}
DURATION=${BENCH_SECONDS:-5}
MIB=${BENCH_MIB:-1024}
BYTES=$((MIB * 1024 * 1024))
SERVER_NS=$NAME-server
CLIENT_NS=$NAME-client
NGINX_ADDRESS=198.18.1.2
nginx_pid=

command -v wrk >/dev/null || skip "wrk is not installed"
command -v nginx >/dev/null || skip "nginx is not installed"
command -v ethtool >/dev/null || skip "ethtool is not installed"

bench_cleanup()
{
	local status=$?
	if [ -n "$nginx_pid" ]; then
		kill -CONT "$nginx_pid" 2>/dev/null
		kill -TERM "$nginx_pid" 2>/dev/null
		wait "$nginx_pid" 2>/dev/null
	fi
	[ -z "$ternd_pid" ] || kill -CONT "$ternd_pid" 2>/dev/null
	netns_del "$SERVER_NS"
	netns_del "$CLIENT_NS"
	[ -z "${shm:-}" ] || rm -rf "$shm"
	(exit $status)
	interop_cleanup
}
trap bench_cleanup EXIT

nginx_up()
{
	shm=$(mktemp -d /dev/shm/tern-bench.XXXXXX) || fail "no /dev/shm"
	chmod 755 "$shm"
	cp "$tmp/www/index.html" "$shm/index.html"
	head -c "$BYTES" /dev/zero >"$shm/large" || fail "no room for $MIB MiB in /dev/shm"
	veth_up "$SERVER_NS" "$NGINX_ADDRESS" "$CLIENT_NS" 198.18.1.1
	cat >"$tmp/nginx.conf" <<END
daemon off;
master_process off;
worker_processes 1;
pid $tmp/nginx.pid;
error_log $tmp/nginx.log;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	client_body_temp_path $tmp/nginx.body;
	proxy_temp_path $tmp/nginx.proxy;
	fastcgi_temp_path $tmp/nginx.fastcgi;
	uwsgi_temp_path $tmp/nginx.uwsgi;
	scgi_temp_path $tmp/nginx.scgi;
	types { text/html html; }
	server {
		listen $NGINX_ADDRESS:80 backlog=4096;
		root $shm;
	}
}
END
	ip netns exec "$SERVER_NS" "${on_server[@]}" nginx -c "$tmp/nginx.conf" -e "$tmp/nginx.log" \
		>"$tmp/nginx.out" 2>&1 </dev/null &
	nginx_pid=$!
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

# requests WRK-ARGUMENTS…: requests a second; an error of any kind ends the benchmark.
requests()
{
	ip netns exec "$bench_ns" "${on_client[@]}" wrk -t 1 -c 64 -d "${DURATION}s" "$@" "http://$host/" >"$tmp/wrk"
	if grep -qE 'Socket errors|Non-2xx' "$tmp/wrk"; then
		warn "$host: $(cat "$tmp/wrk")"
		return 1
	fi
	awk '$1 == "Requests/sec:" { print $2 }' "$tmp/wrk"
}

# bulk: Gbit/s of one large download.
bulk()
{
	ip netns exec "$bench_ns" "${on_client[@]}" curl -gsf --max-time 120 -o /dev/null -w '%{size_download} %{time_total}\n' \
		"http://$host$large" | awk -v want="$BYTES" '$1 == want { printf "%.3f\n", $1 * 8e-9 / $2; ok = 1 } END { exit !ok }'
}

record()
{
	local value
	value=$("${@:3}") || fail "$1, $2"
	echo "$1 $2 $value" >>"$tmp/results"
}

conf
tern_up
nginx_up
say "HTTP: Tern over net_tap beside nginx over veth without offloads, $ROUNDS rounds of ${DURATION} s, $MIB MiB" \
	"$(nproc) processors, $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1), Linux $(uname -r)"
read -r steal_before all_before < <(steal)
for round in $(seq "$ROUNDS"); do
	# Whoever comes first alternates, too.
	order='tern nginx'
	[ $((round % 2)) -eq 1 ] || order='nginx tern'
	for who in $order; do
		as $who
		record keep $who requests
		record close $who requests -H 'Connection: close'
		record bulk $who bulk
	done
	say "round $round of $ROUNDS done"
done
as tern
read -r steal_after all_after < <(steal)

/usr/bin/python3 - "$tmp/results" $((steal_after - steal_before)) $((all_after - all_before)) <<'END'
import statistics, sys

values = {}
for line in open(sys.argv[1]):
    what, who, value = line.split()
    values.setdefault(what, {}).setdefault(who, []).append(float(value))
titles = {"keep": ("requests/s, 64 keep-alive", "%.0f"),
          "close": ("requests/s, 64 closing", "%.0f"),
          "bulk": ("Gbit/s, one download", "%.2f")}
print()
print("| | Tern: median (range) | nginx: median (range) | Tern / nginx: median of the rounds |")
print("|---|---|---|---|")
for what, (title, form) in titles.items():
    cells = []
    for who in ("tern", "nginx"):
        v = values[what][who]
        cells.append((form + " (" + form + " … " + form + ")") % (statistics.median(v), min(v), max(v)))
    ratios = [a / b for a, b in zip(values[what]["tern"], values[what]["nginx"])]
    print("| %s | %s | %s | %.2f (%.2f … %.2f) |" % (
        title, cells[0], cells[1], statistics.median(ratios), min(ratios), max(ratios)))
print()
print("Steal: %.1f %% of the processors' time was taken by the machine's host." %
      (100 * int(sys.argv[2]) / max(1, int(sys.argv[3]))))
END
tern_idle
tern_down
