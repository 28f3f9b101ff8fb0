#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ping and ping6, small, full-sized and in quick succession; and of an address that is not there.
. "$(dirname "$0")/interop.sh"
tern_up

expect in_ns ping -4 -c 3 -i 0.2 -W 2 "$HOST4"
expect in_ns ping -6 -c 3 -i 0.2 -W 2 "$HOST6"
expect in_ns ping -4 -c 3 -i 0.2 -W 2 -s 1400 -M do "$HOST4"
expect in_ns ping -6 -c 3 -i 0.2 -W 2 -s 1400 "$HOST6"
# The largest that fits an MTU of 1500: 20 or 40 bytes of IP header and 8 of ICMP.
expect in_ns ping -4 -c 1 -W 2 -s 1472 -M do "$HOST4"
expect in_ns ping -6 -c 1 -W 2 -s 1452 -M do "$HOST6"
expect in_ns ping -4 -q -c 500 -i 0.002 -W 2 "$HOST4"
if in_ns ping -4 -c 1 -W 1 198.18.0.77; then
	fail "an address that is not Tern's answers"
fi
tern_idle
tern_down
