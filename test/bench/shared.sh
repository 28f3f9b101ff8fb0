#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Tern to Tern over shared memory, memif (and `zerocopy`, whose client does not copy), and virtio-user to vhost, beside
# what there is to reach, in one run, in turn:
#
#     floor   two dpdk-testpmd on the same devices: 32 frames of the same size that go to and fro without end, or
#             full frames one way
#     machine frames copied by one processor and read by the other, over such a ring, and nothing else (lines.c)
#     linux   load to load on the kernel's TCP, over a veth pair without offloads
#
# Tern's client is the generator in a lane (`tern bench`), its server the one in another ternd's. Each side has a
# processor. Checksums are made and verified in software, by Tern and by Linux; testpmd looks at nothing.
#
#     BENCH_ROUNDS=5 BENCH_SECONDS=2 BENCH_LINKS="memif zerocopy vhost" sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

LINKS=${BENCH_LINKS:-memif zerocopy vhost}
BYTES=1024
HEADERS=66 # Ethernet, IPv4, TCP with timestamps
FRAMES=32  # of testpmd's first burst, and as many connections
PEER=198.18.0.3

command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed"
command -v ethtool >/dev/null || skip "ethtool is not installed"
[ $last -ge 1 ] || skip "needs two processors"

# device LINK server|client NAME: what EAL is told; the server is started first.
device()
{
	case $1-$2 in
	memif-server) echo "--vdev=net_memif0,role=server,socket=$tmp/$3.sock,socket-abstract=no" ;;
	memif-client) echo "--vdev=net_memif0,role=client,socket=$tmp/$3.sock,socket-abstract=no" ;;
	zerocopy-server) echo "--vdev=net_memif0,role=server,socket=$tmp/$3.sock,socket-abstract=no" ;;
	zerocopy-client) echo "--vdev=net_memif0,role=client,zero-copy=yes,socket=$tmp/$3.sock,socket-abstract=no" ;;
	vhost-server) echo "--single-file-segments --vdev=net_vhost0,iface=$tmp/$3.sock,queues=1" ;;
	vhost-client) echo "--single-file-segments --vdev=net_virtio_user0,path=$tmp/$3.sock,queues=1" ;;
	esac
}

# ternd_on LINK server|client ADDRESS CPU: a ternd with a generator; sets ternd_on_pid. A ternd that has a single
# processor for everything would yield it.
ternd_on()
{
	local link=$1 side=$2 address=$3 cpu=$4 name=$NAME-$1-$2
	cat >"$tmp/$name.conf" <<END
[dataplane]
name      = $name
eal       = --no-pci --lcores=0@(0-$last),1@$cpu $(device "$link" "$side" "$link")
lanes     = 1
hugepages = $hugepages
idle      = poll
[port 0]
ipv4 = $address/24
[tcp]
timewait = 1
[limits]
connections = 8192
timewait    = 131072
buffers     = 65536
[service bench]
listen = *:7700
END
	prefixes="$prefixes $name"
	"$TERND" -c "$tmp/$name.conf" >"$tmp/$name.log" 2>&1 </dev/null &
	ternd_on_pid=$!
	started="$started $ternd_on_pid"
	TERN_SOCKET=/run/tern/$name.sock wait_for 60 timeout 2 "$TERN" version ||
		fail "no ternd on $link: $(tail -n 5 "$tmp/$name.log")"
}

# pair_up LINK: sets pids[LINK].
declare -A pids
pair_up()
{
	ternd_on "$1" server $PEER "$last"
	pids[$1]=$ternd_on_pid
	ternd_on "$1" client "$HOST4" 0
	pids[$1]="${pids[$1]} $ternd_on_pid"
	TERN_SOCKET=/run/tern/$NAME-$1-client.sock wait_for 20 timeout 10 "$TERN" bench rr $PEER --greet -n 1 \
		--warmup 0 --seconds 1 || fail "no way over $1: $(tail -n 3 "$tmp/$NAME-$1"-*.log)"
}

