#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bulk data over a bad link, every byte checked, both directions and both IP versions:
#
#     ternd - net_tap - forwarder - veth - Linux
#
# 1 % of the frames are lost, 5 ms each way, a few reordered and duplicated. Nobody may stall for more
# than a second beyond what retransmission time-outs explain: two in a row, 200 ms and 400 ms.
. "$(dirname "$0")/lossy_link.sh"

LOSS=0.01
DELAY_MS=5
GAP_MS=1600
MIB=$((1024 * 1024))

# transfer ARGUMENTS…: what the client does, and that it never stalled.
transfer()
{
	local gap
	client "$@" >"$tmp/transfer" || fail "client $*"
	cat "$tmp/transfer"
	gap=$(sed -n 's/.*longest gap \([0-9]*\) ms.*/\1/p' "$tmp/transfer")
	[ -n "$gap" ] && [ "$gap" -le $GAP_MS ] || fail "client $*: a gap of $gap ms"
}

conf
lossy_tern_up
forwarder_up "$TAP" "vf$$" --loss $LOSS --delay $DELAY_MS --reorder 0.002 --late 2 --duplicate 0.002 --seed 1
before=$(counter tcp retransmits) || fail "no counter of retransmissions"
for host in "$HOST4" "$HOST6"; do
	transfer download "$host" 80 $((6 * MIB))
	transfer upload "$host" 9 $((6 * MIB))
	transfer echo "$host" 7 $((3 * MIB))
done
after=$(counter tcp retransmits)
[ "$after" -gt "$before" ] || fail "nothing was sent again: was nothing lost?"
tern_idle
forwarder_down
tern_down
