# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A bad link between ternd and Linux, to be sourced instead of interop.sh:
#
#     ternd - net_tap - forwarder - veth - Linux
#
#     . "$(dirname "$0")/lossy_link.sh"
#     conf
#     lossy_tern_up       ternd in $NS, Linux in $PEER_NS, nothing between them yet
#     forwarder_up "$TAP" "vf$$" --loss 0.01 --delay 5
#     ...                 in_ns COMMAND and client ... are behind the forwarder
#     forwarder_down      shows what it did
. "$(dirname "${BASH_SOURCE[0]}")/interop.sh"

FORWARDER=$BUILD/test/interop/forwarder
PEER_NS=$NAME-peer
forwarder_pid=

command -v ethtool >/dev/null || skip "ethtool is not installed"

lossy_cleanup()
{
	local status=$?
	[ -z "$forwarder_pid" ] || kill -TERM "$forwarder_pid" 2>/dev/null
	netns_del "$PEER_NS"
	(exit $status)
	interop_cleanup
}
trap lossy_cleanup EXIT

# Linux is behind the forwarder.
in_ns()
{
	ip netns exec "$PEER_NS" "$@"
}

# veth_up NAMESPACE INTERFACE PEER ADDRESS/LEN…: a veth pair without offloads, INTERFACE in the namespace
# with these addresses, PEER in $NS for the forwarder.
veth_up()
{
	local ns=$1 interface=$2 peer=$3 address flags
	shift 3
	netns_add "$ns" || fail "cannot make the namespace $ns"
	ip link add "$peer" netns "$NS" type veth peer name "$interface" netns "$ns" ||
		fail "cannot make a veth pair"
	offloads_off "$NS" "$peer"
	offloads_off "$ns" "$interface"
	for address in "$@"; do
		flags=
		case $address in *:*) flags=nodad ;; esac
		ip -n "$ns" address add "$address" dev "$interface" $flags || fail "cannot add $address"
	done
	ip -n "$NS" link set "$peer" up
	ip -n "$ns" link set "$interface" up
}

lossy_tern_up()
{
	netns_add "$NS" || fail "cannot make the namespace $NS"
	ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf"
	wait_for 90 tern_ready_or_dead
	ternd_alive || fail "ternd ended at its start"
	wait_for 20 ip -n "$NS" link show "$TAP" || fail "no $TAP"
	ip -n "$NS" link set "$TAP" up
	veth_up "$PEER_NS" "vp$$" "vf$$" 198.18.0.1/24 2001:db8:18::1/64
	# Whatever the machine's default is.
	netns_write "$PEER_NS" net/ipv4/tcp_congestion_control cubic
	pools >"$tmp/pools.first" || fail "tern pools"
}

# forwarder_up IF-A IF-B [OPTIONS…]: both are interfaces in $NS.
forwarder_up()
{
	# Lest what the last one said is taken for this one's.
	: >"$tmp/forwarder"
	ip netns exec "$NS" "$FORWARDER" "$@" >"$tmp/forwarder" 2>&1 </dev/null &
	forwarder_pid=$!
	wait_for 5 grep -q ready "$tmp/forwarder" || fail "the forwarder: $(cat "$tmp/forwarder")"
}

forwarder_down()
{
	kill -TERM "$forwarder_pid"
	wait "$forwarder_pid" || fail "the forwarder ended with $?: $(cat "$tmp/forwarder")"
	forwarder_pid=
	sed 1d "$tmp/forwarder"
}

# go_first PID: before whatever else runs here, among processes and among sessions.
go_first()
{
	local task
	for task in "/proc/$1/task/"*; do
		renice -n -20 -p "${task##*/}" >/dev/null
	done
	# Not every kernel has it.
	[ ! -e "/proc/$1/autogroup" ] || echo -20 >"/proc/$1/autogroup"
}
