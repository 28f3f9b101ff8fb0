#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Repair's socket calls, on the kernel and on Tern, with the same peer: compare_repair*.c. As in
# compare.sh, each check states what Linux gives, and both must match it; where Tern differs on purpose
# the check states both. A library that lies is noticed, as there. The kernel's run needs CAP_NET_ADMIN
# in its namespace, as root has. Both run at the same time: most of it is waiting.
. "$(dirname "$0")/compare_both.sh"
LEAST=2450 # checks
# A user who may nothing.
NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all)

command -v nft >/dev/null || skip "no nft: package nftables"

# hands OWN PEER: the next peer's script, by which the program has packets lost in the peer's namespace,
# and cookies forgotten by a command on our side.
hands()
{
	export COMPARE_HANDS=$tmp/hands-$2
	cat >"$COMPARE_HANDS" <<-END
		#!/bin/sh
		case \$1,\$2 in
		flush,own) exec $1 ;;
		deafen,) rule='add rule inet deaf in meta l4proto tcp drop' ;;
		silence,) rule='add rule inet deaf out tcp flags & (syn | ack) == ack drop' ;;
		hear,) rule='delete table inet deaf' ;;
		*) exit 1 ;;
		esac
		exec ip netns exec $2 nft "add table inet deaf
			add chain inet deaf in { type filter hook input priority 0; }
			add chain inet deaf out { type filter hook output priority 0; }
			\$rule"
	END
	chmod +x "$COMPARE_HANDS"
}

# fastopen_ns NAMESPACE: children in SYN-RECEIVED are Fast Open's.
fastopen_ns()
{
	netns_write "$1" net/ipv4/tcp_fastopen 3
	netns_write "$1" net/ipv4/tcp_fastopen_blackhole_timeout_sec 0
}

wire_up
fastopen_ns "$OWN"
fastopen_ns "$OTHER"
hands "ip -n $OWN tcp_metrics flush" "$OTHER"
peer "$OTHER" "$tmp/linux.sock"
chmod 755 "$tmp" && chmod 666 "$tmp/linux.sock"
run_compare repair "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux" &
native=$!

# Tern: the program in a namespace without any link, so that only Tern leads to the peer.
conf fastopen=0
tern_up
fastopen_ns "$NS"
netns_add "$NS-empty" || fail "cannot make a namespace"
hands "$TERN fastopen flush" "$NS"
peer "$NS" "$tmp/tern.sock"
chmod 666 "$tmp/tern.sock" "$TERN_SOCKET"
export COMPARE_SIDE=tern
run_compare repair "$tmp/tern.sock" ip netns exec "$NS-empty" "$TERN" run -- >"$tmp/tern"
status=$?
wait "$native"
compared "$tmp/linux" $LEAST || fail "Linux is not what the program says"
[ "$status" = 0 ] && compared "$tmp/tern" $LEAST || fail "Tern is not as Linux: $(cat "$tmp/tern")"
run_compare repair-user "$tmp/tern.sock" ip netns exec "$NS-empty" "${NOBODY[@]}" "$TERN" run -- \
	>"$tmp/tern-user"
compared "$tmp/tern-user" 60 || fail "Tern is not as Linux"

export COMPARE_SIDE=linux
run_compare repair-user "$tmp/linux.sock" ip netns exec "$OWN" "${NOBODY[@]}" >"$tmp/linux-user"
compared "$tmp/linux-user" 60 || fail "Linux is not what the program says"
CASES=window_values run_compare repair "$tmp/linux.sock" ip netns exec "$OWN" \
	env LD_PRELOAD="$BUILD/test/interop/libcompare-broken.so" >"$tmp/broken" &&
	fail "a library that lies was not noticed"
expect grep -q 'window_values, .*memcmp(&after, &window, .*: expected true, got false' "$tmp/broken"
kill "${peers[@]}"
tern_idle
tern_down
