#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SMC-R's option and CLC with a real peer, a Linux guest with AF_SMC (guest.sh):
#
#     ternd - net_tap - forwarder - tap - guest, 198.18.0.1 and 2001:db8:18::1
#
# Both ways, with and without the option on either side, and with a middle box that takes it away.
# What went over the wire is read from the forwarder's capture by tshark.
. "$(dirname "$0")/lossy_link.sh"
. "$(dirname "$0")/guest.sh"
command -v tshark >/dev/null || skip "tshark is not installed"
guest_need

SMC_PEER=$BUILD/test/interop/smc_peer
SMC_PEER_STATIC=$BUILD/test/interop/smc_peer_static
GUEST4=198.18.0.1
GUEST6=2001:db8:18::1
BYTES=300000
GUEST_MODULES=(virtio_pci virtio_net smc)
GUEST_TAP=$(guest_tap 0)

guest_files()
{
	cp "$SMC_PEER_STATIC" "$1/bin/smc_peer"
}

smc_cleanup()
{
	local status=$?
	guest_down
	(exit $status)
	lossy_cleanup
}
trap smc_cleanup EXIT

# Where the programs run that are started here: the kernel's addresses are this namespace's.
in_ns()
{
	ip netns exec "$NS" "$@"
}

conf
sed -i -e '/^\[service echo\]/a smc = yes' "$tmp/ternd.conf"
printf '[service echo plain]\nlisten = *:8\n' >>"$tmp/ternd.conf"

netns_add "$NS" || fail "cannot make the namespace $NS"
ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf"
wait_for 90 tern_ready_or_dead
ternd_alive || fail "ternd ended at its start"
wait_for 20 ip -n "$NS" link show "$TAP" || fail "no $TAP"
netns_write "$NS" "net/ipv6/conf/$TAP/disable_ipv6" 1
offloads_off "$NS" "$TAP"
ip -n "$NS" link set "$TAP" up
pools >"$tmp/pools.first" || fail "tern pools"
guest_up $GUEST4/24 $GUEST6/64
offloads_off "$NS" "$GUEST_TAP"
guest 'smc_peer smc server 6 71 >/71 & smc_peer tcp server 6 72 >/72 & :'
listening='grep -q listening /71 && grep -q listening /72'
guest "for i in \$(seq 300); do $listening && break; sleep 0.1; done; $listening" ||
	fail "no servers in the guest"

# ---- What goes over the wire

# through MIDDLEBOX CASE: what follows goes through it.
through()
{
	case_name=$2
	forwarder_up "$TAP" "$GUEST_TAP" --middlebox "$1" --capture "$tmp/capture"
}

# wire SYN SYNACK CLC: ends that. Whether the first SYN and SYN-ACK to and from the peer had the option
# (1, 0), and which CLC messages were sent, by whom: "client:4" is a client's Decline.
wire()
{
	# Their ends must find a way, too.
	wait_for 10 no_connections || fail "$case_name: connections do not end"
	forwarder_down >"$tmp/forwarded"
	tshark -r "$tmp/capture" -o tcp.try_heuristic_first:TRUE -Y 'tcp.flags.syn == 1' \
		-T fields -E 'separator=;' -e tcp.flags.ack -e tcp.options.experimental.exid \
		-e tcp.options.experimental.data 2>"$tmp/tshark" |
		awk -F';' '{ print $1, ($2 == "0xe2d4" && $3 ~ /c3:?d9/) }' | sort -u >"$tmp/syns"
	printf '0 %s\n1 %s\n' "$1" "$2" | cmp -s - "$tmp/syns" ||
		fail "$case_name: SYNs with the option: $(tr '\n' ',' <"$tmp/syns") not 0 $1, 1 $2"
	tshark -r "$tmp/capture" -o tcp.try_heuristic_first:TRUE -Y 'smc.clc_msg' \
		-T fields -E 'separator=;' -e tcp.srcport -e smc.clc_msg -e smc.peer.diag.info \
		2>>"$tmp/tshark" |
		awk -F';' '{ print ($1 < 1024 ? "server:" : "client:") $2, $3 }' | sort | uniq -c |
		awk '{ print $2, $3 }' >"$tmp/clc"
	[ "$(cat "$tmp/clc")" = "$3" ] || fail "$case_name: CLC messages: $(cat "$tmp/clc") not $3"
	say "$case_name: SYN $1, SYN-ACK $2, CLC ${3:-none}"
}

# echoed OUTPUT FAMILY: what smc_peer's client says when all is well.
echoed()
{
	grep -qE "^domain [0-9]+, from [0-9a-f.:]+, family $2, echoed $BYTES\$" <<<"$1" ||
		fail "$case_name: $(cat -A <<<"$1")"
}

on_tern()
{
	in_ns "$TERN" run -- "$SMC_PEER" "$@" 2>&1
}

DECLINE='4 0x03030000'

# ---- The guest asks

through none "AF_SMC to a listener with the flag"
for to in $HOST4 $HOST6; do
	case $to in *:*) family=6 ;; *) family=4 ;; esac
	echoed "$(guest smc_peer smc client $to 7 $BYTES)" $family
