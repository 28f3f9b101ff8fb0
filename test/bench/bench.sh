# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the benchmarks share besides what the interop tests do; to be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/../interop/interop.sh"
. "$(dirname "${BASH_SOURCE[0]}")/rounds.sh"

# ternd's lane is on the last processor; who is compared with it goes there, too, and the clients to the others.
last=$(($(nproc) - 1))
if [ $last -ge 1 ]; then
	on_server=(taskset -c $last)
	on_client=(taskset -c 0-$((last - 1)))
else
	on_server=()
	on_client=()
fi

# veth_up NS-A ADDRESS-A NS-B ADDRESS-B: two namespaces, and a veth pair without offloads between them.
veth_up()
{
	netns_add "$1" && netns_add "$3" || fail "cannot make namespaces"
	ip link add "vs$$" netns "$1" type veth peer name "vc$$" netns "$3" || fail "cannot make a veth pair"
	ip -n "$1" address add "$2/24" dev "vs$$"
	ip -n "$3" address add "$4/24" dev "vc$$"
	ip -n "$1" link set "vs$$" up
	ip -n "$3" link set "vc$$" up
	without_offloads "$1" "vs$$"
	without_offloads "$3" "vc$$"
}

# without_offloads NAMESPACE INTERFACE: or the benchmark ends.
without_offloads()
{
	offloads_off "$1" "$2"
	ip netns exec "$1" ethtool -k "$2" |
		grep -E '^(tx-checksumming|tcp-segmentation-offload|generic-(segmentation|receive)-offload): on' &&
		fail "offloads of $2 stay on"
	return 0
}

# ---- What a benchmark leaves behind is what it says here: processes, namespaces, folders, prefixes of EAL's files.

started=
namespaces=
prefixes=
folders=

bench_cleanup()
{
	local status=$? pid ns prefix
	for pid in $started; do
		kill -CONT "$pid" 2>/dev/null
		kill -KILL "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	[ -z "$ternd_pid" ] || kill -CONT "$ternd_pid" 2>/dev/null
	for ns in $namespaces; do netns_del "$ns"; done
	# shellcheck disable=SC2086
	[ -z "$folders" ] || rm -rf $folders
	for prefix in $prefixes; do ternd_remains_remove "$prefix"; done
	(exit $status)
	interop_cleanup
}
trap bench_cleanup EXIT

LOAD=$BUILD/test/bench/load
DURATION=${BENCH_SECONDS:-2}

# load_figures FILE WHO WHAT=FIELD…: records fields of load's JSON.
load_figures()
{
	local file=$1 who=$2 pair value
	shift 2
	for pair in "$@"; do
		value=$(sed -n "s/.*\"${pair#*=}\": \([0-9.]*\).*/\1/p" "$file")
		[ -n "$value" ] || fail "no ${pair#*=}: $(cat "$file")"
		record "${pair%%=*}" "$who" "$value"
	done
}

# take WHO NAMESPACE WHAT=FIELD… -- LOAD-ARGUMENTS…: runs the client there and records.
take()
{
	local who=$1 ns=$2 pairs=()
	shift 2
	while [ "$1" != -- ]; do
		pairs+=("$1")
		shift
	done
	shift
	ip netns exec "$ns" "${on_client[@]}" timeout 120 "$LOAD" "$@" --seconds "$DURATION" >"$tmp/load" 2>&1 ||
		fail "$who, $*: $(cat "$tmp/load")"
	load_figures "$tmp/load" "$who" "${pairs[@]}"
}

# ---- Who is compared

# load_serve NAMESPACE ADDRESS [PREFIX…]: load's server there; sets served.
load_serve()
{
	local ns=$1 address=$2
	shift 2
	ip netns exec "$ns" "$@" "$LOAD" serve "$address" >"$tmp/serve" 2>&1 </dev/null &
	served=$!
	started="$started $served"
	wait_for 10 ip netns exec "$ns" "$LOAD" rr "$address" --seconds 0.01 --warm-up 0 ||
		fail "load's server: $(cat "$tmp/serve")"
}

LINUX=198.18.1.2

# nginx_conf ADDRESS ROOT NAME [PORT]: writes $tmp/NAME.conf for an nginx of one process.
nginx_conf()
{
	cat >"$tmp/$3.conf" <<END
daemon off;
master_process off;
worker_processes 1;
pid $tmp/$3.pid;
error_log $tmp/$3.log;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
	access_log off;
	sendfile on;
	tcp_nopush on;
	keepalive_requests 1000000000;
	client_body_temp_path $tmp/$3.body;
	proxy_temp_path $tmp/$3.proxy;
	fastcgi_temp_path $tmp/$3.fastcgi;
	uwsgi_temp_path $tmp/$3.uwsgi;
	scgi_temp_path $tmp/$3.scgi;
	types { text/html html; }
	server {
		listen $1:${4:-80} backlog=4096;
		root $2;
	}
}
END
}

# wrk_rate NAMESPACE HOST[:PORT] WRK-ARGUMENTS…: requests a second; an error of any kind fails.
wrk_rate()
{
	local ns=$1 host=$2
	shift 2
	ip netns exec "$ns" "${on_client[@]}" wrk -t 1 -c 64 -d "${DURATION}s" "$@" "http://$host/" >"$tmp/wrk"
	if grep -qE 'Socket errors|Non-2xx' "$tmp/wrk"; then
		warn "$host: $(cat "$tmp/wrk")"
		return 1
	fi
	awk '$1 == "Requests/sec:" { print $2; ok = 1 } END { exit !ok }' "$tmp/wrk"
}

# linux_up: load's server on the kernel's TCP, over a veth pair without offloads; sets served. The client's
# namespace is $CLIENT_NS.
linux_up()
{
	SERVER_NS=$NAME-server
	CLIENT_NS=$NAME-client
	namespaces="$namespaces $SERVER_NS $CLIENT_NS"
	veth_up "$SERVER_NS" $LINUX "$CLIENT_NS" 198.18.1.1
	load_serve "$SERVER_NS" $LINUX "${on_server[@]}"
	many_ports "$CLIENT_NS"
}

# many_ports NAMESPACE: a client there has ports for all the connections of a benchmark.
many_ports()
{
	netns_write "$1" net/ipv4/ip_local_port_range '1024 65535'
}

# testpmd NAME NAMESPACE ARGUMENTS…: dpdk-testpmd on the last processor, on a device of its own name; what
# EAL is told comes before "--". Ends when its input does; sets testpmd_pid.
testpmd()
{
	local name=$1 ns=$2
	shift 2
	mkfifo "$tmp/$name.in"
	ip netns exec "$ns" stdbuf -oL dpdk-testpmd --no-pci --no-huge -m 256 --file-prefix "$NAME-$name" --no-telemetry \
		"--lcores=0@(0-$last),1@$last" "$@" <"$tmp/$name.in" >"$tmp/$name.log" 2>&1 &
	testpmd_pid=$!
	started="$started $testpmd_pid"
	prefixes="$prefixes $NAME-$name"
	# Held open until the script ends: testpmd forwards until its input ends.
	eval "exec {testpmd_input}>\"$tmp/$name.in\""
	wait_for 20 grep -q 'Press enter to exit' "$tmp/$name.log" || fail "dpdk-testpmd: $(tail -n 5 "$tmp/$name.log")"
}

# let_run PID… -- PID…: those that poll and are not measured stand still.
let_run()
{
	local signal=CONT pid
	for pid in "$@"; do
		if [ "$pid" = -- ]; then signal=STOP; continue; fi
		[ -z "$pid" ] || kill -$signal "$pid"
	done
}
