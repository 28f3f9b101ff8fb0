#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Services from files: the documented example, built as its text says, against Linux clients; a GiB by
# reference out of memory of the plugin's own; files that ternd must refuse; nothing left at the end.
. "$(dirname "$0")/interop.sh"
STREAM=$BUILD/test/interop/stream.so
GIB=$((1024 * 1024 * 1024))

# refused WANTED FILE: ternd neither accepts nor starts a configuration with that plugin.
refused()
{
	sed "s#^plugin .*greeting.*#plugin = $2#" "$tmp/ternd.conf" >"$tmp/bad.conf"
	! "$TERND" -c "$tmp/bad.conf" --check >"$tmp/out" 2>&1 || fail "--check accepts $2"
	grep -qE -- "$1" "$tmp/out" || fail "--check of $2: expected '$1', said: $(cat "$tmp/out")"
	! in_ns "$TERND" -c "$tmp/bad.conf" >"$tmp/out" 2>&1 || fail "ternd starts with $2"
	grep -qE -- "$1" "$tmp/out" || fail "$2: expected '$1', said: $(cat "$tmp/out")"
	say "$(head -n 1 "$tmp/out")"
}

# visit INPUT [HOST]: what the greeting answers to that.
visit()
{
	printf '%s' "$1" | in_ns timeout 20 nc -N "${2:-$HOST4}" 7000
}

# The example, as a user builds it: with the installed header, and nothing of this tree.
mkdir "$tmp/include"
cp "$TERN_TOP/dataplane/tern_service.h" "$tmp/include/"
expect cc -std=c11 -Wall -Wextra -Werror -O2 -shared -fPIC -I"$tmp/include" \
	"$TERN_TOP/conf/plugins/greeting.c" -o "$tmp/greeting.so"

conf
cat >>"$tmp/ternd.conf" <<END
[service greeting]
plugin   = $tmp/greeting.so
listen   = *:7000
text     = Hello
patience = 2
[service stream]
plugin = $STREAM
listen = *:7001
bytes  = $GIB
END
expect "$TERND" -c "$tmp/ternd.conf" --check

netns_add "$NS"
refused "ternd.conf|bad.conf:[0-9]+: \[service greeting\] plugin: .*cannot be read: No such file" "$tmp/none.so"
refused "bad.conf:[0-9]+: \[service greeting\] plugin: .*made for version 0 of tern_service.h, and this ternd has version 1" \
	"$BUILD/test/unit/plugins/older.so"
refused "has no symbol tern_service_plugin" "$BUILD/test/unit/plugins/no_symbol.so"
sed 's/^patience .*/patience = soon/' "$tmp/ternd.conf" >"$tmp/bad.conf"
! "$TERND" -c "$tmp/bad.conf" --check >"$tmp/out" 2>&1 || fail "a bad key is accepted"
grep -qE "bad.conf:[0-9]+: \[service greeting\] patience: write 1 to" "$tmp/out" || fail "said: $(cat "$tmp/out")"

tern_up

# Lines are answered, over both families, also a hundred at once; what is silent hears a goodbye.
for host in "$HOST4" "$HOST6"; do
	[ "$(visit $'world\nmoon\n' "$host")" = $'Hello\nHello, world\nHello, moon' ] || fail "greeting at $host"
done
[ "$(seq 5000 | in_ns timeout 20 nc -N "$HOST4" 7000 | tail -n 1)" = "Hello, 5000" ] || fail "5000 lines"
pids=
for i in $(seq 100); do
	[ "$(visit "$i"$'\n')" = $'Hello\nHello, '"$i" ] || exit 1 &
	pids="$pids $!"
done
for pid in $pids; do
	wait "$pid" || fail "a visitor of 100"
done
[ "$(sleep 4 | in_ns timeout 20 nc "$HOST4" 7000)" = $'Hello\nGoodbye' ] || fail "no goodbye"
[ "$(counter service greeting_lines)" -eq 5104 ] || fail "greeting_lines: $(counter service greeting_lines)"
[ "$(counter service greeting_goodbyes)" -eq 1 ] || fail "greeting_goodbyes"
"$TERN" stats | grep -q 'lines answered' || fail "tern stats does not explain greeting_lines"

# A GiB, out of one MiB of the plugin's memory.
sum=$(printf hello | in_ns timeout 100 nc "$HOST4" 7001 | sha256sum)
want=$(/usr/bin/python3 -c '
import hashlib
block = bytes((i * 7 + i // 251) & 255 for i in range(1 << 20))
sum = hashlib.sha256()
for _ in range(1024):
    sum.update(block)
print(sum.hexdigest() + "  -")')
[ "$sum" = "$want" ] || fail "the GiB has checksum $sum, and should have $want"
tern_idle

# Peers that go in the middle: what was on its way to them is released.
for i in 1 2 3 4 5; do
	in_ns timeout 20 nc "$HOST4" 7001 | head -c $((i * 1000000)) >"$tmp/part"
done
tern_idle

# The end of ternd in the middle of a stream.
in_ns timeout 20 nc "$HOST4" 7001 >/dev/null &
reader=$!
wait_for 10 in_ns ss -Htn state established dport = :7001 || fail "no reader"
tern_down
wait "$reader"
grep -q "stream: all released after" "$log" || fail "the stream's end: $(grep stream: "$log")"
! grep -E "greeting: lane|held to the end|did not come back" "$log" || fail "something is left"
grep -q "greeting on \*:7000: $tmp/greeting.so, version 1, text = Hello, patience = 2" "$log" ||
	fail "the log does not tell what is served"
