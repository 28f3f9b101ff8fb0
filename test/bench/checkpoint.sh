#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What it takes to let connections go and to take them in again, in microseconds a connection, with empty
# queues (one connection, and 10,000) and with 64 KiB in them (one, and 1,000; BENCH_LOADED says how many):
#
#     Linux      a program dumps and restores its connections by TCP_REPAIR, in a namespace, over veth
#     program    one on libtern, by tern_checkpoint() and tern_restore(), a call each
#     command    `tern checkpoint` and `tern restore` for all of a service; from ternd's log, that is
#                without the start of the command and its pipe; a checkpoint ends when they have left, a
#                restore when all go on. When all their peers are asked, too, is a row of its own
#     af_packet  the same over another device: a question to a peer costs net_tap a system call, af_packet
#                takes a burst by one
#     single     from tern_checkpoint() in one ternd to the first packet that leaves a second ternd;
#                BENCH_SINGLES of them in a round, one after the other: their median
#
# Nobody answers any of them, and all ask their peer what it has; what waits to be acknowledged is sent
# again meanwhile, on both sides. The figures are of the clock on the wall: others on the machine count. With two processors the lane has one,
# programs the other; the second ternd's lane shares that one.
#
#     BENCH_ROUNDS=5 BENCH_CONNECTIONS=10000 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

CONNECTIONS=${BENCH_CONNECTIONS:-10000}
LOADED=${BENCH_LOADED:-1000}
SINGLES=${BENCH_SINGLES:-50}
PROGRAM=$BUILD/test/bench/checkpoint
PEER=198.18.0.3
KERNEL_NS=$NAME-kernel
OTHER=$NAME-other
VETH_NS=$NAME-veth
OTHER_TAP=o$$
holder=
other_pid=

command -v nft >/dev/null || skip "no nft: package nftables"
[ $last -ge 1 ] || skip "needs two processors"
ulimit -n 20000 || skip "needs 20000 descriptors"

bench_cleanup()
{
	local status=$? pid
	for pid in $holder $other_pid; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	netns_del "$KERNEL_NS"
	netns_del "$OTHER"
	netns_del "$VETH_NS"
	rm -f "$images"
	ternd_remains_remove "$OTHER"
	(exit $status)
	interop_cleanup
}
images=/dev/shm/$NAME
trap bench_cleanup EXIT

