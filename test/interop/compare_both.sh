# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the comparison tests share, to be sourced instead of interop.sh: compare.c on the kernel and on
# Tern, with the same peer.
#
#     wire_up             $OWN and $OTHER, two namespaces of the kernel with a wire between them
#     peer NAMESPACE SOCKET
#     run_compare MODE SOCKET COMMAND…
. "$(dirname "${BASH_SOURCE[0]}")/interop.sh"
COMPARE=$BUILD/test/interop/compare
OWN=$NS-own
OTHER=$NS-other
peers=()

compare_cleanup()
{
	kill "${peers[@]}" 2>/dev/null
	netns_del "$OWN"
	netns_del "$OTHER"
	netns_del "$NS-empty"
}
trap 'status=$?; compare_cleanup; (exit $status); interop_cleanup' EXIT

# peer NAMESPACE SOCKET: the other side.
peer()
{
	: >"$tmp/peer"
	ip netns exec "$1" "$COMPARE" peer "$2" >"$tmp/peer" &
	peers+=($!)
	wait_for 10 grep -q ready "$tmp/peer" || fail "no peer in $1"
}

# compared FILE LEAST: the run that wrote it found no mismatch in at least so many checks.
compared()
{
	local checks
	checks=$(sed -n 's/^\([0-9]*\) checks, 0 mismatches$/\1/p' "$1")
	if [ -z "$checks" ]; then
		cat "$1"
		return 1
	fi
	[ "$checks" -ge "$2" ] || { say "only $checks checks"; return 1; }
	say "$(basename "$1"): $checks checks"
}

# run_compare MODE SOCKET COMMAND…: runs the program, all the mode's cases or those of $CASES.
run_compare()
{
	local mode=$1 socket=$2
	shift 2
	# shellcheck disable=SC2086
	timeout 150 "$@" "$COMPARE" "$mode" "$socket" "$HOST4" "$HOST6" 198.18.0.1 2001:db8:18::1 \
		${CASES:-}
}

# The kernel: two namespaces with a wire between them, and Tern's addresses on our end.
wire_up()
{
	local end ns link four six
	netns_add "$OWN" && netns_add "$OTHER" || fail "cannot make namespaces"
	ip link add "ca$$" netns "$OWN" type veth peer name "cb$$" netns "$OTHER" ||
		fail "cannot make a wire"
	for end in "$OWN ca$$ $HOST4 $HOST6" "$OTHER cb$$ 198.18.0.1 2001:db8:18::1"; do
		read -r ns link four six <<<"$end"
		ip -n "$ns" addr add "$four/24" dev "$link"
		ip -n "$ns" addr add "$six/64" dev "$link" nodad
		ip -n "$ns" link set "$link" up
	done
}
