#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tern over net_tap beside what there is to reach, in one run, in turn:
#
#     floor   dpdk-testpmd that owns such a tap and returns datagrams (5tswap), or fills it (txonly): of these the
#             kernel drops more than half at a full socket, which costs it less than to receive them
#     bare    tap_stream, which fills a peer's window with segments laid out before: the least that TCP can be
#     linux   load's server on the kernel's TCP, over a veth pair without offloads
#
# The client is load on the kernel's TCP, or UDP for the floor: frames of the same size, as many at a time.
# Tern's side are the services in its lane. Servers have the last processor, the client the others.
#
#     BENCH_ROUNDS=5 BENCH_SECONDS=2 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

FLOOR_NS=$NAME-floor
FILL_NS=$NAME-fill
BARE_NS=$NAME-bare
TCP_MORE=24 # bytes that TCP's header with timestamps is longer than UDP's
floor_pid=
fill_pid=
bare_pid=

command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed"
command -v ethtool >/dev/null || skip "ethtool is not installed"

# only PID…: those run, and nobody else who is compared.
only()
{
	local pid others=()
	for pid in "$ternd_pid" "$floor_pid" "$fill_pid" "$bare_pid" "$served"; do
		case " $* " in *" $pid "*) ;; *) others+=("$pid") ;; esac
	done
	let_run "$@" -- "${others[@]}"
}

# tap_floor NAME NAMESPACE INTERFACE TESTPMD-ARGUMENTS…: a testpmd that owns a tap; sets testpmd_pid.
tap_floor()
{
	local name=$1 ns=$2 interface=$3
	shift 3
	netns_add "$ns" || fail "cannot make the namespace $ns"
	namespaces="$namespaces $ns"
	testpmd "$name" "$ns" --vdev=net_tap0,iface="$interface" -- --total-num-mbufs=32768 "$@"
	tap_peer "$ns" "$interface"
}

# tap_bare: tap_stream on a tap of its own; sets bare_pid. Ends when its input does.
tap_bare()
{
	netns_add "$BARE_NS" || fail "cannot make the namespace $BARE_NS"
	namespaces="$namespaces $BARE_NS"
	mkfifo "$tmp/bare.in"
	ip netns exec "$BARE_NS" "$BUILD/test/bench/tap_stream" --no-pci --no-huge -m 256 --file-prefix "$NAME-bare" \
		--no-telemetry "--lcores=0@(0-$last),1@$last" --vdev=net_tap0,iface="tb$$" -- 19 <"$tmp/bare.in" >"$tmp/bare.log" 2>&1 &
	bare_pid=$!
	started="$started $bare_pid"
	prefixes="$prefixes $NAME-bare"
	exec {bare_input}>"$tmp/bare.in"
	wait_for 20 grep -q ready "$tmp/bare.log" || fail "tap_stream: $(cat "$tmp/bare.log")"
	tap_peer "$BARE_NS" "tb$$"
}

# tap_peer NAMESPACE INTERFACE: Linux there, and what it needs of who answers no ARP.
tap_peer()
{
	local ns=$1 interface=$2 mac
	mac=$(ip netns exec "$ns" cat "/sys/class/net/$interface/address")
	tap_up "$ns" "$interface" 198.18.0.1/24 || fail "cannot set up $interface"
	ip -n "$ns" neigh replace "$HOST4" lladdr "$mac" dev "$interface" nud permanent
}

# What has come out of the tap that testpmd fills, in bytes and nanoseconds.
filled()
{
	echo "$(ip netns exec "$FILL_NS" cat "/sys/class/net/tg$$/statistics/rx_bytes") $(date +%s%N)"
}

tap_carries()
{
	local bytes ns bytes_after ns_after
	sleep 0.5
	read -r bytes ns < <(filled)
	sleep "$DURATION"
	read -r bytes_after ns_after < <(filled)
	# Of each frame of 1514 bytes a stream has 1448.
	record down floor "$(awk -v b=$((bytes_after - bytes)) -v t=$((ns_after - ns)) \
		'BEGIN { printf "%.4f", b * 8 / t * 1448 / 1514 }')"
}