# bench LINK WHAT=EXPRESSION… -- ARGUMENTS…: tern bench there; records expressions of its result r.
bench()
{
	local link=$1 expressions=() pair value
	shift
	while [ "$1" != -- ]; do
		expressions+=("$1")
		shift
	done
	shift
	TERN_SOCKET=/run/tern/$NAME-$link-client.sock timeout 60 "$TERN" bench "$1" $PEER --greet "${@:2}" \
		--warmup 0.5 --seconds "$DURATION" --json >"$tmp/bench" 2>&1 ||
		fail "tern bench $* over $link: $(cat "$tmp/bench")"
	for pair in "${expressions[@]}"; do
		value=$(/usr/bin/python3 -c '
import json, sys
r = json.load(open(sys.argv[1]))
assert r["errors"] == 0, r
print(eval(sys.argv[2]))' "$tmp/bench" "${pair#*=}") || fail "tern bench $* over $link: $(cat "$tmp/bench")"
		record "${pair%%=*}" "$link" "$value"
	done
}

# testpmd_on LINK server|client CPU ARGUMENTS…: sets testpmd_pid. It looks at its input and finds nothing there.
testpmd_on()
{
	local link=$1 side=$2 cpu=$3 name=$NAME-$1-floor-$2
	shift 3
	prefixes="$prefixes $name"
	# shellcheck disable=SC2046,SC2086
	stdbuf -oL dpdk-testpmd --no-pci $memory --file-prefix "$name" --no-telemetry \
		"--lcores=0@(0-$last),1@$cpu" $(device "$link" "$side" floor) -- --stats-period=1 \
		--total-num-mbufs=16384 "$@" <&8 >"$tmp/floor.$side" 2>&1 &
	testpmd_pid=$!
	started="$started $testpmd_pid"
}

# floor LINK WHAT READER SCALE SERVER-MODE CLIENT-ARGUMENTS…: frames a second that come to the reader, server or
# client; recorded times SCALE.
floor()
{
	local link=$1 what=$2 reader=$3 scale=$4 server=$5 server_pid rate
	shift 5
	testpmd_on "$link" server $last --forward-mode="$server"
	server_pid=$testpmd_pid
	wait_for 20 test -S "$tmp/floor.sock" || fail "dpdk-testpmd: $(tail -n 5 "$tmp/floor.server")"
	sleep 1
	testpmd_on "$link" client 0 "$@"
	sleep $((DURATION + 4))
	kill -INT $testpmd_pid $server_pid
	wait_for 5 sh -c "! kill -0 $testpmd_pid && ! kill -0 $server_pid" || kill -KILL $testpmd_pid $server_pid
	wait $testpmd_pid $server_pid 2>/dev/null
	rm -f "$tmp/floor.sock"
	# The first second and the last are not whole.
	rate=$(grep -ao 'Rx-pps: *[0-9]*' "$tmp/floor.$reader" | awk '{ v[NR] = $2 } END { print v[NR - 1] + 0 }')
	[ "$rate" -gt 0 ] || fail "testpmd over $link carries nothing: $(tail -n 12 "$tmp/floor.$reader")"
	record "$what" "$link-floor" "$(awk -v r="$rate" -v s="$scale" 'BEGIN { print r * s }')"
}

everybody()
{
	echo "${pids[@]}" "$served"
}

round()
{
	local who
	# shellcheck disable=SC2046
	let_run -- $(everybody)
	way
	# shellcheck disable=SC2046,SC2086
	for who in $(in_turn "$1" $LINKS linux); do
		case $who in
		linux)
			let_run "$served" -- ${pids[@]}
			take linux "$CLIENT_NS" rr=rate rr_p50=p50_us rr_p99=p99_us -- rr $LINUX --size $BYTES --connections $FRAMES
			take linux "$CLIENT_NS" crr=rate -- get $LINUX --connections 64 --close
			take linux "$CLIENT_NS" bulk=gbit_s -- up $LINUX
			;;
		*)
			let_run ${pids[$who]} -- $(everybody | tr ' ' '\n' | grep -vxF "$(tr ' ' '\n' <<<"${pids[$who]}")")
			bench "$who" rr='r["requests_per_s"]' rr_p50='r["latency_us"]["p50"]' rr_p99='r["latency_us"]["p99"]' \
				-- rr -n $FRAMES --size $BYTES
			bench "$who" crr='r["requests_per_s"]' -- crr -n 64 --close server
			bench "$who" bulk='r["gbit_out_per_s"]' -- stream --direction up
			let_run -- $(everybody)
			[ "$who" != zerocopy ] || continue # memif's floor is its own
			floor "$who" rr client 1 macswap --forward-mode=macswap --tx-first --txpkts=$((BYTES + HEADERS))
			floor "$who" bulk server "$(awk 'BEGIN { print 1448 * 8e-9 }')" rxonly --forward-mode=txonly --txpkts=1514
			;;
		esac
	done
}

hugepages=no memory='--no-huge -m 256'
if hugepages_reserve "${BENCH_HUGEPAGES:-1536}"; then
	hugepages=auto memory='-m 256'
fi
say "huge pages: $hugepages"
mkfifo "$tmp/nothing"
exec 8<>"$tmp/nothing"
linux_up
for link in $LINKS; do
	pair_up "$link"
	# shellcheck disable=SC2086
	let_run -- ${pids[$link]}
done
rounds round
for link in $LINKS; do
	# shellcheck disable=SC2086
	let_run ${pids[$link]}
	goal_rr= goal_crr= goal_bulk=
	[ "$link" = vhost ] || goal_rr='>= 2e6' goal_crr='>= 5e5' goal_bulk='>= 60'
	cat <<ROWS
rr     | 1 kB there and back over $link, 32 connections | 1/s | $link | | $goal_rr
rr     | the same, beside testpmd                       | 1/s | $link | $link-floor |
rr     | the same, beside Linux                         | 1/s | $link | linux |
rr_p50 | the same, median                               | us  | $link | linux |
rr_p99 | the same, 99th percentile                      | us  | $link | linux |
crr    | a connection for each request over $link       | 1/s | $link | | $goal_crr
crr    | the same, beside Linux                         | 1/s | $link | linux |
bulk   | one stream over $link, MTU 1500                | Gbit/s | $link | | $goal_bulk
bulk   | the same, beside testpmd                       | Gbit/s | $link | $link-floor |
bulk   | the same, beside Linux                         | Gbit/s | $link | linux |
ROWS
done | grep -v zerocopy-floor >"$tmp/said.rows" # it has memif's
cat >>"$tmp/said.rows" <<ROWS
line   | a cache line there and back between two processors | us | machine | |
copied | full frames copied from one into the other's cache | Gbit/s | machine | |
ROWS
table <"$tmp/said.rows"