done
wire 1 1 "client:$DECLINE"

through none "AF_SMC to a listener without the flag"
for to in $HOST4 $HOST6; do
	case $to in *:*) family=6 ;; *) family=4 ;; esac
	echoed "$(guest smc_peer smc client $to 8 $BYTES)" $family
done
wire 1 0 ""

through none "TCP to a listener with the flag"
echoed "$(guest smc_peer tcp client $HOST4 7 $BYTES)" 4
wire 0 0 ""

through none "AF_SMC to a program with AF_SMC"
ip netns exec "$NS" "$TERN" run -- "$SMC_PEER" smc server 6 73 >"$tmp/server" 2>&1 &
server=$!
wait_for 10 grep -q listening "$tmp/server" || fail "no server on Tern: $(cat "$tmp/server")"
for to in $HOST4 $HOST6; do
	echoed "$(guest smc_peer smc client $to 73 $BYTES)" 6\|4
done
wire 1 1 "client:$DECLINE"
through none "TCP to a program with AF_SMC"
echoed "$(guest smc_peer tcp client $HOST4 73 $BYTES)" 4
wire 0 0 ""
kill -TERM $server
wait $server 2>/dev/null

# ---- Programs on Tern ask

for peer in 71 72; do
	for to in $GUEST4 $GUEST6; do
		case $to in *:*) family=6 ;; *) family=4 ;; esac
		[ $peer = 71 ] && through none "a program's AF_SMC to Linux's" ||
			through none "a program's AF_SMC to a server without"
		echoed "$(on_tern smc client $to $peer $BYTES)" $family
		[ $peer = 71 ] && wire 1 1 "client:$DECLINE" || wire 1 0 ""
	done
done

through none "a program's TCP to Linux's AF_SMC"
echoed "$(on_tern tcp client $GUEST4 71 $BYTES)" 4
wire 0 0 ""

# ---- A program that talks CLC itself: TCP_SYN_SMC alone

through none "a program with TCP_SYN_SMC"
in_ns "$TERN" run -- /usr/bin/python3 - $GUEST4 71 72 >"$tmp/python" 2>&1 <<'END' || fail "$case_name: $(cat "$tmp/python")"
import errno, socket, sys

SYN_SMC = 0x534d43
DECLINE = bytes.fromhex("e2d4c3d904001c10" "0000000000000000" "0303000000000000" "e2d4c3d9")

def connected(port):
    s = socket.socket()
    assert s.getsockopt(6, SYN_SMC) == 0
    for wrong in -1, 2:
        try:
            s.setsockopt(6, SYN_SMC, wrong)
            assert False, "a wrong value is taken"
        except OSError as e:
            assert e.errno == errno.EINVAL, e
    s.setsockopt(6, SYN_SMC, 1)
    assert s.getsockopt(6, SYN_SMC) == 1
    s.settimeout(20)
    s.connect((sys.argv[1], port))
    return s

with connected(int(sys.argv[2])) as s:
    assert s.getsockopt(6, SYN_SMC) == 1, "Linux answered, and the flag is gone"
    s.sendall(DECLINE + b"hello")
    assert s.recv(5, socket.MSG_WAITALL) == b"hello"
with connected(int(sys.argv[3])) as s:
    assert s.getsockopt(6, SYN_SMC) == 0, "nobody answered, and the flag is there"
    s.sendall(b"hello")
    assert s.recv(5, socket.MSG_WAITALL) == b"hello"
END
wait_for 10 no_connections || fail "$case_name: connections do not end"
forwarder_down >"$tmp/forwarded"
say "$case_name: both answers seen"

# ---- A middle box that takes the option away

through strip-smc "AF_SMC to a listener, the option stripped"
echoed "$(guest smc_peer smc client $HOST4 7 $BYTES)" 4
wire 1 0 ""
through strip-smc "a program's AF_SMC, the option stripped"
echoed "$(on_tern smc client $GUEST6 71 $BYTES)" 6
wire 1 0 ""

# ---- Addresses of the kernel's own: its AF_SMC if it has that, else TCP

: >"$tmp/server" # what the one before said must not be taken for its word
ip netns exec "$NS" "$SMC_PEER" tcp server 4 74 >"$tmp/server" 2>&1 &
server=$!
wait_for 10 grep -q listening "$tmp/server" || fail "no server of the kernel's"
case_name="AF_SMC to loopback"
echoed "$(on_tern smc client 127.0.0.1 74 $BYTES)" 4
kill -TERM $server
wait $server 2>/dev/null

# ---- What tern ss says

"$TERN" ss -le >"$tmp/ss" || fail "tern ss"
grep ':7 ' "$tmp/ss" | grep -qw smc || fail "tern ss does not show the flag: $(cat "$tmp/ss")"
! grep ':8 ' "$tmp/ss" | grep -qw smc || fail "tern ss shows a flag that is not set: $(cat "$tmp/ss")"
guest_down
tern_idle
tern_down
