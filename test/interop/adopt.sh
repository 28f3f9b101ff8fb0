#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern adopt and tern release: a transfer both ways changes hands in mid-stream, to and fro, and its
# peer, Linux in a namespace of its own, notices nothing but that some bytes come again.
#
#     peer ── veth ── bridge ─┬─ ternd's tap
#                             ├─ the bridge itself: the kernel of ternd's namespace
#                             └─ veth ── another host's kernel
#
# ADOPT_BYTES: of a transfer, each way; ADOPT_RATE: MiB/s; ADOPT_PAUSE: seconds between hand-overs. By
# default short; for a long look 1073741824, 40 and 2.
. "$(dirname "$0")/interop.sh"

HANDOVER=$BUILD/test/interop/handover
BYTES=${ADOPT_BYTES:-16777216}
RATE=${ADOPT_RATE:-8}
PAUSE=${ADOPT_PAUSE:-0.1}
PEER=$NAME-p
OTHER=$NAME-o
MOVING4=198.18.0.50
MOVING6=2001:db8:18::50
peer_pid=
pid=
fd=

adopt_cleanup()
{
	local status=$?
	netns_del "$PEER"
	netns_del "$OTHER"
	(exit $status)
	interop_cleanup
}
trap adopt_cleanup EXIT

peer_ns()
{
	ip netns exec "$PEER" "$@"
}

other_ns()
{
	ip netns exec "$OTHER" "$@"
}

# host NAMESPACE INTERFACE NUMBER: a namespace on the bridge, with addresses of that number.
host()
{
	netns_add "$1" || fail "cannot make the namespace $1"
	ip link add "$2" netns "$1" type veth peer name "b$2" netns "$NS" || fail "no veth"
	ip -n "$NS" link set "b$2" master host0 up
	ip -n "$1" link set "$2" up
	ip -n "$1" addr add "198.18.0.$3/24" dev "$2"
	ip -n "$1" addr add "2001:db8:18::$3/64" dev "$2" nodad
}

# The tap becomes a part of a bridge, and so one station among others.
bridge_up()
{
	ip -n "$NS" link add name host0 address 02:00:c6:12:00:02 type bridge || fail "no bridge"
	ip -n "$NS" addr flush dev "$TAP"
	ip -n "$NS" link set "$TAP" master host0
	ip -n "$NS" link set host0 up
	ip -n "$NS" addr add 198.18.0.1/24 dev host0
	ip -n "$NS" addr add 2001:db8:18::1/64 dev host0 nodad
	host "$PEER" peer 3
	host "$OTHER" other 4
}

# own NAMESPACE INTERFACE: the addresses that move are there.
own()
{
	ip -n "$1" addr add "$MOVING4/24" dev "$2"
	ip -n "$1" addr add "$MOVING6/64" dev "$2" nodad
}

# resets NAMESPACE: how many its kernel has sent, and had connections ended by.
resets()
{
	ip netns exec "$1" awk '$1 == "Tcp:" && $2 ~ /[0-9]/ { print $9 + $15 }' /proc/net/snmp
}

# peer_starts ADDRESS PORT: in the background, with its report in $tmp/peer.
peer_starts()
{
	rm -f "$tmp/last"
	peer_ns timeout 600 "$HANDOVER" peer "$1" "$2" "$BYTES" "$RATE" "$tmp/last" >"$tmp/peer" 2>&1 &
	peer_pid=$!
}

# peer_ends MOVES: the transfer is over. The peer has all bytes, right, and whoever was last, too; for
# each time that its other end changed hands the peer sent no more than a window again.
peer_ends()
{
	touch "$tmp/last"
	wait "$peer_pid" || fail "the peer: $(cat "$tmp/peer")"
	wait_for 10 test -e "$tmp/state.done" || fail "the other end: $(tail -n 5 "$tmp/programs")"
	say "    $(cat "$tmp/peer")"
	awk -v moves="$1" '/each way/ { exit !($5 <= moves * $NF) }' "$tmp/peer" || fail "too much was sent again"
	[ "$(resets "$PEER")" = 0 ] || fail "a reset"
}

# holder: waits for who has the connection now; $pid and $fd are his process and descriptor.
holder()
{
	wait_for 20 test -s "$tmp/state.pid" ||
		fail "nobody has the connection: $(tail -n 5 "$tmp/programs")"
	read -r pid fd <"$tmp/state.pid"
	rm "$tmp/state.pid"
}

