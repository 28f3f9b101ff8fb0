#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern adopt and tern release: a transfer both ways changes hands in mid-stream, to and fro, and its
# peer, Linux in a namespace of its own, notices nothing but that some bytes come again.
#
#     peer ── veth ── bridge ─┬─ ternd's tap
#                             ├─ the bridge itself: the kernel of ternd's namespace
#                             └─ veth ── another host's kernel
#
# ADOPT_BYTES: of a transfer, each way; ADOPT_RATE: MiB/s. By default short; 1073741824 and 40 do for a
# long look.
. "$(dirname "$0")/interop.sh"

HANDOVER=$BUILD/test/interop/handover
BYTES=${ADOPT_BYTES:-16777216}
RATE=${ADOPT_RATE:-8}
PEER=$NAME-p
OTHER=$NAME-o
MOVING4=198.18.0.50
MOVING6=2001:db8:18::50
peer_pid=

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

disown()
{
	ip -n "$1" addr del "$MOVING4/24" dev "$2"
	ip -n "$1" addr del "$MOVING6/64" dev "$2"
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

# The transfer is over: the peer has all bytes, right, and whoever was last, too.
peer_ends()
{
	touch "$tmp/last"
	wait "$peer_pid" || fail "the peer: $(cat "$tmp/peer")"
	wait_for 10 test -e "$tmp/state.done" || fail "the other end: $(tail -n 5 "$tmp/programs")"
	say "    $(cat "$tmp/peer")"
	[ "$(resets "$PEER")" = 0 ] || fail "a reset"
}

# holder: process and descriptor of who has the connection now; waits for him.
holder()
{
	wait_for 20 test -s "$tmp/state.pid" || fail "nobody has the connection"
	cat "$tmp/state.pid"
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
	local pid fd i hosts=("$NS host0" "$OTHER other") from to ns interface
	serves "$1" "$2"
	peer_starts "$1" "$2"
	for i in 0 1 2 3; do
		read -r pid fd <<<"$(holder)"
		sleep 0.2
		read -r ns interface <<<"${hosts[i % 2]}"
		expect "$TERN" adopt --pid "$pid" --fd "$fd" --to "$tmp/image" --address "$interface"
		read -r ns interface <<<"${hosts[1 - i % 2]}"
		(
			unset TERN_SOCKET
			goes_on "$ns" --image "$tmp/image" --address "$interface" --prefix "$3"
		)
	done
	peer_ends
}

tern_up
bridge_up
own "$NS" host0

say "From kernel to kernel by a file"
to_and_fro "$MOVING4" 5001 24
to_and_fro "$MOVING6" 5002 64

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

# The rights that a user in CAP_NET_ADMIN's place has.
without_rights()
{
	setpriv --bounding-set -net_admin,-sys_ptrace --inh-caps -net_admin,-sys_ptrace "$@"
}

listens()
{
	in_ns ss -Hltn "sport = :$1" | grep -q .
}

say "What cannot be"
# Whatever end the last transfer had, the addresses are here again.
disown "$NS" host0 2>/dev/null
own "$NS" host0
serves "$MOVING4" 5003
peer_starts "$MOVING4" 5003
read -r pid fd <<<"$(holder)"
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
ip netns exec "$NS" "$HANDOVER" hold 127.0.0.1 5004 &
listening=$!
wait_for 10 listens 5004 || fail "nobody listens"
refused "listening" "$TERN" adopt --pid $listening --fd 3 --to "$tmp/image"
refused "no connection of TCP" "$TERN" adopt --pid $listening --to "$tmp/image"
kill -KILL $listening
refused "No such file" env -u TERN_SOCKET "$TERN" release --image "$tmp/no/image" cat
head -c 999 /dev/urandom >"$tmp/noise"
refused "image" env -u TERN_SOCKET "$TERN" release --image "$tmp/noise" cat
refused "does not have this address" ip netns exec "$OTHER" env -u TERN_SOCKET "$TERN" release \
	--image "$tmp/image" cat
peer_ends

tern_down