round()
{
	local who
	for who in $(in_turn "$1" tern floor bare linux); do
		case $who in
		tern)
			only "$ternd_pid"
			take tern "$NS" rr64=rate rr64_p99=p99_us -- rr $HOST4 --connections 64
			take tern "$NS" rtt=p50_us rtt_p99=p99_us -- rr $HOST4
			take tern "$NS" spin=p50_us -- rr $HOST4 --spin
			take tern "$NS" crr=rate -- get $HOST4 --connections 64 --close
			take tern "$NS" down=gbit_s -- down $HOST4
			take tern "$NS" up=gbit_s -- up $HOST4
			# What it has to say to those that have gone is said before it stands still.
			wait_for 20 no_connections || fail "connections are left: $(connections | head -n 3)"
			;;
		floor)
			only "$floor_pid"
			take floor "$FLOOR_NS" rr64=rate rr64_p99=p99_us -- udp $HOST4 --connections 64 --size $((64 + TCP_MORE))
			take floor "$FLOOR_NS" rtt=p50_us rtt_p99=p99_us -- udp $HOST4 --size $((64 + TCP_MORE))
			take floor "$FLOOR_NS" spin=p50_us -- udp $HOST4 --size $((64 + TCP_MORE)) --spin
			only "$fill_pid"
			tap_carries
			;;
		bare)
			only "$bare_pid"
			take bare "$BARE_NS" down=gbit_s -- down $HOST4
			;;
		linux)
			only "$served"
			take linux "$CLIENT_NS" rr64=rate rr64_p99=p99_us -- rr $LINUX --connections 64
			take linux "$CLIENT_NS" rtt=p50_us rtt_p99=p99_us -- rr $LINUX
			take linux "$CLIENT_NS" spin=p50_us -- rr $LINUX --spin
			take linux "$CLIENT_NS" crr=rate -- get $LINUX --connections 64 --close
			take linux "$CLIENT_NS" down=gbit_s -- down $LINUX
			take linux "$CLIENT_NS" up=gbit_s -- up $LINUX
			;;
		esac
	done
}

conf idle=poll
tern_up
tap_floor floor "$FLOOR_NS" "tf$$" --forward-mode=5tswap
floor_pid=$testpmd_pid
tap_floor fill "$FILL_NS" "tg$$" --forward-mode=txonly --txpkts=1514 --eth-peer=0,02:00:c6:12:00:01 \
	--tx-ip=$HOST4,198.18.0.1
fill_pid=$testpmd_pid
ip netns exec "$FILL_NS" nc -d -u -l 198.18.0.1 9 >/dev/null 2>&1 </dev/null &
started="$started $!"
tap_bare
linux_up
many_ports "$NS"

rounds round
let_run "$ternd_pid" "$floor_pid" "$fill_pid" "$bare_pid" "$served"
table <<ROWS
rr64     | 64 bytes there and back over tap, 64 connections | 1/s    | tern | floor | >= 0.9
rr64     | the same                                         | 1/s    | tern | linux |
rr64_p99 | the same, 99th percentile                        | us     | tern | linux |
rtt      | 64 bytes there and back over tap, one connection, median | us | tern | floor | <= 1.10
rtt      | the same                                         | us     | tern | linux |
spin     | the same, by a client that never sleeps          | us     | tern | floor | <= 1.10
spin     | the same                                         | us     | tern | linux |
rtt_p99  | with a client that sleeps, 99th percentile                        | us     | tern | linux |
crr      | HTTP over tap, a connection for each request, 64 at a time | 1/s | tern | linux | >= 1
down     | one stream from the server over tap              | Gbit/s | tern | linux | >= 1
down     | the same, beside what the tap carries of UDP     | Gbit/s | tern | floor | >= 0.9
down     | the same, beside what it carries of TCP at most  | Gbit/s | tern | bare | >= 0.9
down     | that, beside Linux                               | Gbit/s | bare | linux |
up       | one stream to the server over tap                | Gbit/s | tern | linux | >= 1
ROWS
tern_idle
tern_down
