#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Configuration errors: each bad line makes `ternd --check` fail with file, line, section and key, and
# ternd does not start. A good file passes.
. "$(dirname "$0")/interop.sh"

conf
expect "$TERND" -c "$tmp/ternd.conf" --check
cp "$tmp/ternd.conf" "$tmp/good.conf"
for file in "$TERN_TOP"/conf/*.conf; do
	# A configuration that is shipped must be right; it may name a root relative to the top.
	(cd "$TERN_TOP" && "$TERND" -c "$file" --check) || fail "$file is refused"
done
count=0

# bad WANTED SED-SCRIPT: the good file changed so is refused with a message that matches.
bad()
{
	local status=0
	sed -E "$2" "$tmp/good.conf" >"$tmp/ternd.conf"
	! cmp -s "$tmp/ternd.conf" "$tmp/good.conf" || fail "sed '$2' changes nothing"
	"$TERND" -c "$tmp/ternd.conf" --check >"$tmp/out" 2>&1 || status=$?
	[ $status -ne 0 ] && [ $status -lt 120 ] || fail "'$2': status $status; said: $(cat "$tmp/out")"
	grep -qE -- "$1" "$tmp/out" || fail "'$2': expected $1, said: $(cat "$tmp/out")"
	count=$((count + 1))
}

F='ternd\.conf:[0-9]+: '
bad "$F.*dataplane.*lanse" 's/^lanes .*/lanse = 1/'
bad "$F.*dataplane.*lanes" 's/^lanes .*/lanes = 0/'
bad "$F.*dataplane.*lanes" 's/^lanes .*/lanes = many/'
bad "$F.*dataplane.*lanes" 's/^lanes .*/lanes = 1000/'
bad "$F.*dataplane.*lanes" 's/^lanes .*/lanes = -1/'
bad "$F.*dataplane.*hugepages" 's/^hugepages .*/hugepages = perhaps/'
bad "$F.*dataplane.*name" 's/^name .*/name = a\/b/'
bad "$F.*dataplane.*name" 's/^name .*/name =/'
bad "$F" 's/^lanes .*/lanes 1/'
bad "$F.*lanes" 's/^lanes .*/lanes = 1\nlanes = 1/'
bad "$F" "s/^eal .*/eal = $(printf 'x%.0s' {1..300})/"
bad "$F" "s/^lanes .*/$(printf 'x%.0s' {1..80}) = 1/"
bad "$F" 's/^eal .*/eal = "a;b"/'
bad "$F.*port 0.*ipv4" 's/^ipv4 .*/ipv4 = 198.18.0.256\/24/'
bad "$F.*port 0.*ipv4" 's/^ipv4 .*/ipv4 = 198.18.0.2\/33/'
bad "$F.*port 0.*ipv4" 's/^ipv4 .*/ipv4 = 2001:db8::1\/64/'
bad "$F.*port 0.*ipv4" 's/^ipv4 .*/ipv4 = 224.0.0.1\/24/'
bad "$F.*port 0.*ipv6" 's/^ipv6 .*/ipv6 = 2001:db8:18::g\/64/'
bad "$F.*port 0.*ipv6" 's/^ipv6 .*/ipv6 = 2001:db8:18::2\/129/'
bad "$F.*port 0.*gateway4" 's/^ipv4 .*/&\ngateway4 = 10.0.0.1/'
bad "$F.*port 0.*mtu" 's/^ipv4 .*/&\nmtu = 10/'
bad "$F.*port 9" 's/^\[port 0\]/[port 9]/'
bad "$F.*tcp.*timewait" 's/^timewait .*/timewait = soon/'
bad "$F.*tcp.*congestion" 's/^timewait .*/&\ncongestion = hope/'
bad "$F.*limits.*connections" 's/^connections .*/connections = 0/'
bad "$F.*limits.*buffers" 's/^buffers .*/buffers = 99999999999999999999/'
bad "$F.*service http.*listen" 's/^listen +=.*:80/listen = *:0/'
bad "$F.*service http.*listen" 's/^listen +=.*:80/listen = *:70000/'
bad "$F.*service http.*listen" 's/^listen +=.*:80/listen = 192.0.2.9:80/'
bad "$F.*service discard.*listen" 's/^listen +=.*:9$/listen = *:80/'
bad "$F.*service http.*root" 's/^root .*//'
bad "$F.*service telnet" 's/^\[service echo\]/[service telnet]/'
bad "$F.*echo.*root" 's/^\[service echo\]/&\nroot = www/'
bad "$F" 's/^\[limits\]/[limits/'
bad "$F.*limit" 's/^\[limits\]/[limit]/'
bad 'port' '/^\[port 0\]/,/^ipv6/d'

# Several errors are all named at once.
bad "$F.*lanes" 's/^lanes .*/lanes = 0/; s/^timewait .*/timewait = soon/'
grep -q timewait "$tmp/out" || fail "only the first error is named: $(cat "$tmp/out")"

# Without --check, too, and before anything is started.
status=0
timeout 20 "$TERND" -c "$tmp/ternd.conf" >"$tmp/out" 2>&1 || status=$?
[ $status -ne 0 ] && [ $status -lt 120 ] || fail "started with a bad file: status $status"
for arguments in "-c $tmp/nothing.conf" "-c $tmp" "-c /dev/null" "" "-c" "--frobnicate"; do
	status=0
	# shellcheck disable=SC2086
	timeout 20 "$TERND" $arguments --check >"$tmp/out" 2>&1 || status=$?
	[ $status -ne 0 ] && [ $status -lt 120 ] && [ -s "$tmp/out" ] ||
		fail "ternd $arguments: status $status, said: $(cat "$tmp/out")"
done
head -c 4096 /dev/urandom >"$tmp/ternd.conf"
status=0
timeout 20 "$TERND" -c "$tmp/ternd.conf" --check >"$tmp/out" 2>&1 || status=$?
[ $status -ne 0 ] && [ $status -lt 120 ] || fail "random bytes: status $status"
say "$count bad files refused"
