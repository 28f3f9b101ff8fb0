#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Malformed frames through a raw socket: each is dropped and counted by its reason, and ternd goes on.
. "$(dirname "$0")/interop.sh"
tern_up

mac=$(ip -n "$NS" neigh show "$HOST4" dev "$TAP" | sed -n 's/.*lladdr \([^ ]*\).*/\1/p')
[ -n "$mac" ] || fail "Linux does not know Tern's MAC address"
expect in_ns /usr/bin/python3 "$(dirname "$0")/malformed.py" "$TERN" "$TAP" "$mac"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://[$HOST6]/"
tern_idle
tern_down
