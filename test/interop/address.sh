#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern address: a running ternd gets addresses and loses them, and its neighbours hear of it at once.
. "$(dirname "$0")/interop.sh"

# Whether the Linux side has this address at ternd's MAC address, without having asked for it.
neighbour_is()
{
	[ "$(in_ns ip neigh show "$1" | grep -o 'lladdr [^ ]*')" = "lladdr $2" ]
}

answers()
{
	in_ns curl -gsf --max-time 2 -o /dev/null "http://$1/"
}

# refused WORDS ARGUMENTS…: tern address fails and says so.
refused()
{
	local words=$1 said
	shift
	said=$("$TERN" address "$@" 2>&1) && fail "tern address $* did not fail"
	[[ $said == *"$words"* ]] || fail "tern address $* said: $said"
}

tern_up
in_ns ip neigh flush dev "$TAP"
answers "$HOST4" || fail "no answer from $HOST4"
mac=$(in_ns ip neigh show "$HOST4" | grep -o 'lladdr [^ ]*' | cut -d' ' -f2)

say "An address that another station had: in use at once, and announced"
for pair in "198.18.0.77 198.18.0.77" "2001:db8:18::77 [2001:db8:18::77]"; do
	read -r address host <<<"$pair"
	length=24
	[[ $address != *:* ]] || length=64
	in_ns ip neigh replace "$address" lladdr 02:00:00:00:00:77 dev "$TAP" nud stale
	expect "$TERN" address add "$address/$length" --taken-over
	wait_for 3 neighbour_is "$address" "$mac" || fail "$address is not announced"
	wait_for 3 answers "$host" || fail "no answer from $address"
	"$TERN" addresses | grep -q "$address/$length" || fail "tern addresses does not tell of $address"
done

say "Looked for on the link first"
expect "$TERN" address add 2001:db8:18::78/64
wait_for 5 answers "[2001:db8:18::78]" || fail "no answer from 2001:db8:18::78"

say "Programs that start now know of it"
in_ns "$TERN" run "$(command -v curl)" -s --max-time 2 -o /dev/null "http://198.18.0.77/" ||
	fail "a program does not reach 198.18.0.77"

say "And away"
expect "$TERN" address del 198.18.0.77
expect "$TERN" address del 2001:db8:18::77
expect "$TERN" address del 2001:db8:18::78
! answers 198.18.0.77 || fail "198.18.0.77 still answers"
! "$TERN" addresses | grep -q ::77 || fail "tern addresses still tells of 2001:db8:18::77"
answers "$HOST4" || fail "$HOST4 no longer answers"

say "What cannot be"
refused "ternd does not have" del 198.18.0.77
refused "already" add "$HOST4/24"
refused "no station" add 127.0.0.1/8
refused "not an address" add 198.18.0.300/24
refused "not an address" add 198.18.0.3/33
refused "no such port" add 198.18.0.3/24 --port 1
refused "add ADDRESS/LEN" move 198.18.0.3

wait_for 10 no_connections
tern_down
