#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# How connections spread over lanes: net_tap, a queue for each of four lanes and then one queue for all, 8,
# 100 and 1000 connections of one client. The share of the lane that has most, beside an even one; what
# throwing dice would give is told, too. And what was handed from lane to lane. Not about speed: lanes share
# processors here.
#
#     BENCH_LANES=4 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

LANES=${BENCH_LANES:-4}
holder=

bench_cleanup()
{
	local status=$?
	[ -z "$holder" ] || kill "$holder" 2>/dev/null
	(exit $status)
	interop_cleanup
}
trap bench_cleanup EXIT

# hold N: so many connections to echo, which stay until the holder ends.
hold()
{
	: >"$tmp/holder"
	ip netns exec "$NS" /usr/bin/python3 -c '
import resource, signal, socket, sys
n = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (n + 64, n + 64))
held = [socket.create_connection((sys.argv[1], 7), 20) for _ in range(n)]
for s in held:
    s.sendall(b"x")
for s in held:
    assert s.recv(1) == b"x"
print("held", flush=True)
signal.pause()' "$HOST4" "$1" >"$tmp/holder" &
	holder=$!
	wait_for 60 grep -q held "$tmp/holder" || fail "$1 connections are not held"
}

# shares: what each lane has, and the largest beside the mean.
shares()
{
	"$TERN" ss -Hoe state established sport = :7 | grep -o 'lane[:=][0-9]*' | sort | uniq -c |
		awk -v lanes="$LANES" '{ n += $1; if ($1 > most) most = $1; text = text " " $2 "=" $1; sub("lane[:=]", "", text) }
			END { printf "%s | %.2f\n", text, most * lanes / n }'
}

dice()
{
	/usr/bin/python3 -c '
import random, statistics, sys
n, lanes = int(sys.argv[1]), int(sys.argv[2])
def most():
    has = [0] * lanes
    for _ in range(n):
        has[random.randrange(lanes)] += 1
    return max(has) * lanes / n
print("%.2f" % statistics.median(most() for _ in range(201)))' "$1" "$LANES"
}

echo "| queues | connections | of each lane | most, beside an even share | dice (median) | handed over, of packets received |"
echo "|---|---|---|---|---|---|"
for queues in $LANES 1; do
	conf lanes=$LANES
	sed -i "/^\[port 0\]/a queues = $queues" "$tmp/ternd.conf"
	tern_up
	for n in 8 100 1000; do
		handed=$(counter loop handed_out)
		received=$(counter loop frames_in)
		hold $n
		echo "| $queues | $n |$(shares) | $(dice $n) | $(($(counter loop handed_out) - handed)) of $(($(counter loop frames_in) - received)) |"
		kill $holder
		wait $holder 2>/dev/null
		holder=
		wait_for 20 no_connections || fail "connections are left"
	done
	tern_idle
	tern_down
done
