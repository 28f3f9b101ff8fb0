#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# conf/af_xdp.conf as it is shipped, on one end of a veth pair; Linux has the other. net_af_xdp offers no
# checksums, no interrupts and one packet a page, which net_tap does not show.
. "$(dirname "$0")/interop.sh"

sed -e "s/^name .*/name = $NAME\nidle = adaptive/" -e 's/^hugepages .*/hugepages = no/' \
	-e "s|^root .*|root = $TERN_TOP/conf/www|" "$TERN_TOP/conf/af_xdp.conf" >"$tmp/ternd.conf"
netns_add "$NS" || fail "cannot make the namespace $NS"
ip -n "$NS" link add eth1 type veth peer name linux || skip "this kernel has no veth"
# Linux leaves sums on a veth to a device that is not there.
offloads_off "$NS" linux
ip -n "$NS" link set eth1 up
ip -n "$NS" link set linux up
ip -n "$NS" addr add 192.0.2.1/24 dev linux
ip -n "$NS" addr add 2001:db8:2::1/64 dev linux nodad
ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf"
wait_for 90 tern_ready_or_dead
if ! ternd_alive; then
	# What a kernel without AF_XDP answers to socket().
	! grep -qiE 'not supported|Address family' "$log" || skip "this kernel has no AF_XDP"
	fail "ternd ended at its start"
fi
for host in 192.0.2.2 '[2001:db8:2::2]'; do
	wait_for 15 in_ns curl -gsf --max-time 2 -o "$tmp/got" "http://$host/" || fail "no answer of $host"
	cmp "$tmp/got" "$TERN_TOP/conf/www/index.html" || fail "$host: another page"
	expect client download "${host//[\[\]]/}" 80 3000000
	expect client echo "${host//[\[\]]/}" 7 300000
done
