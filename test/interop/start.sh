#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What keeps ternd from starting: a taken control socket, a missing device, no huge pages, no root. A
# clear line, a status, nothing left behind; and who was there first goes on. What does not: more lanes than
# a tap can have queues.
. "$(dirname "$0")/interop.sh"

# refused WANTED COMMAND…: fails within 30 seconds with a message that matches, and leaves nothing.
refused()
{
	local wanted=$1 status=0
	shift
	timeout -k 5 30 ip netns exec "$NS" "$@" </dev/null >"$tmp/out" 2>&1 || status=$?
	[ $status -ne 0 ] && [ $status -lt 120 ] || fail "$*: status $status, said: $(cat "$tmp/out")"
	grep -qiE -- "$wanted" "$tmp/out" || fail "$*: expected '$wanted', said: $(cat "$tmp/out")"
	say "status $status: $(grep -iE -- "$wanted" "$tmp/out" | head -n 1)"
}

nothing_left()
{
	[ ! -e "$TERN_SOCKET" ] || fail "$TERN_SOCKET is left behind"
	! ip -n "$NS" link show "$TAP" 2>/dev/null || fail "$TAP is left behind"
	! ls /dev/hugepages/*"$NAME"* 2>/dev/null || fail "huge page files are left behind"
}

conf
cp "$tmp/ternd.conf" "$tmp/good.conf"
netns_add "$NS"

# No such device, no device at all, bad EAL arguments.
sed 's/net_tap0,iface=[^ ]*/net_nosuch0/' "$tmp/good.conf" >"$tmp/ternd.conf"
refused 'net_nosuch0|device|vdev' "$TERND" -c "$tmp/ternd.conf"
nothing_left
sed 's/--vdev=[^ ]*//' "$tmp/good.conf" >"$tmp/ternd.conf"
refused 'port' "$TERND" -c "$tmp/ternd.conf"
nothing_left
sed 's/--vdev=[^ ]*/--vdev=net_af_packet0,iface=nosuchif0/' "$tmp/good.conf" >"$tmp/ternd.conf"
refused 'nosuchif0|af_packet|device|port' "$TERND" -c "$tmp/ternd.conf"
nothing_left
sed 's/^eal .*/& --no-such-argument/' "$tmp/good.conf" >"$tmp/ternd.conf"
refused 'EAL|no-such-argument' "$TERND" -c "$tmp/ternd.conf"
nothing_left

# EAL gives up: here because a library that is there comes a second time. What it says is heard.
bus=$(find /usr/lib -path '*dpdk/pmds-*' -name 'librte_bus_pci.so.*' -type f | head -n 1)
if [ -n "$bus" ]; then
	cp "$bus" "$tmp/bus.so"
	sed "s|^eal .*|& -d /mnt/bus.so|" "$tmp/good.conf" >"$tmp/ternd.conf"
	# EAL takes no library from a folder that all may write to, as /tmp.
	timeout -k 5 30 ip netns exec "$NS" unshare -m sh -c "mount --bind $tmp /mnt && exec $TERND -c $tmp/ternd.conf" \
		</dev/null >"$tmp/out" 2>&1 && fail "it starts with a library twice"
	grep -q 'PANIC' "$tmp/out" || fail "EAL gave up, and said: $(cat "$tmp/out")"
	ternd_remains_remove "$NAME"
	nothing_left
fi

# Huge pages demanded where there are none: their folder is hidden, should this machine have some.
sed 's/^hugepages .*/hugepages = yes/' "$tmp/good.conf" >"$tmp/ternd.conf"
refused 'huge' unshare -m sh -c 'mount -t tmpfs none /sys/kernel/mm/hugepages && exec "$@"' sh \
	"$TERND" -c "$tmp/ternd.conf"
nothing_left

# Not root.
cp "$tmp/good.conf" "$tmp/ternd.conf"
chmod -R a+rX "$tmp"
cp "$TERND" "$tmp/ternd"
refused 'root|permission|privilege|permitted|CAP_|not allowed' setpriv --reuid=65534 --regid=65534 --clear-groups \
	--inh-caps=-all "$tmp/ternd" -c "$tmp/ternd.conf"
nothing_left

# Taken: the same name a second time. The first one must not notice.
tern_up
sed "s/iface=$TAP/iface=${TAP}b/" "$tmp/good.conf" >"$tmp/second.conf"
refused 'taken|in use|already|running|another' "$TERND" -c "$tmp/second.conf"
! ip -n "$NS" link show "${TAP}b" 2>/dev/null || fail "${TAP}b is left behind"
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
[ -S "$TERN_SOCKET" ] || fail "the first one's control socket is gone"

# A socket left by a ternd that was killed is none of that.
kill -KILL "$ternd_pid"
ternd_reap
[ -S "$TERN_SOCKET" ] || say "note: no socket file was left by SIGKILL"
tern_up
tern_idle
tern_down
nothing_left

# The fifth queue of a tap is one that its driver has no room for.
conf lanes=6 connections=256 buffers=4096
tern_up
for i in $(seq 20); do
	expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
done
tern_idle
tern_down
nothing_left
