#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dpdk-dumpcap attaches to a running ternd and captures both directions. Needs huge pages: it is a second
# process that shares ternd's memory. PCI devices are hidden from it: it would probe this machine's.
. "$(dirname "$0")/interop.sh"
command -v dpdk-dumpcap >/dev/null || skip "dpdk-dumpcap (dpdk-dev) is not installed"
command -v tshark >/dev/null || skip "tshark is not installed"
hugepages_reserve 256 || skip "no huge pages to be had"
conf hugepages=yes
tern_up

unshare -m sh -c 'for d in /sys/bus/pci/devices /sys/bus/vmbus/devices; do
		[ ! -d $d ] || mount -t tmpfs none $d || exit 1
	done
	exec env --default-signal=INT,TERM "$@"' sh \
	timeout -k 5 60 dpdk-dumpcap --file-prefix="$NAME" -i 0 -w "$tmp/capture.pcapng" -q >"$tmp/dumpcap.log" 2>&1 &
pid=$!
wait_for 20 test -s "$tmp/capture.pcapng" || fail "dpdk-dumpcap: $(cat "$tmp/dumpcap.log")"
sleep 1
expect in_ns ping -4 -q -c 20 -i 0.05 "$HOST4"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/bytes/100000"
sleep 1
kill -INT "$pid"
wait "$pid" || say "dpdk-dumpcap ended with status $?: $(cat "$tmp/dumpcap.log")"
packets()
{
	tshark -r "$tmp/capture.pcapng" -Y "$1" 2>/dev/null | wc -l
}
[ "$(packets 'icmp.type == 8')" -ge 20 ] || fail "echo requests captured: $(packets 'icmp.type == 8')"
[ "$(packets 'icmp.type == 0')" -ge 20 ] || fail "echo replies captured: $(packets 'icmp.type == 0')"
[ "$(packets 'tcp.srcport == 80 && tcp.len > 0')" -ge 69 ] || fail "no TCP data captured"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
wait_for 20 no_connections || fail "connections are left: $(connections | head)"
tern_down
