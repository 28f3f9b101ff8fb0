#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Repair's socket calls, on the kernel and on Tern, with the same peer: compare_repair*.c. As in
# compare.sh, each check states what Linux gives, and both must match it; where Tern differs on purpose
# the check states both. A library that lies is noticed, as there. The kernel's run needs CAP_NET_ADMIN in its namespace, as root has.
. "$(dirname "$0")/compare_both.sh"
LEAST=2200 # checks

command -v nft >/dev/null || skip "no nft: package nftables"

# hands OWN PEER: the script by which the program has packets of the peer's namespace lost.
hands()
{
	cat >"$tmp/hands" <<-END
		#!/bin/sh
		case \$1,\$2 in
		flush,own) exec $2 ;;
		flush,peer) exec $3 ;;
		deafen,) rule='add rule inet deaf in meta l4proto tcp drop' ;;
		silence,) rule='add rule inet deaf out tcp flags & (syn | ack) == ack drop' ;;
		hear,) rule='delete table inet deaf' ;;
		*) exit 1 ;;
		esac
		exec ip netns exec $1 nft "add table inet deaf
			add chain inet deaf in { type filter hook input priority 0; }
			add chain inet deaf out { type filter hook output priority 0; }
			\$rule"
	END
	chmod +x "$tmp/hands"
	export COMPARE_HANDS=$tmp/hands
}

# A user who may nothing.
NOBODY=(setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all)

wire_up
for ns in "$OWN" "$OTHER"; do
	netns_write "$ns" net/ipv4/tcp_fastopen 3
	netns_write "$ns" net/ipv4/tcp_fastopen_blackhole_timeout_sec 0
done
hands "$OTHER" "ip -n $OWN tcp_metrics flush" "ip -n $OTHER tcp_metrics flush"
peer "$OTHER" "$tmp/linux.sock"
chmod 755 "$tmp" && chmod 666 "$tmp"/*.sock
run_compare repair "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux"
compared "$tmp/linux" $LEAST || fail "Linux is not what the program says"
run_compare repair-user "$tmp/linux.sock" ip netns exec "$OWN" "${NOBODY[@]}" >"$tmp/linux-user"
compared "$tmp/linux-user" 40 || fail "Linux is not what the program says"
CASES=window_values run_compare repair "$tmp/linux.sock" ip netns exec "$OWN" \
	env LD_PRELOAD="$BUILD/test/interop/libcompare-broken.so" >"$tmp/broken" &&
	fail "a library that lies was not noticed"
expect grep -q 'window_values, .*memcmp(&after, &window, .*: expected true, got false' "$tmp/broken"

# Tern: the program in a namespace without any link, so that only Tern leads to the peer.
export COMPARE_SIDE=tern
conf fastopen=0
tern_up
netns_write "$NS" net/ipv4/tcp_fastopen 3
netns_add "$NS-empty" || fail "cannot make a namespace"
hands "$NS" "$TERN fastopen flush" "ip -n $NS tcp_metrics flush"
peer "$NS" "$tmp/tern.sock"
chmod 666 "$tmp"/*.sock "$TERN_SOCKET"
run_compare repair "$tmp/tern.sock" ip netns exec "$NS-empty" "$TERN" run -- >"$tmp/tern"
compared "$tmp/tern" $LEAST || fail "Tern is not as Linux"
run_compare repair-user "$tmp/tern.sock" ip netns exec "$NS-empty" "${NOBODY[@]}" "$TERN" run -- \
	>"$tmp/tern-user"
compared "$tmp/tern-user" 40 || fail "Tern is not as Linux"
kill "${peers[@]}"
tern_idle
tern_down