# goes_on NAMESPACE ARGUMENTS…: tern release in the background, to a program that goes on.
goes_on()
{
	local ns=$1
	shift
	ip netns exec "$ns" "$TERN" release "$@" -- "$HANDOVER" go "$BYTES" "$tmp/state" \
		>>"$tmp/programs" 2>&1 &
}

serves()
{
	rm -f "$tmp/state" "$tmp/state".*
	in_ns "$HANDOVER" serve "$1" "$2" "$BYTES" "$tmp/state" >>"$tmp/programs" 2>&1 &
}

# ---- Between two kernels, by a file

# to_and_fro ADDRESS PORT LENGTH
to_and_fro()
{
	local i hosts=("$NS host0" "$OTHER other") from to ns interface
	serves "$1" "$2"
	peer_starts "$1" "$2"
	for i in 0 1 2 3; do
		holder
		sleep "$PAUSE"
		read -r ns interface <<<"${hosts[i % 2]}"
		expect "$TERN" adopt --pid "$pid" --fd "$fd" --to "$tmp/image" --address "$interface"
		read -r ns interface <<<"${hosts[1 - i % 2]}"
		(
			unset TERN_SOCKET
			goes_on "$ns" --image "$tmp/image" --address "$interface" --prefix "$3"
		)
	done
	holder
	peer_ends 4
}

tern_up
bridge_up
own "$NS" host0

say "From kernel to kernel by a file"
to_and_fro "$MOVING4" 5001 24
to_and_fro "$MOVING6" 5002 64

# ---- Between the kernel and Tern

# moves ADDRESS PORT: a program of Linux's, a program on Tern, and so on, ten times.
moves()
{
	local i
	serves "$1" "$2"
	peer_starts "$1" "$2"
	for i in 1 2 3 4 5; do
		holder
		sleep "$PAUSE"
		"$TERN" adopt --pid "$pid" --fd "$fd" --address host0 -- "$HANDOVER" go "$BYTES" \
			"$tmp/state" >>"$tmp/programs" 2>&1 &
		holder
		sleep "$PAUSE"
		goes_on "$NS" --pid "$pid" --address host0
	done
	holder
	peer_ends 10
}

say "From kernel to Tern and back, ten times"
moves "$MOVING4" 5011
moves "$MOVING6" 5012

# ---- Services, listeners, other processes

# talker ADDRESS PORT: netcat of the peer, whose input is descriptor 8 and whose output $tmp/heard.
talker()
{
	wait_for 10 listens "$2" || fail "nobody listens at $2"
	rm -f "$tmp/words"
	mkfifo "$tmp/words"
	peer_ns nc "$1" "$2" <"$tmp/words" >"$tmp/heard" 2>&1 &
	exec 8>"$tmp/words"
}

# answers WORD: it comes back.
answers()
{
	echo "$1" >&8
	wait_for 10 grep -q "$1" "$tmp/heard" || fail "no \"$1\" came back"
}

listens()
{
	in_ns ss -Hltn "sport = :$1" | grep -q .
}

# holds PORT: the process $listening has accepted a connection there.
holds()
{
	in_ns ss -Htnp state established "sport = :$1" | grep -q "pid=$listening,"
}

# listener COMMAND…: of ternd's host, in the background; its process is $listening.
listener()
{
	ip netns exec "$NS" "$@" >>"$tmp/programs" 2>&1 &
	listening=$!
}

say "To a service of Tern's, and back to a program"
listener "$HANDOVER" hold "$MOVING4" 5021
talker "$MOVING4" 5021
wait_for 10 holds 5021 || fail "nobody accepts"
expect "$TERN" adopt --pid $listening --address host0 --service echo
answers one
ip netns exec "$NS" "$TERN" release --service echo --address host0 -- cat 2>>"$tmp/programs" &
answers two
exec 8>&-
kill -KILL $listening