# unheard NAMESPACE INTERFACE: what comes there for the peer goes no further: who sends to a device without a
# processor of its own pays for what the receiver does, too.
unheard()
{
	ip netns exec "$1" nft "add table netdev deaf
		add chain netdev deaf in { type filter hook ingress device \"$2\" priority 0; }
		add rule netdev deaf in ip daddr $PEER drop" || fail "no address that answers nobody"
}

# deaf NAMESPACE INTERFACE: an address there that answers nobody.
deaf()
{
	ip -n "$1" address add $PEER/32 dev "$2"
	unheard "$1" "$2"
}

# A veth pair whose other end takes packets and has no address.
kernel_up()
{
	netns_add "$KERNEL_NS" || fail "cannot make a namespace"
	ip link add "vs$$" netns "$KERNEL_NS" type veth peer name "vc$$" netns "$KERNEL_NS" ||
		fail "cannot make a veth pair"
	ip -n "$KERNEL_NS" address add $HOST4/24 dev "vs$$"
	ip -n "$KERNEL_NS" link set "vs$$" up
	ip -n "$KERNEL_NS" link set "vc$$" arp off up
	unheard "$KERNEL_NS" "vc$$"
	ip -n "$KERNEL_NS" neighbour add $PEER lladdr 02:00:00:00:00:01 dev "vs$$" nud permanent
}

other_up()
{
	netns_add "$OTHER" || fail "cannot make a namespace"
	sed -e "s/$NAME/$OTHER/; s/iface=$TAP/iface=$OTHER_TAP --lcores=0@(0-$last),1@0/" "$tmp/ternd.conf" >"$tmp/other.conf"
	ip netns exec "$OTHER" "$TERND" -c "$tmp/other.conf" >"$tmp/other.log" 2>&1 </dev/null &
	other_pid=$!
	wait_for 30 env TERN_SOCKET="/run/tern/$OTHER.sock" timeout 2 "$TERN" version >/dev/null 2>&1 ||
		fail "no second ternd: $(cat "$tmp/other.log")"
	tap_up "$OTHER" "$OTHER_TAP" 198.18.0.1/24 || fail "cannot set up $OTHER_TAP"
	# Not as it arrives: who watches for packets of IP would not see them.
	ip -n "$OTHER" address add $PEER/32 dev "$OTHER_TAP"
	ip netns exec "$OTHER" nft "add table inet deaf
		add chain inet deaf in { type filter hook input priority 0; }
		add rule inet deaf in ip daddr $PEER drop" || fail "no address that answers nobody"
}

# A veth pair: ternd has the one end by af_packet, behind the other nobody answers. In place of the first ternd.
af_packet_up()
{
	ternd_stop
	netns_add "$VETH_NS" || fail "cannot make a namespace"
	ip link add "vt$$" netns "$NS" type veth peer name "vp$$" netns "$VETH_NS" || fail "cannot make a veth pair"
	ip -n "$NS" link set "vt$$" up
	ip -n "$VETH_NS" link set "vp$$" up
	ip -n "$VETH_NS" address add 198.18.0.1/24 dev "vp$$"
	deaf "$VETH_NS" "vp$$"
	sed "s/net_tap0,iface=$TAP/net_af_packet0,iface=vt$$,qpairs=1/" "$tmp/ternd.conf" >"$tmp/af_packet.conf"
	ternd_start "$NS" "$log" "$TERND" -c "$tmp/af_packet.conf"
	wait_for 30 tern_ready_or_dead
	ternd_alive || fail "ternd ended at its start"
}

# moved WHO CONNECTIONS BYTES OUT IN: records what it took to leave and to return.
moved()
{
	record "out-$2-$3" "$1" "$4"
	record "in-$2-$3" "$1" "$5"
	record "both-$2-$3" "$1" "$(awk -v a="$4" -v b="$5" 'BEGIN { print a + b }')"
}

# measure_linux CONNECTIONS BYTES TIMES: the median of so many times.
measure_linux()
{
	local values
	values=$(ip netns exec "$KERNEL_NS" "${on_server[@]}" "$PROGRAM" kernel calls $HOST4 $PEER "$1" "$2" "$3") ||
		fail "Linux, $1 connections, $2 bytes"
	# shellcheck disable=SC2086
	set -- "$1" "$2" $values # out: median, best, worst; in: the same
	moved linux "$1" "$2" "$3" "$6"
}

measure_program()
{
	local values
	values=$("${on_client[@]}" "$PROGRAM" tern once $HOST4 $PEER "$1" "$2" "$3") ||
		fail "program, $1 connections, $2 bytes"
	# shellcheck disable=SC2086
	set -- "$1" "$2" $values
	moved program "$1" "$2" "$3" "$6"
}

# logged FROM WHAT [BEFORE]: the milliseconds that ternd's log tells about it from a line on, the first that
# follow BEFORE, all requests together.
logged()
{
	tail -n +"$1" "$log" | awk -v what="$2" -v before="${3-}" '$0 ~ what && match($0, before "[0-9.]+ ms") {
			sum += substr($0, RSTART + length(before), RLENGTH - 3 - length(before)) } END { print sum + 0 }'
}

