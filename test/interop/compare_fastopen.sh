#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fast Open's socket calls, on the kernel and on Tern, with the same peer: compare_fastopen*.c. As in
# compare.sh, each check states what Linux gives, and both must match it.
. "$(dirname "$0")/compare_both.sh"
LEAST=1400 # checks

# early_ns NAMESPACE: client and server, cookies by a key of the namespace's own.
early_ns()
{
	netns_write "$1" net/ipv4/tcp_fastopen 3
	netns_write "$1" net/ipv4/tcp_fastopen_blackhole_timeout_sec 0
	netns_write "$1" net/core/somaxconn 4096
	[ "$(ip netns exec "$1" cat /proc/sys/net/ipv4/tcp_fastopen)" = 3 ] ||
		skip "this kernel has no Fast Open"
}

# hands OWN PEER: the script by which the program has cookies forgotten, of either side by a command; and
# what only the kernel lets it do: how Fast Open is set on our side, and the way to the peer.
hands()
{
	cat >"$tmp/hands" <<-END
		#!/bin/sh
		case \$1,\$2 in
		flush,own) exec $1 ;;
		flush,peer) exec $2 ;;
		bits,own) exec ip netns exec $OWN sh -c "echo \$3 >/proc/sys/net/ipv4/tcp_fastopen" ;;
		way,none) exec ip -n $OWN route del 198.18.0.0/24 dev ca$$ ;;
		way,back) exec ip -n $OWN route add 198.18.0.0/24 dev ca$$ src $HOST4 ;;
		esac
		exit 1
	END
	chmod +x "$tmp/hands"
	export COMPARE_HANDS=$tmp/hands
}

wire_up
early_ns "$OWN"
early_ns "$OTHER"
hands "ip -n $OWN tcp_metrics flush" "ip -n $OTHER tcp_metrics flush"
peer "$OTHER" "$tmp/linux.sock"
run_compare fastopen "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux"
compared "$tmp/linux" $LEAST || fail "Linux is not what the program says"
run_compare fastopen-later "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux-later"
compared "$tmp/linux-later" 24 || fail "Linux is not what the program says"
netns_write "$OWN" net/ipv4/tcp_fastopen 0
run_compare fastopen-off "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/linux-off"
compared "$tmp/linux-off" 20 || fail "Linux is not what the program says"
netns_write "$OWN" net/ipv4/tcp_fastopen 3
# A side without Fast Open on the way back must not look like one with it.
netns_write "$OTHER" net/ipv4/tcp_fastopen 1
CASES="first_write4 child4" run_compare fastopen "$tmp/linux.sock" ip netns exec "$OWN" >"$tmp/off" &&
	fail "a peer without Fast Open was not noticed"
grep -q 'first_write4, gives up: a deferred connect\|first_write4, gives up: connect was not deferred' \
	"$tmp/off" || fail "not what was to be noticed: $(cat "$tmp/off")"

# Tern: the program in a namespace without any link, so that only Tern leads to the peer.
conf fastopen=0
tern_up
early_ns "$NS"
netns_add "$NS-empty" || fail "cannot make a namespace"
hands "$TERN fastopen flush" "ip -n $NS tcp_metrics flush"
peer "$NS" "$tmp/tern.sock"
run_compare fastopen "$tmp/tern.sock" ip netns exec "$NS-empty" "$TERN" run -- >"$tmp/tern"
compared "$tmp/tern" $LEAST || fail "Tern is not as Linux"
tern_idle
tern_down
sed -i -e '/^fastopen = 16/d' -e 's/^fastopen = .*/fastopen = none/' "$tmp/ternd.conf"
tern_up
run_compare fastopen-off "$tmp/tern.sock" ip netns exec "$NS-empty" "$TERN" run -- >"$tmp/tern-off"
compared "$tmp/tern-off" 20 || fail "Tern is not as Linux"
kill "${peers[@]}"
tern_idle
tern_down
