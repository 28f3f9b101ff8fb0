#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tern over net_tap beside Linux over a veth pair without offloads, in one run, in turn, by the workloads of the
# independent comparison of bypass stacks (Awamoto and Honda, USENIX ATC 2025) and by those that it left out:
#
#     bulk on one connection, objects of 2 MB     64 bytes there and back, unloaded
#     64 bytes on 100, 1,600, 4,800 connections   short connections
#     latency at 50 % and 80 % of what the slower of the two can do    bulk on 16 connections
#
# Loss is in lossy.sh. The client is load on the kernel's TCP, the server load or the services in Tern's lane.
#
#     BENCH_ROUNDS=5 BENCH_SECONDS=2 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

command -v ethtool >/dev/null || skip "ethtool is not installed"

OBJECT=2097152

# workloads WHO NAMESPACE HOST
workloads()
{
	local n
	take "$1" "$2" object=gbit_s -- get "$3" --size $OBJECT
	take "$1" "$2" rtt=p50_us -- rr "$3"
	for n in 100 1600 4800; do
		take "$1" "$2" "rr$n=rate" "rr${n}_p99=p99_us" -- rr "$3" --connections $n
	done
	take "$1" "$2" crr=rate crr_p99=p99_us -- get "$3" --connections 100 --close
	take "$1" "$2" bulk16=gbit_s -- down "$3" --connections 16
}

# paced WHO NAMESPACE HOST: at the same rates for both.
paced()
{
	local percent
	for percent in 50 80; do
		take "$1" "$2" "p50_$percent=p50_us" "p99_$percent=p99_us" -- rr "$3" --connections 100 \
			--rate $((slower * percent / 100))
	done
}

as()
{
	local what=$1 who=$2
	case $who in
	tern)
		let_run "$ternd_pid" -- "$served"
		$what tern "$NS" "$HOST4"
		# What it has to say to those that have gone is said before it stands still.
		wait_for 20 no_connections || fail "connections are left: $(connections | head -n 3)"
		;;
	linux)
		let_run "$served" -- "$ternd_pid"
		$what linux "$CLIENT_NS" "$LINUX"
		;;
	esac
}

round()
{
	local who
	for who in $(in_turn "$1" tern linux); do
		as workloads "$who"
	done
	slower=$(printf '%.0f\n' "$(recorded rr100 tern)" "$(recorded rr100 linux)" | sort -n | head -n 1)
	for who in $(in_turn "$1" tern linux); do
		as paced "$who"
	done
}

conf idle=poll connections=16384 buffers=65536
tern_up
# A tap drops what its queue has no room for, 1000 packets; thousands of connections send more at once.
ip -n "$NS" link set "$TAP" txqueuelen 10000
many_ports "$NS"
linux_up
rounds round
let_run "$ternd_pid" "$served"
table <<ROWS
object     | objects of 2 MB on one connection         | Gbit/s | tern | linux |
rtt        | 64 bytes there and back, median           | us     | tern | linux |
rr100      | 64 bytes there and back, 100 connections  | 1/s    | tern | linux |
rr100_p99  | the same, 99th percentile                 | us     | tern | linux |
rr1600     | 1,600 connections                         | 1/s    | tern | linux |
rr1600_p99 | the same, 99th percentile                 | us     | tern | linux |
rr4800     | 4,800 connections                         | 1/s    | tern | linux |
rr4800_p99 | the same, 99th percentile                 | us     | tern | linux |
crr        | a connection for each request             | 1/s    | tern | linux |
crr_p99    | the same, 99th percentile                 | us     | tern | linux |
p50_50     | at 50 % of the slower's rate, median      | us     | tern | linux |
p99_50     | the same, 99th percentile                 | us     | tern | linux |
p50_80     | at 80 %, median                           | us     | tern | linux |
p99_80     | the same, 99th percentile                 | us     | tern | linux |
bulk16     | 16 streams from the server                | Gbit/s | tern | linux |
ROWS
tern_idle
tern_down
