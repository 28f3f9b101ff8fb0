#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One program of socket calls, on the kernel and on Tern, with the same peer: compare.c. Each check
# states what Linux gives; both must match it. So that nobody trusts a test that cannot fail, a library
# that lies in two places is preloaded to the kernel's run first, and must be noticed.
. "$(dirname "$0")/interop.sh"
COMPARE=$BUILD/test/interop/compare
LEAST=200 # checks
OWN=$NS-own
OTHER=$NS-other

compare_cleanup()
{
	kill "${peers[@]}" 2>/dev/null
	netns_del "$OWN"
	netns_del "$OTHER"
	netns_del "$NS-empty"
}
trap 'status=$?; compare_cleanup; (exit $status); interop_cleanup' EXIT
peers=()

# peer NAMESPACE SOCKET: the other side.
peer()
{
	: >"$tmp/peer"
	ip netns exec "$1" "$COMPARE" peer "$2" >"$tmp/peer" &
	peers+=($!)
	wait_for 10 grep -q ready "$tmp/peer" || fail "no peer in $1"
}

# compared FILE: the run that wrote it found no mismatch in enough checks.
compared()
{
	local checks
	checks=$(sed -n 's/^\([0-9]*\) checks, 0 mismatches$/\1/p' "$1")
	if [ -z "$checks" ]; then
		cat "$1"
		return 1
	fi
	[ "$checks" -ge "$LEAST" ] || { say "only $checks checks"; return 1; }
	say "$(basename "$1"): $checks checks"
}

# run_compare SOCKET COMMAND…: runs the program, all its cases or those of $CASES.
run_compare()
{
	local socket=$1
	shift
	# shellcheck disable=SC2086
	timeout 150 "$@" "$COMPARE" run "$socket" "$HOST4" "$HOST6" 198.18.0.1 2001:db8:18::1 ${CASES:-}
}

# The kernel: two namespaces with a wire between them, and Tern's addresses on our end.
netns_add "$OWN" && netns_add "$OTHER" || fail "cannot make namespaces"
ip link add "ca$$" netns "$OWN" type veth peer name "cb$$" netns "$OTHER" || fail "cannot make a wire"
for end in "$OWN ca$$ $HOST4 $HOST6" "$OTHER cb$$ 198.18.0.1 2001:db8:18::1"; do
	read -r ns link four six <<<"$end"
	ip -n "$ns" addr add "$four/24" dev "$link"
	ip -n "$ns" addr add "$six/64" dev "$link" nodad
	ip -n "$ns" link set "$link" up
done
peer "$OTHER" "$tmp/linux.sock"
run_compare "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux"
compared "$tmp/linux" || fail "Linux is not what the program says"
CASES="shut_arguments poll_fresh" run_compare "$tmp/linux.sock" ip netns exec "$OWN" \
	env LD_PRELOAD="$BUILD/test/interop/libcompare-broken.so" >"$tmp/broken" &&
	fail "a library that lies was not noticed"
expect grep -q 'shut_arguments, .*shutdown.*: expected -1 ENOTCONN, got -1 EINVAL' "$tmp/broken"
expect grep -q 'poll_fresh, .*: expected OUT|WRNORM|HUP, got IN|OUT|WRNORM|HUP' "$tmp/broken"
[ "$(tail -n 1 "$tmp/broken" | sed 's/.*checks, //')" = "4 mismatches" ] ||
	fail "the library lies in four checks: $(cat "$tmp/broken")"

# Tern: the program in a namespace without any link, so that only Tern leads to the peer.
conf
tern_up
netns_add "$NS-empty" || fail "cannot make a namespace"
peer "$NS" "$tmp/tern.sock"
run_compare "$tmp/tern.sock" ip netns exec "$NS-empty" "$TERN" run -- >"$tmp/tern"
compared "$tmp/tern" || fail "Tern is not as Linux"
kill "${peers[@]}"
tern_idle
tern_down
