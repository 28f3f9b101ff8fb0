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
#     BENCH_ROUNDS=5 BENCH_MIB=16 BENCH_LOSS=0.01 BENCH_DELAY_MS=5 sudo -E ./test/run bench
. "$(dirname "$0")/../interop/lossy_link.sh"

ROUNDS=${BENCH_ROUNDS:-5}
MIB=${BENCH_MIB:-16}
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

# download WHO SEED: Mbit/s of one download.
download()
{
	local host=$LINUX interface="vl$$"
	if [ "$1" = tern ]; then
		host=$HOST4 interface=$TAP
		kill -CONT "$ternd_pid"
	else
		kill -STOP "$ternd_pid"
	fi
	forwarder_up "$interface" "vf$$" --loss "$LOSS" --delay "$DELAY_MS" --seed "$2"
	client download "$host" 80 "$BYTES" >"$tmp/transfer" || fail "a download from $1"
	forwarder_down >"$tmp/forwarded"
	echo "$1 $(sed -n 's/.* in \([0-9.]*\) s,.*/\1/p' "$tmp/transfer")" >>"$tmp/results"
}

conf
lossy_tern_up
linux_up
for round in $(seq "$ROUNDS"); do
	order='tern linux'
	[ $((round % 2)) -eq 1 ] || order='linux tern'
	for who in $order; do
		download "$who" "$round"
	done
	say "round $round of $ROUNDS done"
done
kill -CONT "$ternd_pid"

say "One download of $MIB MiB, loss $LOSS, $DELAY_MS ms each way, CUBIC; $ROUNDS rounds, Linux $(uname -r)"
/usr/bin/python3 - "$tmp/results" "$BYTES" <<'END'
import statistics, sys

rates = {}
for line in open(sys.argv[1]):
    who, seconds = line.split()
    rates.setdefault(who, []).append(int(sys.argv[2]) * 8e-6 / float(seconds))
print()
print("| sender | Mbit/s: median (range) |")
print("|---|---|")
for who, title in (("tern", "Tern"), ("linux", "Linux")):
    print("| %s | %.2f (%.2f … %.2f) |" % (
        title, statistics.median(rates[who]), min(rates[who]), max(rates[who])))
ratios = [a / b for a, b in zip(rates["tern"], rates["linux"])]
print()
print("Tern / Linux: %.2f (%.2f … %.2f), median of the rounds" % (
    statistics.median(ratios), min(ratios), max(ratios)))
END
tern_idle
tern_down
