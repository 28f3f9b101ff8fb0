#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Repair's socket calls, on the kernel and on Tern, with the same peer: compare_repair*.c. As in
# compare.sh, each check states what Linux gives, and both must match it; where Tern differs on purpose
# the check states both. The kernel's run needs CAP_NET_ADMIN in its namespace, as root has.
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
