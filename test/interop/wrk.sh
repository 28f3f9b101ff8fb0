#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# wrk with 64 keep-alive and 64 closing connections, 10 seconds each: not one error.
. "$(dirname "$0")/interop.sh"
command -v wrk >/dev/null || skip "wrk is not installed"
# Closing connections leave TIME-WAIT behind at whoever closes first; Tern's must not run out.
tern_up

load()
{
	in_ns wrk -t 1 -c 64 -d 10s --timeout 8s "$@" "http://$HOST4/" >"$tmp/wrk" || fail "wrk: $(cat "$tmp/wrk")"
	cat "$tmp/wrk"
	if grep -qE 'Socket errors|Non-2xx' "$tmp/wrk"; then
		fail "wrk met errors"
	fi
	awk '$1 == "Requests/sec:" { exit !($2 > 0) }' "$tmp/wrk" || fail "wrk counted no request"
}

load
load -H 'Connection: close'
tern_idle
tern_down
