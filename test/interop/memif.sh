#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two ternds with a memif in between that its client does not copy into or out of (zero-copy=yes): files come over it
# as they are, in either direction, through rings so short that frames are lost and sent again; its buffers come back;
# either side survives that the other is killed.
. "$(dirname "$0")/interop.sh"

# ternd_on NAME ADDRESS ROLE [ARGUMENT…]: starts one, with a file to serve; its process number is pids[NAME].
declare -A pids
ternd_on()
{
	local name=$1 address=$2 role=$3
	shift 3
	cat >"$tmp/$name.conf" <<END
[dataplane]
name      = $NAME-$name
eal       = --no-pci
lanes     = 1
hugepages = no
idle      = adaptive
[port 0]
ipv4   = $address/24
device = net_memif0,role=$role,socket=$tmp/memif.sock,socket-abstract=no$*
[limits]
connections = 256
requests    = 256
timewait    = 256
mutes       = 256
buffers     = 8192
[service http]
listen = *:80
root   = $tmp/www
END
	: >"$tmp/$name.log"
	"$TERND" -c "$tmp/$name.conf" >"$tmp/$name.log" 2>&1 </dev/null &
	pids[$name]=$!
	wait_for 30 grep -q 'ready$' "$tmp/$name.log" || fail "$name does not start: $(tail -n 5 "$tmp/$name.log")"
}

# tern_of NAME COMMAND…: asks one
tern_of()
{
	timeout 40 "$TERN" "${@:2}" -s "/run/tern/$NAME-$1.sock"
}

# fetches NAME ADDRESS: a program on one of them gets the file that the other serves
fetches()
{
	timeout 60 "$TERN" run -s "/run/tern/$NAME-$1.sock" curl -sf -m 50 -o "$tmp/got.$1" "http://$2/file" ||
		fail "$1 gets nothing (status $?)"
	cmp "$tmp/www/file" "$tmp/got.$1" || fail "$1 gets something else"
}

# Its driver keeps room for frames in the other's hands, that is half of its ring at least, and nothing else.
gave_back()
{
	tern_of "$1" pools >"$tmp/pools" || return
	awk -v most=64 'NR > 1 && $5 > ($2 == "rx" ? most : 0) { exit 1 }' "$tmp/pools"
}

ends()
{
	kill -TERM "${pids[$1]}"
	wait "${pids[$1]}" || fail "$1 ends with status $?: $(tail -n 5 "$tmp/$1.log")"
	! grep 'did not come back' "$tmp/$1.log" || fail "$1 lost buffers"
}

remove_all()
{
	local status=$?
	kill -KILL ${pids[*]} 2>/dev/null
	ternd_remains_remove "$NAME-a"
	ternd_remains_remove "$NAME-b"
	return $status
}
trap 'remove_all; interop_cleanup' EXIT

command -v curl >/dev/null || skip "no curl"
mkdir "$tmp/www"
head -c 20000000 /dev/urandom >"$tmp/www/file"

ternd_on a 198.18.0.2 server
ternd_on b 198.18.0.3 client ,zero-copy=yes,rsize=6
fetches a 198.18.0.3
fetches b 198.18.0.2
fetches a 198.18.0.3 &
both=$!
fetches b 198.18.0.2
wait $both || exit
wait_for 10 gave_back b || fail "what was sent is not given back: $(cat "$tmp/pools")"
wait_for 10 gave_back a || fail "buffers of the server: $(cat "$tmp/pools")"
lost=$(tern_of b stats --json | python3 -c 'import json, sys
print(sum(lane["tcp"]["retransmits"] for lane in json.load(sys.stdin)["lanes"]))')
say "segments sent again by the client of the memif: $lost"

# Killed in the middle of a transfer; a new one finds the server as it was.
(sleep 0.03; kill -KILL "${pids[b]}") &
timeout 2 "$TERN" run -s "/run/tern/$NAME-a.sock" curl -s -m 1 -o "$tmp/cut" http://198.18.0.3/file
{ wait "${pids[b]}"; } 2>/dev/null
ternd_remains_remove "$NAME-b"
tern_of a version >/dev/null || fail "the server went with its client: $(tail -n 3 "$tmp/a.log")"
wait_for 20 grep -q '): link down' "$tmp/a.log" || fail "the server does not notice"
ternd_on b 198.18.0.3 client ,zero-copy=yes,rsize=6
fetches a 198.18.0.3
fetches b 198.18.0.2

(sleep 0.03; kill -KILL "${pids[a]}") &
timeout 2 "$TERN" run -s "/run/tern/$NAME-b.sock" curl -s -m 1 -o "$tmp/cut" http://198.18.0.2/file
{ wait "${pids[a]}"; } 2>/dev/null
tern_of b version >/dev/null || fail "the client went with its server: $(tail -n 3 "$tmp/b.log")"
wait_for 20 grep -q '): link down' "$tmp/b.log" || fail "the client does not notice"
ends b

# What cannot work is refused.
cat >"$tmp/refused.conf" <<END
[dataplane]
name = $NAME-b
eal  = --no-pci
[port 0]
ipv4   = 198.18.0.3/24
device = net_memif0,role=client,socket=$tmp/memif.sock,socket-abstract=no,zero-copy=yes,rsize=5
END
timeout 20 "$TERND" -c "$tmp/refused.conf" >"$tmp/refused" 2>&1 && fail "a ring of 32 is taken"
grep -q 'rsize= must be 6' "$tmp/refused" || fail "a ring of 32: $(tail -n 3 "$tmp/refused")"