say "To who listens at its port, passed by its program; and back, passed to another"
listener "$HANDOVER" give "$tmp/give" "$MOVING6" 7
talker "$MOVING6" 7
wait_for 10 holds 7 || fail "nobody accepts"
expect "$TERN" adopt --from "$tmp/give" --address host0
answers three
remote=$("$TERN" ss -Htn | awk -v local="[$MOVING6]:7" '$4 == local { print $5 }')
listener "$HANDOVER" take "$tmp/take"
wait_for 10 test -S "$tmp/take" || fail "nobody takes"
expect ip netns exec "$NS" "$TERN" release "[$MOVING6]:7" "$remote" --address host0 --pass "$tmp/take"
answers four
exec 8>&-

# ---- What cannot be leaves all as it was

# refused WORDS COMMAND…: tern fails, says so, and nobody notices.
refused()
{
	local words=$1 said
	shift
	said=$("$@" 2>&1) && fail "$* did not fail"
	[[ $said == *"$words"* ]] || fail "$* said: $said"
	in_ns nft list tables | grep -q tern_lock && fail "$* left its packet filter"
	in_ns ip addr show dev host0 | grep -q "$MOVING4/24" || fail "$* took the address"
	return 0
}

is_locked()
{
	in_ns nft list tables | grep -q tern_lock
}

is_unlocked()
{
	! is_locked
}

# The rights that a user in CAP_NET_ADMIN's place has.
without_rights()
{
	setpriv --bounding-set -net_admin,-sys_ptrace --inh-caps -net_admin,-sys_ptrace "$@"
}

say "What cannot be"
serves "$MOVING4" 5003
peer_starts "$MOVING4" 5003
holder
sleep 0.2
refused "process 999999: there is none" "$TERN" adopt --pid 999999 --to "$tmp/image"
refused "descriptor 77 of process" "$TERN" adopt --pid "$pid" --fd 77 --to "$tmp/image"
refused "descriptor 1: not a socket" "$TERN" adopt --pid "$pid" --fd 1 --to "$tmp/image"
refused "right to trace" without_rights "$TERN" adopt --pid "$pid" --fd "$fd" --to "$tmp/image"
refused "does not have the address" "$TERN" adopt --pid "$pid" --to "$tmp/image" --address lo
refused "no interface" "$TERN" adopt --pid "$pid" --to "$tmp/image" --address nothing
refused "No such file" "$TERN" adopt --pid "$pid" --to "$tmp/no/image" --address host0
refused "No such file" "$TERN" adopt --from "$tmp/nobody" --to "$tmp/image"
refused "whose connections" "$TERN" adopt --to "$tmp/image"
listener "$HANDOVER" hold 127.0.0.1 5004
wait_for 10 listens 5004 || fail "nobody listens"
refused "listening" "$TERN" adopt --pid $listening --fd 3 --to "$tmp/image"
refused "no connection of TCP" "$TERN" adopt --pid $listening --to "$tmp/image"
kill -KILL $listening
refused "No such file" env -u TERN_SOCKET "$TERN" release --image "$tmp/no/image" -- cat
head -c 999 /dev/urandom >"$tmp/noise"
refused "$tmp/noise: no image" env -u TERN_SOCKET "$TERN" release --image "$tmp/noise" -- cat
refused "does not have this address" ip netns exec "$OTHER" env -u TERN_SOCKET "$TERN" release \
	--image "$tmp/image" -- cat
refused "no such connection" ip netns exec "$NS" "$TERN" release 198.18.0.2:80 198.18.0.3:9 -- cat
refused "no service has that name" "$TERN" adopt --pid "$pid" --address host0 --service none
refused "nobody" "$TERN" adopt --pid "$pid" --address host0 -- "$tmp/nobody"
refused "no such port" "$TERN" adopt --pid "$pid" --address host0 --port 9
peer_ends 1

say "ternd dies in the middle, and tern before it"
serves "$MOVING4" 5005
peer_starts "$MOVING4" 5005
holder
kill -STOP "$ternd_pid"
"$TERN" adopt --pid "$pid" --address host0 --service echo >>"$tmp/programs" 2>&1 &
adopting=$!
wait_for 5 is_locked || fail "no packet filter in the middle"
kill -KILL "$adopting"
sleep 0.2
is_locked || fail "nobody goes on when tern is killed"
kill -KILL "$ternd_pid"
wait_for 5 is_unlocked || fail "the packet filter stays"
in_ns ip addr show dev host0 | grep -q "$MOVING4/24" || fail "the address is gone"
peer_ends 1
ternd_reap