# The echo service's connections leave and return. At first they are a program's; what they had received,
# the service has queued to be sent from its first look on.
# measure_command WHO CONNECTIONS BYTES
measure_command()
{
	local who=$1 n=$2 bytes=$3 from out in asked
	: >"$tmp/held" # what the one before said must not be taken for its word
	"${on_client[@]}" "$PROGRAM" tern hold $HOST4 $PEER "$n" "$bytes" 1 >"$tmp/held" &
	holder=$!
	wait_for 60 grep -q ready "$tmp/held" || fail "no connections to move"
	"${on_client[@]}" "$TERN" checkpoint --pid $holder - >"$images" || fail "tern checkpoint"
	kill $holder
	wait $holder 2>/dev/null
	holder=
	from=$(($(wc -l <"$log") + 1))
	"${on_client[@]}" "$TERN" restore --service echo - <"$images" >"$tmp/in" || fail "tern restore: $(cat "$tmp/in")"
	grep -q "^$n connections restored" "$tmp/in" || fail "tern restore: $(cat "$tmp/in")"
	"${on_client[@]}" "$TERN" checkpoint --service echo - >"$images" 2>"$tmp/out" || fail "tern checkpoint: $(cat "$tmp/out")"
	out=$(logged "$from" "(checkpoint for process|after their checkpoint)")
	in=$(logged "$from" "restore for process")
	asked=$(logged "$from" "restore for process" "asked after ")
	record "asked-$n-$bytes" "$who" "$(awk -v ms="$asked" -v n="$n" 'BEGIN { print 1000 * ms / n }')"
	moved "$who" "$n" "$bytes" "$(awk -v ms="$out" -v n="$n" 'BEGIN { print 1000 * ms / n }')" \
		"$(awk -v ms="$in" -v n="$n" 'BEGIN { print 1000 * ms / n }')"
}

measure_single()
{
	local values median
	values=$("${on_client[@]}" "$PROGRAM" single $HOST4 $PEER "$1" "$SINGLES" "/run/tern/$OTHER.sock" "/run/netns/$OTHER" "$OTHER_TAP") ||
		fail "single, $1 bytes"
	read -r median _ <<<"$values"
	record "single-$1" tern "$median"
}

round()
{
	local bytes many
	for bytes in 0 65536; do
		many=$CONNECTIONS
		[ $bytes = 0 ] || many=$LOADED
		measure_linux 1 $bytes 20
		measure_program 1 $bytes 20
		measure_linux "$many" $bytes 1
		measure_program "$many" $bytes 1
		measure_command command "$many" $bytes
	done
}

round_single()
{
	measure_single 0
	measure_single 65536
}

round_af_packet()
{
	measure_command af_packet "$CONNECTIONS" 0
	measure_command af_packet "$LOADED" 65536
}

# rows CONNECTIONS BYTES WHO…
rows()
{
	local n=$1 bytes=$2 who
	shift 2
	for who in "$@"; do
		cat <<ROWS
out-$n-$bytes  | checkpoint by $who, $n connections, $bytes bytes queued | us | $who | linux |
in-$n-$bytes   | restore | us | $who | linux |
both-$n-$bytes | both    | us | $who | linux |
ROWS
		[ "$who" = program ] || echo "asked-$n-$bytes | restore, until all peers are asked | us | $who | |"
	done
}

most=$((LOADED > CONNECTIONS / 8 ? LOADED : CONNECTIONS / 8))
conf idle=poll connections=131072 buffers=$((most * 72 + 65536))
sed -i "/^\[limits\]/a program_sockets = $((CONNECTIONS + 4096))\nprogram_blocks = $((most * 36 + 4096))" "$tmp/ternd.conf"
tern_up
deaf "$NS" "$TAP"
kernel_up
rounds round
other_up
rounds round_single
af_packet_up
rounds round_af_packet
{
	rows 1 0 program
	rows "$CONNECTIONS" 0 program command af_packet
	rows 1 65536 program
	rows "$LOADED" 65536 program command af_packet
	echo "single-0     | one, from one ternd to its first packet out of another, idle | us | tern | |"
	echo "single-65536 | the same, 65536 bytes queued                                 | us | tern | |"
} | table
ternd_stop
[ "$ternd_status" -eq 0 ] || fail "ternd ended with status $ternd_status"
