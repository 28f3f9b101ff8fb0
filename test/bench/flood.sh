#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The loads of conf/pktgen, sent by dpdk-testpmd, which by itself sends UDP only, from a capture that
# conf/pktgen/frames.py makes; over a memif, without huge pages:
#
#     testpmd: net_pcap (16,384 frames, over and over) -> net_memif - net_memif: ternd
#
# and the same by tern bench flood, from another ternd in testpmd's place. What ternd takes and answers in a second.
# The last processor is ternd's, the sender has the first.
#
#     BENCH_ROUNDS=5 BENCH_SECONDS=2 sudo -E test/bench/flood.sh
. "$(dirname "$0")/bench.sh"

command -v dpdk-testpmd >/dev/null || skip "dpdk-testpmd is not installed"
FRAMES=$TERN_TOP/conf/pktgen/frames.py
MEMIF=/run/$NAME.memif
LOADS=(syn ack data64 data1518)

flood_cleanup()
{
	local status=$?
	rm -f "$MEMIF"
	(exit $status)
	bench_cleanup
}
trap flood_cleanup EXIT

# ternd listens on the memif, and has a gateway, to whom its answers go.
flood_conf()
{
	conf idle=poll
	sed -i -e "s|^eal .*|eal = --no-pci --vdev=net_memif0,role=server,id=0,socket=$MEMIF,socket-abstract=no,mac=02:00:00:00:00:02|" \
		-e "s|^ipv4 .*|ipv4 = 198.18.1.2/24\ngateway4 = 198.18.1.1|" "$tmp/ternd.conf"
}

flooded_up()
{
	ternd_start "" "$log" "$TERND" -c "$tmp/ternd.conf"
	wait_for 30 tern_ready_or_dead
	ternd_alive || fail "ternd ended at its start"
}

# testpmd_begin LOAD: starts ternd and testpmd, and waits until it sends; sets sender and sender_input.
testpmd_begin()
{
	local name=send-$1
	flooded_up
	[ -p "$tmp/$name.in" ] || mkfifo "$tmp/$name.in"
	prefixes="$prefixes $NAME-$name"
	stdbuf -oL dpdk-testpmd --no-pci --no-huge -m 256 --file-prefix "$NAME-$name" --no-telemetry \
		"--lcores=0@(0-$last),1@0" --vdev="net_pcap0,rx_pcap=$tmp/$1.pcap,infinite_rx=1" \
		--vdev="net_memif0,role=client,id=0,socket=$MEMIF,socket-abstract=no" -- \
		--forward-mode=io --total-num-mbufs=32768 <"$tmp/$name.in" >"$tmp/$name.log" 2>&1 &
	sender=$!
	started="$started $sender"
	exec {sender_input}>"$tmp/$name.in"
	wait_for 30 grep -q 'link up' "$log" || fail "dpdk-testpmd: $(tail -n 5 "$tmp/$name.log")"
}

# The ternd that sends, with hosts beyond it as in frames.py.
sender_conf()
{
	cat >"$tmp/sender.conf" <<END
[dataplane]
name = $NAME-sender
eal = --no-pci --lcores=0@(0-$last),1@0 --vdev=net_memif0,role=client,id=0,socket=$MEMIF,socket-abstract=no,mac=02:00:00:00:00:01
hugepages = no
idle = poll
[port 0]
ipv4 = 198.18.1.1/24
END
}

# bench_begin LOAD: starts ternd and tern bench, and waits until it sends; sets sender.
bench_begin()
{
	local segments=("$1")
	case $1 in
	data64) segments=(data --size 6) ;;
	data1518) segments=(data --size 1460) ;;
	esac
	flooded_up
	prefixes="$prefixes $NAME-sender"
	timeout 120 "$TERN" bench flood 198.18.1.2:80 -c "$tmp/sender.conf" --segments "${segments[@]}" --from 10.0.0.0/24 \
		--seconds $((DURATION + 4)) >"$tmp/sender.log" 2>&1 &
	sender=$!
	started="$started $sender"
	wait_for 30 is_flooded || fail "tern bench: $(cat "$tmp/sender.log")"
}

