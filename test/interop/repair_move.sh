#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A connection moves from process to process by plain Linux calls, in every state: repair_move.c. First
# on the kernel, behind a packet filter, since the kernel's connections live on in repair; then under
# `tern run` without one; then from one to the other. The peer is a Linux program that checks every
# byte. Each state moves over one family, and in mid-stream a connection moves 4 times; if
# TERN_REPAIR_MOVES is set, over both, and that often.
. "$(dirname "$0")/compare_both.sh"
MOVE=$BUILD/test/interop/repair_move
MOVES=${TERN_REPAIR_MOVES:-4}
PORT=7000
PEER4=198.18.0.1
PEER6=2001:db8:18::1

command -v nft >/dev/null || skip "no nft: package nftables"

# ---- Where it lives

# The program's hook, "hook SIDE WAYS WORD": on the kernel's side it holds connections still from the
# dump on, until one is restored, to which side the way leads then if there are two.
cat >"$tmp/hook" <<END
#!/bin/sh
way()
{
	ip -n $NS route replace $HOST4/32 dev \$1 src $PEER4 && ip -n $NS route replace $HOST6/128 dev \$1
}
case \$1,\$3 in
kernel,dump) exec ip netns exec $OWN nft "add table inet hold
	add chain inet hold in { type filter hook input priority 0; }
	add chain inet hold out { type filter hook output priority 0; }
	add rule inet hold in meta l4proto tcp drop
	add rule inet hold out meta l4proto tcp drop" ;;
tern,dump) exit 0 ;;
kernel,*) side=cd$$ ;;
tern,*) side=$TAP ;;
esac
[ \$1 = kernel ] || [ \$2 = 2 ] || exit 0
[ \$2 = 1 ] || way \$side || exit 1
ip netns exec $OWN nft list table inet hold >/dev/null 2>&1 || exit 0
exec ip netns exec $OWN nft delete table inet hold
END
chmod +x "$tmp/hook"
ways=1

kernel()
{
	REPAIR_MOVE_HOOK="$tmp/hook kernel $ways" ip netns exec "$OWN" "$@"
}

# Where there is a way to Tern, on which the peer's FIN can be repeated.
tern()
{
	REPAIR_MOVE_HOOK="$tmp/hook tern $ways" in_ns "$TERN" run -- "$@"
}

# ---- The peer

# peer_rule NFT-RULE, peer_rule: what the peer does not hear.
peer_rule()
{
	if [ $# -eq 0 ]; then
		ip netns exec "$PEER_NS" nft delete table inet deaf
	else
		ip netns exec "$PEER_NS" nft "add table inet deaf
			add chain inet deaf in { type filter hook input priority 0; }
			add rule inet deaf in $1 drop"
	fi
}

# listen_move ADDRESS ARGUMENTS…
listen_move()
{
	: >"$tmp/peer"
	ip netns exec "$PEER_NS" "$MOVE" peer "$1" $PORT "${@:2}" >"$tmp/peer" 2>"$tmp/peer.err" &
	peer_pid=$!
	peers=("$peer_pid")
	wait_for 10 grep -q ready "$tmp/peer" || fail "$what: no peer: $(cat "$tmp/peer.err")"
}

peer_is_content()
{
	local status=0
	wait "$peer_pid" || status=$?
	peers=()
	[ "$status" = 0 ] && grep -q ok "$tmp/peer" || fail "$what: the peer: $(cat "$tmp/peer.err")"
}

# ---- Moves

# run_move SIDE ARGUMENTS…: one life of it.
run_move()
{
	"$1" timeout 60 "$MOVE" "${@:2}" >"$tmp/mover" 2>"$tmp/mover.err" ||
		fail "$what: $(cat "$tmp/mover.err" "$tmp/peer.err")"
	cat "$tmp/mover" >>"$tmp/lives"
}

# begin SIDE: the way leads there.
begin()
{
	"$tmp/hook" "$1" $ways restored || fail "no way to the $1"
}

# move FROM TO WHEN SENDS RECEIVES [THE PEER'S WORDS…]: opened by FROM, moved at that moment, ended by TO.
families=0
move()
{
	local from=$1 to=$2 when=$3 sends=$4 receives=$5 family over="4 6" own peer
	shift 5
	[ -n "${TERN_REPAIR_MOVES:-}" ] || over=$((families++ % 2 ? 6 : 4))
	for family in $over; do
		own=HOST$family peer=PEER$family what="$when over IPv$family, $from to $to"
		begin "$from"
		listen_move "${!peer}" "$receives" "$sends" "$@"
		case $when in
		syn) peer_rule "tcp dport $PORT" ;;
		unacked) peer_rule "tcp dport $PORT meta length > 200" ;;
		esac
		run_move "$from" connect "${!own}" "${!peer}" $PORT "$sends" "$receives" "$when" "$tmp/dump"
		case $when in syn | unacked) peer_rule ;; esac
		case " $* " in *" late "* | *" behind "*) kill -USR1 "$peer_pid" ;; esac
		run_move "$to" restore "$tmp/dump"
		grep -q ok "$tmp/mover" || fail "$what: no end"
		peer_is_content
	done
}

