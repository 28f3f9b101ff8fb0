# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the interop tests share; to be sourced. Each test has a namespace of its own, in which ternd runs
# with a net_tap, so that addresses never meet those of another test: Linux is 198.18.0.1 and
# 2001:db8:18::1, Tern 198.18.0.2 and 2001:db8:18::2. Everything else carries the process number.
#
#     . "$(dirname "$0")/interop.sh"
#     conf <<<"..."       a configuration, if the usual one does not do
#     tern_up             starts ternd and waits for it
#     ...                 in_ns COMMAND, client ..., expect ...
#     tern_idle           no connection is left, and the pools hold what they held at first
#
# The exit trap ends ternd and removes namespace and files.

set -u
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

# Of wait_for: a machine that is busy with others takes several times as long as it should.
WAIT_PATIENCE=4

BUILD=${MESON_BUILD_ROOT:-$TERN_TOP/build}
TERND=$BUILD/dataplane/ternd
TERN=$BUILD/lib/tern
CLIENT=$BUILD/test/interop/client
TEST=$(basename "$0" .sh)
NAME=test-$TEST-$$
NS=$NAME
TAP=tap$$
HOST4=198.18.0.2
HOST6=2001:db8:18::2
export TERN_SOCKET=/run/tern/$NAME.sock

[ "$(id -u)" = 0 ] || skip "needs root"
[ -x "$TERND" ] || die "no $TERND: build first"
tun_need || skip "no /dev/net/tun"

tmp=$(mktemp -d)
log=$tmp/ternd.log
: >"$log"

interop_cleanup()
{
	local status=$?
	trap '' INT TERM HUP PIPE
	if [ $status -ne 0 ] && [ $status -ne 77 ] && [ -s "$log" ]; then
		say "---- ternd said:"
		tail -n 40 "$log"
	fi
	ternd_stop
	netns_del "$NS"
	ternd_remains_remove "$NAME"
	hugepages_restore
	rm -rf "$tmp"
	exit $status
}
trap interop_cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
# Whoever read our output is gone: bash would end without the exit trap.
trap 'exit 141' PIPE

# fail WHY: ends the test.
fail()
{
	say "FAILED: $*"
	exit 1
}

# expect COMMAND…: it must succeed; its output is shown.
expect()
{
	"$@" || fail "$* (status $?)"
}

# conf [KEY=VALUE…]: writes the usual configuration. The keys here are those that tests change:
# hugepages, lanes, idle, timewait, user_timeout, retries, idle_timeout, buffers, connections; and fastopen,
# which turns it on, with that many seconds for the guard.
conf()
{
	local hugepages=no lanes=${TERN_TEST_LANES:-1} timewait=1 user_timeout=0 retries=15 idle_timeout=60 buffers=32768 \
		connections=4096 fastopen= idle=adaptive pair
	for pair in "$@"; do
		local "$pair"
	done
	mkdir -p "$tmp/www"
	echo "<!doctype html><title>Tern</title><p>A page for the tests." >"$tmp/www/index.html"
	cat >"$tmp/ternd.conf" <<END
[dataplane]
name      = $NAME
eal       = --no-pci --vdev=net_tap0,iface=$TAP
lanes     = $lanes
hugepages = $hugepages
idle      = $idle
[port 0]
ipv4 = $HOST4/24
ipv6 = $HOST6/64
[tcp]
timewait     = $timewait
user_timeout = $user_timeout
retries      = $retries
[limits]
connections = $connections
buffers     = $buffers
[service http]
listen       = *:80
root         = $tmp/www
idle_timeout = $idle_timeout
[service echo]
listen = *:7
[service discard]
listen = *:9
[service chargen]
listen = *:19
END
	[ -z "$fastopen" ] ||
		sed -i -e "/^\[tcp\]/a fastopen = client, server\nfastopen_blackhole_timeout = $fastopen" \
			-e '/^\[service http\]/a fastopen = 16' "$tmp/ternd.conf"
}

in_ns()
{
	ip netns exec "$NS" "$@"
}

client()
{
	in_ns "$CLIENT" "$@"
}

# offloads_off NAMESPACE INTERFACE: Linux fills in checksums and cuts segments itself.
offloads_off()
{
	local feature
	for feature in tso gso gro tx rx sg; do
		ip netns exec "$1" ethtool -K "$2" $feature off >/dev/null 2>&1
	done
}

# Starts ternd with $tmp/ternd.conf in the namespace and waits until it answers.
tern_up()
{
	[ -e "$tmp/ternd.conf" ] || conf
	[ -e "/run/netns/$NS" ] || netns_add "$NS" || fail "cannot make the namespace $NS"
	# The test's processors are shared with ternd: it may be slow, but it must come.
	ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf"
	wait_for 90 tern_ready_or_dead
	ternd_alive || fail "ternd ended at its start"
	timeout 20 "$TERN" version >"$tmp/version" 2>&1 || fail "ternd does not answer: $(cat "$tmp/version")"
	tap_up "$NS" "$TAP" 198.18.0.1/24 2001:db8:18::1/64 || fail "cannot set up $TAP"
	wait_for 45 in_ns curl -gsf --max-time 5 -o /dev/null "http://$HOST4/" ||
		fail "no first answer over IPv4"
	wait_for 45 in_ns curl -gsf --max-time 5 -o /dev/null "http://[$HOST6]/" ||
		fail "no first answer over IPv6"
	wait_for 30 no_connections || fail "connections of the first requests do not go away"
	pools >"$tmp/pools.first" || fail "tern pools"
}

# It answers on its socket only when its ports run.
tern_ready_or_dead()
{
	timeout 10 "$TERN" version || ternd_gone
}

# Ends ternd with SIGTERM; it must say goodbye with status 0 and leave nothing.
tern_down()
{
	ternd_alive || fail "ternd has ended by itself"
	ternd_stop
	[ "$ternd_status" -eq 0 ] || fail "ternd ended with status $ternd_status"
	[ ! -e "$TERN_SOCKET" ] || fail "$TERN_SOCKET is left behind"
}

# connections: those that `tern ss` shows, listening ones excepted.
connections()
{
	"$TERN" ss -aH | grep -v 'LISTEN\|^MUTE'
}

no_connections()
{
	[ -z "$(connections)" ]
}

# counter GROUP NAME: a counter's sum over all lanes; groups are those of `tern stats`.
counter()
{
	"$TERN" stats --json | /usr/bin/python3 -c '
import json, sys
lanes = json.load(sys.stdin)["lanes"]
print(sum(lane[sys.argv[1]][sys.argv[2]] for lane in lanes))' "$1" "$2"
}

# Resets that found their connection in TIME-WAIT: whose end is gone by the acknowledgment of its FIN, answers so
# to that of the FIN's copy, which a tail loss probe sends when the machine is busy. No connection ends by them.
late_resets()
{
	counter tcp timewait_rst
}

# Nothing of a connection is left, and every pool is as full as it was before the traffic.
tern_idle()
{
	ternd_alive || fail "ternd has ended by itself"
	wait_for 60 no_connections || fail "connections are left: $(connections | head)"
	wait_for 30 pools_full || fail "pools: $(diff "$tmp/pools.first" "$tmp/pools.now")"
}

pools_full()
{
	pools >"$tmp/pools.now" && cmp -s "$tmp/pools.first" "$tmp/pools.now"
}

# pools: lane, pool, size and what is available. Not how many of those are in caches: that varies.
pools()
{
	"$TERN" pools | awk '{ print $1, $2, $3, $4 }'
}
