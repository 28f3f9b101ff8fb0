#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fast Open with two lanes: all make the same cookies, also when the key changes while connections go on,
# and what the first one learns of a server the second one knows.
. "$(dirname "$0")/interop.sh"
trap 'status=$?; netns_del "$NS-off"; (exit $status); interop_cleanup' EXIT
EARLY="/usr/bin/python3 $TERN_TOP/test/interop/early.py"

# early N ASKED REFUSED COMMAND…: so many requests by the command, of which so many ask for a cookie, and so many have
# a wrong one; all others are acknowledged in their SYN. Where a SYN had a time-out, for the machine was busy, the request
# goes without; and so may the next, for a SYN-ACK after a time-out brings no cookie.
early()
{
	local n=$1 asked=$2 refused=$3 got
	shift 3
	got=$("$@" "$n") || fail "requests: $*"
	awk -v n="$n" -v asked="$asked" -v refused="$refused" '{
		exit !($1 + $2 + $3 + $4 == n && $2 >= asked && $2 <= asked + $5 && $3 <= refused + $5 && $4 <= $5 && $5 <= 1 + n / 4)
	}' <<<"$got" ||
		fail "$*: of $n requests were early, asked, were refused, went again; and had time-outs: $got;" \
			"expected to ask: $asked, to be refused: $refused: $("$TERN" stats | grep -i "fast open\|fastopen")"
}

# By Linux; and by a program on Tern.
linux=(in_ns $EARLY client)
program=("$TERN" run $EARLY client)

# kept: the connection that is open all the time still works.
kept()
{
	local line
	echo "is it there?" >&"${keep[1]}"
	read -r -t 10 line <&"${keep[0]}"
	[ "$line" = "is it there?" ] || fail "the connection did not outlive it: $line"
}

# of_lane LANE GROUP NAME: a counter of one lane.
of_lane()
{
	"$TERN" stats --json | /usr/bin/python3 -c '
import json, sys
print(json.load(sys.stdin)["lanes"][int(sys.argv[1])][sys.argv[2]][sys.argv[3]])' "$@"
}

conf lanes=2
sed -i 's/^\[service \(http\|echo\)\]/&\nfastopen = 64/' "$tmp/ternd.conf"
sed -i 's/^\[tcp\]/&\nfastopen_blackhole_timeout = 6/' "$tmp/ternd.conf"
tern_up
netns_write "$NS" net/ipv4/tcp_fastopen 3
netns_write "$NS" net/ipv4/tcp_fastopen_blackhole_timeout_sec 0
for host in "$HOST4" "$HOST6"; do
	early 40 1 0 "${linux[@]}" "$host" 80
done
for lane in 0 1; do
	[ "$(of_lane $lane tcp fastopen_passive)" -gt 0 ] || fail "lane $lane took nothing in a SYN"
done
say "cookies of the one lane are the other's"

# A connection that stays, from its SYN on.
coproc keep { in_ns $EARLY keep "$HOST4" 7; }
kept
shown()
{
	"$TERN" ss -Hio sport = :7 | grep -q ' fastopen '
}
wait_for 5 shown || fail "tern ss: $("$TERN" ss -io)"

# The old key is the backup: its cookies are taken, and replaced; then it is gone.
expect "$TERN" fastopen-key --new >/dev/null
early 20 0 0 "${linux[@]}" "$HOST4" 80
expect "$TERN" fastopen-key "$("$TERN" fastopen-key | awk '/^primary/ { print $2 }')" >/dev/null
early 20 0 0 "${linux[@]}" "$HOST4" 80
kept
# A key that nobody knew: each cookie is wrong once.
expect "$TERN" fastopen-key 000102030405060708090a0b0c0d0e0f >/dev/null
early 20 0 1 "${linux[@]}" "$HOST4" 80
early 10 0 0 "${linux[@]}" "$HOST4" 80 # else the lanes' keys differ
kept
say "the key changes, connections stay"