# every_state FROM TO
every_state()
{
	move "$@" idle 200000 100000
	move "$@" bytes:300000 1000000 1000000
	move "$@" unacked 2000000 50000
	move "$@" full 16000000 100000 late
	move "$@" syn 1000 1000
	move "$@" fin 200000 1000 late
	move "$@" fin-acked 20000 200000 behind
	move "$@" peer-fin 20000 50000 first
	move "$@" peer-fin-unread 20000 30000 first
	move "$@" last-ack 200000 1000 first late
	move "$@" closing 200000 1000 first late wait
}

# to_and_fro FROM TO: many times in one transfer.
to_and_fro()
{
	local sides=("$@") i
	what="to and fro between $1 and $2"
	begin "$1"
	listen_move "$PEER4" 4000000 4000000
	run_move "$1" connect "$HOST4" "$PEER4" $PORT 4000000 4000000 bytes:500000 "$tmp/dump"
	for ((i = 1; i < MOVES; i++)); do
		run_move "${sides[i % 2]}" restore "$tmp/dump" "bytes:$((6000000 / MOVES))" "$tmp/dump"
	done
	run_move "${sides[MOVES % 2]}" restore "$tmp/dump"
	peer_is_content
}

# lived WHERE: what was dumped was in each state, with data in both queues.
lived()
{
	say "$1: $(grep -c dumped "$tmp/lives") moves"
	expect grep -q "state 1: 50000 to read, [1-9][0-9]* to send, [1-9]" "$tmp/lives"
	for state in 2 4 5 8 9 11; do
		expect grep -q "dumped in state $state:" "$tmp/lives"
	done
	: >"$tmp/lives"
}

# The kernel alone, and meanwhile Tern alone.
wire_up
(
	mkdir "$tmp/kernel" && cp "$tmp/hook" "$tmp/kernel"
	tmp=$tmp/kernel
	PEER_NS=$OTHER
	every_state kernel kernel
	to_and_fro kernel kernel
	lived "on the kernel"
) >"$tmp/kernel.said" 2>&1 &
kernel_pid=$!
conf
tern_up
PEER_NS=$NS
families=1 # each state over the other one
every_state tern tern
to_and_fro tern tern
lived "on Tern"
wait "$kernel_pid" || fail "$(cat "$tmp/kernel.said")"
say "$(cat "$tmp/kernel.said")"

# Both: the peer has a wire to each.
ip -n "$OWN" link del "ca$$"
ip link add "cc$$" netns "$OWN" address 02:00:c6:12:00:0c type veth \
	peer name "cd$$" netns "$NS" address 02:00:c6:12:00:0d || fail "cannot make a wire"
ip -n "$NS" link set "cd$$" up
ip -n "$OWN" link set "cc$$" up
ip -n "$OWN" addr add "$HOST4/24" dev "cc$$"
ip -n "$OWN" addr add "$HOST6/64" dev "cc$$" nodad
# The peer's addresses are on the other wire: nobody would answer for them here.
for family in 4 6; do
	own=HOST$family peer=PEER$family
	ip -n "$OWN" neigh replace "${!peer}" lladdr 02:00:c6:12:00:0d dev "cc$$" nud permanent
	ip -n "$NS" neigh replace "${!own}" lladdr 02:00:c6:12:00:0c dev "cd$$" nud permanent
done
ways=2
every_state kernel tern
every_state tern kernel
to_and_fro kernel tern
lived "between both"
begin tern
tern_idle
tern_down
