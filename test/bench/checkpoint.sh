#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What it takes to let connections go and to take them in again, in microseconds a connection, with empty
# queues (one connection, and 10,000) and with 64 KiB in them (one, and 1,000; BENCH_LOADED says how many):
#
#     Linux      a program dumps and restores its connections by TCP_REPAIR, in a namespace, over veth
#     program    one on libtern, by tern_checkpoint() and tern_restore(), a call each
#     command    `tern checkpoint` and `tern restore` for all of a service; from ternd's log, that is
#                without the start of the command and its pipe
#     single     from tern_checkpoint() in one ternd to the first packet that leaves a second ternd
#
# Nobody answers any of them, and all ask their peer what it has; what waits to be acknowledged is sent
# again meanwhile, on both sides. The figures are of the clock on the wall: others on the machine count. With two processors the lane has one,
# programs the other; the second ternd's lane shares that one.
#
#     BENCH_ROUNDS=5 BENCH_CONNECTIONS=10000 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

ROUNDS=${BENCH_ROUNDS:-5}
CONNECTIONS=${BENCH_CONNECTIONS:-10000}
LOADED=${BENCH_LOADED:-1000}
PROGRAM=$BUILD/test/bench/checkpoint
PEER=198.18.0.3
KERNEL_NS=$NAME-kernel
OTHER=$NAME-other
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
	rm -f "$images"
	ternd_remains_remove "$OTHER"
	(exit $status)
	interop_cleanup
}
images=/dev/shm/$NAME
trap bench_cleanup EXIT

# deaf NAMESPACE INTERFACE: an address there that answers nobody.
deaf()
{
	ip -n "$1" address add $PEER/32 dev "$2"
	ip netns exec "$1" nft "add table inet deaf
		add chain inet deaf in { type filter hook input priority 0; }
		add rule inet deaf in ip daddr $PEER drop" || fail "no address that answers nobody"
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
	deaf "$OTHER" "$OTHER_TAP"
}

# record WHO CONNECTIONS BYTES VALUES…
record()
{
	echo "$@" >>"$tmp/results"
	say "$*"
}

measure_linux()
{
	local values
	values=$(ip netns exec "$KERNEL_NS" "${on_server[@]}" "$PROGRAM" kernel calls $HOST4 $PEER "$1" "$2" "$3") ||
		fail "Linux, $1 connections, $2 bytes"
	record Linux "$1" "$2" $values
}

measure_program()
{
	local values
	values=$("${on_client[@]}" "$PROGRAM" tern once $HOST4 $PEER "$1" "$2" "$3") ||
		fail "program, $1 connections, $2 bytes"
	record program "$1" "$2" $values
}

# logged FROM WHAT: the milliseconds that ternd's log tells about it from a line on, all requests together.
logged()
{
	tail -n +"$1" "$log" | awk -v what="$2 for process" '$0 ~ what && match($0, /[0-9.]+ ms/) {
			sum += substr($0, RSTART, RLENGTH - 3) } END { print sum + 0 }'
}

# The echo service's connections leave and return. At first they are a program's; what they had received,
# the service has queued to be sent from its first look on.
measure_command()
{
	local round from
	"${on_client[@]}" "$PROGRAM" tern hold $HOST4 $PEER "$1" "$2" 1 >"$tmp/held" &
	holder=$!
	wait_for 60 grep -q ready "$tmp/held" || fail "no connections to move"
	"${on_client[@]}" "$TERN" checkpoint --pid $holder - >"$images" || fail "tern checkpoint"
	kill $holder
	wait $holder 2>/dev/null
	holder=
	for round in $(seq "$3"); do
		from=$(($(wc -l <"$log") + 1))
		"${on_client[@]}" "$TERN" restore --service echo - <"$images" >"$tmp/in" || fail "tern restore: $(cat "$tmp/in")"
		grep -q "^$1 connections restored" "$tmp/in" || fail "tern restore: $(cat "$tmp/in")"
		"${on_client[@]}" "$TERN" checkpoint --service echo - >"$images" 2>"$tmp/out" || fail "tern checkpoint: $(cat "$tmp/out")"
		record command "$1" "$2" "$(logged $from checkpoint)" "$(logged $from restore)"
	done
}

measure_single()
{
	local values
	values=$("${on_client[@]}" "$PROGRAM" single $HOST4 $PEER "$1" 100 "/run/tern/$OTHER.sock" "/run/netns/$OTHER" "$OTHER_TAP") ||
		fail "single, $1 bytes"
	record single 1 "$1" $values
}

most=$((LOADED > CONNECTIONS / 8 ? LOADED : CONNECTIONS / 8))
conf connections=131072 buffers=$((most * 72 + 65536))
sed -i "/^\[limits\]/a program_sockets = $((CONNECTIONS + 4096))\nprogram_blocks = $((most * 36 + 4096))" "$tmp/ternd.conf"
tern_up
deaf "$NS" "$TAP"
kernel_up
read -r steal_before all_before < <(steal)
for bytes in 0 65536; do
	many=$CONNECTIONS
	[ $bytes = 0 ] || many=$LOADED
	measure_linux 1 $bytes 100
	measure_program 1 $bytes 100
	measure_linux "$many" $bytes "$ROUNDS"
	measure_program "$many" $bytes "$ROUNDS"
	measure_command "$many" $bytes "$ROUNDS"
done
other_up
measure_single 0
measure_single 65536
read -r steal_after all_after < <(steal)

/usr/bin/python3 - "$tmp/results" $((steal_after - steal_before)) $((all_after - all_before)) <<'END'
import statistics, sys

rows, commands = {}, {}
for line in open(sys.argv[1]):
    who, n, size, *values = line.split()
    values = [float(v) for v in values]
    if who == "command":
        commands.setdefault((int(size), int(n)), []).append([1000 * v / int(n) for v in values])
    else:
        rows[int(size), int(n), who] = values
for (size, n), rounds in commands.items():
    rows[size, n, "command"] = [f(column) for column in zip(*rounds) for f in (statistics.median, min, max)]

def cell(values):
    return "%.2f (%.2f … %.2f)" % tuple(values)

print()
print("| bytes queued | connections | who | checkpoint, µs: median (range) | restore, µs | both, Linux = 1 |")
print("|---|---|---|---|---|---|")
for (size, n, who), values in sorted(rows.items(), key=lambda row: row[0][:2]):
    if who == "single":
        continue
    linux = rows[size, n, "Linux"]
    print("| %d | %d | %s | %s | %s | %.2f |" % (size, n, who, cell(values[:3]), cell(values[3:]),
                                              (values[0] + values[3]) / (linux[0] + linux[3])))
for (size, n, who), values in sorted(rows.items()):
    if who == "single":
        print("\nFrom one ternd to the first packet out of another, %d bytes queued: %s µs" % (size, cell(values)))
print("Steal: %.1f %% of the processors' time was taken by the machine's host." %
      (100 * int(sys.argv[2]) / max(1, int(sys.argv[3]))))
END
tern_down