in_ns setpriv --pdeathsig KILL $EARLY server 198.18.0.1 80 before >"$tmp/server" &
server=$!
wait_for 10 grep -q listening "$tmp/server" || fail "no server"
early 3 1 0 "${program[@]}" 198.18.0.1 80
listed()
{
	"$TERN" fastopen --lane "$1" | awk 'NR > 1 { print $1, $2, $3, $4, $5 }'
}
[[ "$(listed 0)" =~ ^198.18.0.1\ 198.18.0.2\ 34\ [0-9a-f]{16}\ 1460$ ]] || fail "listed: $(listed 0)"
[ "$(listed 0)" = "$(listed 1)" ] || fail "lanes know different things: $(listed 0); $(listed 1)"
[ "$("$TERN" fastopen flush 198.18.0.9)" = "0 forgotten" ] || fail "forgot what it did not know"
[ "$("$TERN" fastopen flush 198.18.0.1)" = "1 forgotten" ] || fail "did not forget"
[ -z "$(listed 0)$(listed 1)" ] || fail "flushed: $(listed 0) $(listed 1)"
early 3 1 0 "${program[@]}" 198.18.0.1 80
say "what one lane learns, the other knows"
exec {keep[1]}>&-

# Where the kernel has it off: the option is for Tern, and the kernel connects as ever.
netns_add "$NS-off" || fail "cannot make a namespace"
netns_write "$NS-off" net/ipv4/tcp_fastopen 0
off()
{
	ip netns exec "$NS-off" "$@"
}
off $EARLY option 198.18.0.1 80 2>"$tmp/off" && fail "the kernel has it on"
grep -q 'Operation not supported' "$tmp/off" || fail "another error: $(cat "$tmp/off")"
[ "$(off "$TERN" run $EARLY option 198.18.0.1 80)" = deferred ] || fail "the kernel's switch is Tern's"
[ "$(off "$TERN" run $EARLY option 127.0.0.1 80)" = refused ] || fail "loopback is not as ever"
netns_del "$NS-off"
say "the kernel's switch is not Tern's"

# SYNs that nobody answers, up to the third time-out: no lane uses Fast Open for a while.
guard()
{
	"$TERN" fastopen --lane "$1" | sed -n '/^black holes/p'
}
in_ns ip route add blackhole "$HOST4"
timeout 5 "${program[@]}" 198.18.0.1 80 1 && fail "an answer out of a black hole"
in_ns ip route del blackhole "$HOST4"
for lane in 0 1; do
	[[ "$(guard $lane)" =~ ^black\ holes\ found:\ 1,\ the\ last\ [0-4]\ s\ ago\;\ Fast\ Open\ is\ off\ for\ [1-6]\ s$ ]] ||
		fail "lane $lane knows of no black hole: $(guard $lane)"
done
[[ "$("${program[@]}" 198.18.0.1 80 1)" == 0\ * ]] || fail "Fast Open goes on into a black hole"
tried()
{
	guard 0 | grep -q 'Fast Open is being tried again$' && guard 1 | grep -q 'tried again$'
}
wait_for 10 tried || fail "it stays off: $(guard 0)"
early 2 0 0 "${program[@]}" 198.18.0.1 80 # else it is not tried again
[ -z "$(guard 0)$(guard 1)" ] || fail "it works, and is in doubt: $(guard 0); $(guard 1)"
say "what one lane fears, all avoid"
kill $server

# A program's listener on all addresses, Tern's and the kernel's: whenever it sets the option.
port=8001
for when in before after; do
	: >"$tmp/server" # what the one before said must not be taken for its word
	setpriv --pdeathsig KILL "$TERN" run $EARLY server 0.0.0.0 $port $when >"$tmp/server" &
	server=$!
	wait_for 10 grep -q listening "$tmp/server" || fail "no server on Tern"
	early 5 0 0 "${linux[@]}" "$HOST4" $port # else a program that sets it $when bind() has it not
	kill $server
	port=$((port + 1))
done
say "a program's listener takes data in SYNs"
tern_idle
