#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Floods of SYNs with Fast Open (flood.c) at a listener that has it:
#
# - from one address with the right cookie, never finished: as many become connections as the listener
#   says may wait, and no more;
# - 100,000 with forged sources and wrong cookies, over IPv4 and over IPv6: none does, no data of them is
#   kept, and memory stays as it was.
#
# All the while curl is served, and afterwards every pool is full again.
. "$(dirname "$0")/interop.sh"

FLOOD=$BUILD/test/interop/flood
FORGED=100000
PER_SECOND=20000
QLEN=16 # as conf writes it
BACKLOG=128
clients_pid=

flood_cleanup()
{
	local status=$?
	[ -z "$clients_pid" ] || kill "$clients_pid" 2>/dev/null
	(exit $status)
	interop_cleanup
}
trap flood_cleanup EXIT

# clients_up N: so many requests of each family, one after the other; what they give goes to $tmp/clients.
clients_up()
{
	: >"$tmp/clients"
	for ((i = 0; i < $1; i++)); do
		for host in "$HOST4" "[$HOST6]"; do
			in_ns curl -gs --max-time 30 -o /dev/null -w '%{http_code} %{time_total}\n' "http://$host/" \
				>>"$tmp/clients"
		done
		sleep 0.05
	done &
	clients_pid=$!
}

# clients_down N: they were all answered. A frame that the interface dropped costs time-outs, and so does a machine
# that is busy with others.
clients_down()
{
	wait "$clients_pid"
	clients_pid=
	awk -v n=$((2 * $1)) '$1 != 200 { bad++ } END { exit !(NR == n && bad == 0) }' \
		"$tmp/clients" || fail "clients during $what: $(sort "$tmp/clients" | uniq -c | tail -n 30)"
	say "$what: $(wc -l <"$tmp/clients") requests, the slowest $(awk '{ print $2 }' "$tmp/clients" |
		sort -n | tail -n 1) s"
}

# delta NAME: how much a counter of tcp has grown since mark.
mark()
{
	"$TERN" stats --json >"$tmp/mark"
}

delta()
{
	"$TERN" stats --json | /usr/bin/python3 -c '
import json, sys
before, now = (sum(lane["tcp"][sys.argv[1]] for lane in json.load(f)["lanes"])
               for f in (open(sys.argv[2]), sys.stdin))
print(now - before)' "$1" "$tmp/mark"
}

memory_kb()
{
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$ternd_pid/status"
}

# used: what is taken from the pool that gave most, beyond what was at first.
used()
{
	pools | awk 'NR == FNR { first[$1, $2] = $4; next }
		$4 ~ /^[0-9]+$/ && first[$1, $2] - $4 > most { most = first[$1, $2] - $4 }
		END { print most + 0 }' "$tmp/pools.first" -
}

# half_open: what is not established, and not listening.
half_open()
{
	"$TERN" ss -aH | grep -c SYN-RECV
}

# Each of them became a connection or was one too many.
all_are_there()
{
	[ $(($(delta fastopen_passive) + $(delta fastopen_listen_overflow))) -ge 60 ]
}

# dropped: frames that the interface had no room for, as ternd did not run so long.
dropped()
{
	in_ns cat "/sys/class/net/$TAP/statistics/tx_dropped"
}

# flood FROM-ARGUMENTS…
flood()
{
	expect in_ns "$FLOOD" "$TAP" "$mac" "$@" >"$tmp/flood"
}

conf fastopen=60 timewait=1
sed -i -e '/^\[port 0\]/a gateway4 = 198.18.0.1\ngateway6 = 2001:db8:18::1' \
	-e '/^\[tcp\]/a synack_retries = 1' -e "/^\[service http\]/a backlog = $BACKLOG" "$tmp/ternd.conf"
tern_up
mac=$(ip -n "$NS" neigh show "$HOST4" dev "$TAP" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
[ -n "$mac" ] || fail "Linux does not know Tern's MAC address"
expect in_ns ip link set "$TAP" txqueuelen 10000

# With the right cookie: the queue's length, and not one more.
for way in "$HOST4 10.77.0.9" "$HOST6 fd99::77"; do
	read -r to from <<<"$way"
	what="right cookies from $from"
	mark
	clients_up 10
	flood "$to" 80 60 1000 "$from"
	wait_for 3 all_are_there
	[ "$(delta fastopen_passive)" -eq $QLEN ] ||
		fail "$what: $(delta fastopen_passive) connections instead of $QLEN"
	[ "$(delta fastopen_listen_overflow)" -eq $((60 - QLEN)) ] ||
		fail "$what: $(delta fastopen_listen_overflow) were too many, instead of $((60 - QLEN))"
	[ "$(delta fastopen_passive_fail)" -eq 0 ] || fail "$what: some were wrong"
	clients_down 10
	tern_idle
done

# Forged: nothing is kept of them but what half-open connections are worth.
for to in "$HOST4" "$HOST6"; do
	what="forged SYNs to $to"
	before=$(memory_kb)
	lost=$(dropped)
	mark
	clients_up 15
	sent=0
	# As long as there are clients to be disturbed.
	while [ $sent -eq 0 ] || { kill -0 "$clients_pid" 2>/dev/null && [ $sent -lt $((3 * FORGED)) ]; }; do
		flood "$to" 80 $FORGED $PER_SECOND
		sent=$((sent + FORGED))
	done
	worst=$(used)
	states=$(half_open)
	sleep 1
	clients_down 15
	refused=$(delta fastopen_passive_fail)
	cookies=$(delta syncookies_sent)
	lost=$(($(dropped) - lost))
	say "$what: $sent sent, $lost not received, $refused wrong cookies, $cookies SYN cookies, $states half open, $worst buffers in use," \
		"$(($(memory_kb) - before)) KiB more memory"
	[ "$(delta fastopen_passive)" -eq 0 ] || fail "$what: $(delta fastopen_passive) were believed"
	# What arrived was refused for its cookie, or got a SYN cookie because so many were open.
	[ $((refused + cookies + lost)) -ge $((sent * 95 / 100)) ] || fail "$what: where are the others?"
	[ "$refused" -gt 0 ] || fail "$what: no wrong cookie was looked at"
	[ "$states" -le $((BACKLOG + 8)) ] || fail "$what: $states half open"
	# A request each, and what the clients have.
	[ "$worst" -le $((BACKLOG + 40)) ] || fail "$what: $worst buffers in use"
	[ $(($(memory_kb) - before)) -le 4096 ] || fail "$what: memory grows"
	tern_idle
done
tern_down