is_flooded()
{
	kill -0 "$sender" && [ "$(figures | cut -d ' ' -f 2)" -gt 1000 ]
}

# Here the sender ends first, by itself: a ternd that has lost its peer is well.
bench_end()
{
	wait "$sender" || fail "tern bench: $(cat "$tmp/sender.log")"
	ternd_stop
	[ "$ternd_status" -eq 0 ] || fail "ternd ended with status $ternd_status"
}

# ternd first: net_memif does not survive it for certain when its peer goes in the midst of packets.
testpmd_end()
{
	"$TERN" stats | grep -E 'syncookies_sent|rsts_out|drop_' >"$tmp/counters.$1"
	ternd_stop
	[ "$ternd_status" -eq 0 ] || fail "ternd ended with status $ternd_status"
	exec {sender_input}>&-
	wait_for 10 flood_gone || kill -KILL "$sender"
	wait "$sender" 2>/dev/null
}

flood_gone()
{
	! kill -0 "$sender" || [ "$(awk '$1 == "State:" { print $2 }' "/proc/$sender/status")" = Z ]
}

# Prints the time, and what ternd took, answered by a SYN-ACK or reset, and sent.
figures()
{
	"$TERN" stats --json | /usr/bin/python3 -c '
import json, sys, time
lanes = json.load(sys.stdin)["lanes"]
def total(group, name):
    return sum(lane[group][name] for lane in lanes)
print(time.monotonic(), total("tcp", "segs_in"), total("tcp", "segs_out"), total("tcp", "rsts_out"))'
}

# one WHO LOAD: what ternd takes of it from this sender.
one()
{
	local who=$1 load=$2 before after
	"${who}_begin" "$load"
	sleep 0.5
	before=$(figures)
	sleep "$DURATION"
	after=$(figures)
	"${who}_end" "$load"
	# shellcheck disable=SC2046
	set -- $(awk -v b="$before" -v a="$after" 'BEGIN {
		split(b, p); split(a, q); t = q[1] - p[1]
		printf "%.0f %.0f %.0f", (q[2] - p[2]) / t, (q[3] - p[3]) / t, (q[4] - p[4]) / t }')
	[ "$1" -gt 0 ] && [ "$2" -gt 0 ] || fail "$load by $who: ternd takes $1 and answers $2 a second"
	case $load in
	syn) [ "$3" -lt $(($2 / 2)) ] || fail "resets are the answer to SYNs" ;;
	*) [ "$3" -gt 0 ] || fail "$load by $who: no resets" ;;
	esac
	record "$load" "$who" "$1"
}

round()
{
	local load who
	for load in "${LOADS[@]}"; do
		for who in $(in_turn "$1" testpmd bench); do
			one "$who" "$load"
		done
	done
}

for load in "${LOADS[@]}"; do
	case $load in
	data*) /usr/bin/python3 "$FRAMES" data "$tmp/$load.pcap" --size "${load#data}" ;;
	*) /usr/bin/python3 "$FRAMES" "$load" "$tmp/$load.pcap" ;;
	esac || fail "no frames"
done
flood_conf
sender_conf
rounds round
table <<ROWS
syn      | SYNs of 16,384 flows that ternd takes, over memif  | 1/s | bench | testpmd |
ack      | ACKs of 16,384 flows that nobody has               | 1/s | bench | testpmd |
data64   | data for flows that nobody has, frames of 64 bytes | 1/s | bench | testpmd |
data1518 | the same, frames of 1518 bytes                     | 1/s | bench | testpmd |
ROWS
for load in "${LOADS[@]}"; do
	say "$load, of the last round:"
	cat "$tmp/counters.$load"
done
