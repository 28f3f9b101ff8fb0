# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the tests of unmodified programs share; to be sourced after interop.sh. Programs on Tern run in a
# namespace of their own, with no more than loopback: only by Tern do they reach the other one, and
# their ports on loopback meet nobody's.

HOST_NS=$NS-host

netns_add "$HOST_NS" || fail "cannot make the namespace $HOST_NS"

unmodified_cleanup()
{
	local status=$?
	netns_del "$HOST_NS"
	(exit $status)
	interop_cleanup
}
trap unmodified_cleanup EXIT

# on_tern PROGRAM…: a program on Tern; in_host PROGRAM…: beside it, on the kernel.
in_host()
{
	ip netns exec "$HOST_NS" "$@"
}

on_tern()
{
	in_host "$TERN" run -- "$@"
}

serving()
{
	[ -n "$("$TERN" ss -alH | grep ":$1 ")" ]
}

# serve PORT PROGRAM…: a server on Tern, in the background; $server is its process.
serve()
{
	local port=$1
	shift
	ip netns exec "$HOST_NS" "$TERN" run -- "$@" >"$tmp/server.log" 2>&1 &
	server=$!
	wait_for 10 serving "$port" || fail "$1 does not listen on Tern: $(tail -n 5 "$tmp/server.log")"
}

# serve_end [SIGNAL]: ends it. No program is attached afterwards, and no connection left.
serve_end()
{
	kill "-${1:-TERM}" "$server"
	wait "$server" 2>/dev/null
	wait_for 10 no_programs || fail "programs are still attached"
	tern_idle
}

no_programs()
{
	[ "$(counter gateway attached)" -eq "$(counter gateway detached)" ]
}
