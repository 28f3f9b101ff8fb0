#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One program of socket calls, on the kernel and on Tern, with the same peer: compare.c. Each check
# states what Linux gives; both must match it. So that nobody trusts a test that cannot fail, a library
# that lies in two places is preloaded to the kernel's run first, and must be noticed.
. "$(dirname "$0")/compare_both.sh"
LEAST=200 # checks

wire_up
peer "$OTHER" "$tmp/linux.sock"
run_compare run "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux"
compared "$tmp/linux" $LEAST || fail "Linux is not what the program says"
CASES="shut_arguments poll_fresh" run_compare run "$tmp/linux.sock" ip netns exec "$OWN" \
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
run_compare run "$tmp/tern.sock" ip netns exec "$NS-empty" "$TERN" run -- >"$tmp/tern"
compared "$tmp/tern" $LEAST || fail "Tern is not as Linux"
kill "${peers[@]}"
tern_idle
tern_down
