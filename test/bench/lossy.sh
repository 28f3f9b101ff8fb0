#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Goodput of one download over a bad link, Tern and Linux as its sender in turn, Linux as its receiver:
#
#     ternd - net_tap ---+
#                        +--- forwarder - veth - Linux
#     Linux - veth ------+
#
# Both send over the same kind of link with the same loss, delay and seeds; both control congestion by
# CUBIC; no interface has an offload, so that a loss is a loss of one segment. The receiver checks each
# byte. What the table says is the ratio.
#
# Whether a frame is lost depends on its seed and number, not on time: both meet the same pattern. Many
# short rounds, the two in turn, make a median that one bad moment of the machine does not move. What
# takes part goes before the machine's other work; and a round in which some of it (ternd's polling lane,
# the server, the forwarder, the kernel's own threads for packets) was kept from its CPU for more than 5 %
# of the time says nothing of TCP and is made again with another seed.
#
#     BENCH_ROUNDS=15 BENCH_MIB=4 BENCH_LOSS=0.01 BENCH_DELAY_MS=5 sudo -E ./test/run bench
. "$(dirname "$0")/../interop/lossy_link.sh"
USUAL_ROUNDS=15
. "$(dirname "$0")/rounds.sh"

MIB=${BENCH_MIB:-4}
LOSS=${BENCH_LOSS:-0.01}
DELAY_MS=${BENCH_DELAY_MS:-5}
BYTES=$((MIB * 1024 * 1024))
LINUX=198.18.0.3
SERVER_NS=$NAME-server
server_pid=

bench_cleanup()
{
	local status=$?
	[ -z "$server_pid" ] || kill -TERM "$server_pid" 2>/dev/null
	[ -z "$ternd_pid" ] || kill -CONT "$ternd_pid" 2>/dev/null
	netns_del "$SERVER_NS"
	(exit $status)
	lossy_cleanup
}
trap bench_cleanup EXIT

# The kernel's TCP as a sender of what `client download` wants.
linux_up()
{
	veth_up "$SERVER_NS" "vs$$" "vl$$" "$LINUX/24"
	netns_write "$SERVER_NS" net/ipv4/tcp_congestion_control cubic
	# Each download starts as the first did.
	netns_write "$SERVER_NS" net/ipv4/tcp_no_metrics_save 1
	"$CLIENT" pattern "$BYTES" >"$tmp/body"
	ip netns exec "$SERVER_NS" /usr/bin/python3 - "$LINUX" "$tmp/body" >"$tmp/server" 2>&1 <<'END' &
import socket, sys
body = open(sys.argv[2], "rb").read()
listener = socket.create_server((sys.argv[1], 80))
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    connection.close()
END
	server_pid=$!
	wait_for 10 grep -q ready "$tmp/server" || fail "the server: $(cat "$tmp/server")"
	[ "$(ip netns exec "$SERVER_NS" cat /proc/sys/net/ipv4/tcp_congestion_control)" = cubic ] ||
		skip "this kernel has no CUBIC"
}

# waited PID [NAME]: microseconds that its threads, those with that name, have waited for a CPU.
waited()
{
	local task sum=0 wait
	for task in "/proc/$1/task/"*; do
		case $(cat "$task/comm") in ${2:-}*) ;; *) continue ;; esac
		read -r _ wait _ <"$task/schedstat"
		sum=$((sum + wait / 1000))
	done
	echo $sum
}

# What everything that takes part in WHO's download has waited so far.
waited_all()
{
	local sum=0 pid
	for pid in "$forwarder_pid" $(pgrep -x 'ksoftirqd/.*'); do
		sum=$((sum + $(waited "$pid")))
	done
	if [ "$1" = tern ]; then
		sum=$((sum + $(waited "$ternd_pid" rte-worker)))
	else
		sum=$((sum + $(waited "$server_pid")))
	fi
	echo $sum
}

# download WHO SEED: one download, recorded; says so if a part of it could not run when it wanted to.
download()
{
	local host=$LINUX interface="vl$$" before waited seconds
	if [ "$1" = tern ]; then
		host=$HOST4 interface=$TAP
		kill -CONT "$ternd_pid"
	else
		kill -STOP "$ternd_pid"
	fi
	forwarder_up "$interface" "vf$$" --loss "$LOSS" --delay "$DELAY_MS" --seed "$2"
	before=$(waited_all "$1")
	client download "$host" 80 "$BYTES" >"$tmp/transfer" || fail "a download from $1"
	waited=$(($(waited_all "$1") - before))
	# The end of the connection crosses the link, too.
	[ "$1" = linux ] || wait_for 20 no_connections || fail "connections are left"
	forwarder_down >"$tmp/forwarded"
	seconds=$(sed -n 's/.* in \([0-9.]*\) s,.*/\1/p' "$tmp/transfer")
	record goodput "$1" "$(awk -v b="$BYTES" -v s="$seconds" 'BEGIN { printf "%.3f", b * 8e-6 / s }')"
	awk -v w=$waited -v s="$seconds" 'BEGIN { exit w * 1e-6 <= 0.05 * s }' &&
		disturbed="$1 waited $waited us for a processor"
	return 0
}

seed=0
round()
{
	local who
	seed=$((seed + 1))
	for who in $(in_turn "$1" tern linux); do
		download "$who" "$seed"
	done
}

printf '#!/bin/sh\nexec chrt -f 10 %s "$@"\n' "$FORWARDER" >"$tmp/forwarder.sh"
chmod +x "$tmp/forwarder.sh"
FORWARDER=$tmp/forwarder.sh
conf
lossy_tern_up
linux_up
go_first $$
go_first "$server_pid"
go_first "$ternd_pid"
rounds round
kill -CONT "$ternd_pid"
table <<ROWS
goodput | one download of $MIB MiB, loss $LOSS, $DELAY_MS ms each way, CUBIC | Mbit/s | tern | linux |
ROWS
tern_idle
tern_down
