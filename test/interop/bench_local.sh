#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern bench local: lanes that generate load and lanes that serve, in one ternd, with a memif, a vhost-user socket or
# rings between.
. "$(dirname "$0")/interop.sh"

# bench WORKLOAD ARGUMENT…: its JSON is in $tmp/json, the socket of its ternd in $tmp/sockets. Two lanes that poll
# may not have run together in half a second of a busy machine: then it is measured for longer.
bench()
{
	local seconds
	for seconds in 0.5 4 15; do
		# shellcheck disable=SC2016
		timeout 50 sh -c 'echo "/run/tern/bench-$$.sock" >>"$0"; exec "$@"' "$tmp/sockets" \
			"$TERN" bench local "$@" --warmup 0.2 --seconds "$seconds" --json >"$tmp/json" 2>"$tmp/said" && break
		grep -q 'no request was answered while it was measured' "$tmp/said" && [ "$seconds" != 15 ] ||
			fail "tern bench local $* (status $?): $(cat "$tmp/said")"
	done
	! grep -q 'ended by signal' "$tmp/said" || fail "tern bench local $*: $(cat "$tmp/said")"
	say "$1: $(tr -d '\n' <"$tmp/json" | cut -c 1-600)"
}

# good EXPRESSION: it holds for the result r.
good()
{
	python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if r["errors"] == 0 and eval(sys.argv[2]) else 1)' "$tmp/json" "$1" || fail "not $1"
}

# Its ternd's socket is there a moment before somebody listens: a long one here, of one that says no to all else.
mkdir "$tmp/late"
cp "$TERN" "$BUILD/lib/libtern.so" "$tmp/late/"
cat >"$tmp/late/ternd" <<'END'
#!/usr/bin/python3
import json, os, re, socket, sys, time
name = re.search(r"^name = (\S+)", open(sys.argv[2]).read(), re.M).group(1)
path = "/run/tern/" + name + ".sock"
os.makedirs("/run/tern", exist_ok=True)
late = socket.socket(socket.AF_UNIX)
late.bind(path)
time.sleep(0.3)
late.listen()
while True:
    client, _ = late.accept()
    for line in client.makefile():
        if json.loads(line)["command"] == "version":
            client.sendall(json.dumps({"ok": True, "pid": os.getpid()}).encode() + b"\n")
        else:
            os.unlink(path)
            client.sendall(b'{"ok": false, "error": "so far, so good"}\n')
END
chmod +x "$tmp/late/ternd"
timeout 50 "$tmp/late/tern" bench local rr --seconds 0.1 >"$tmp/said" 2>&1
grep -q 'so far, so good' "$tmp/said" || fail "tern does not wait for a ternd that starts: $(cat "$tmp/said")"

bench rr --size 1024 -n 32
good 'r["requests"] > 0 and r["bytes_in"] >= 1024 * (r["requests"] - 32) and r["most_open"] == 32'
bench crr -n 8
good 'r["requests"] > 0 and r["connects"] > 0'
# TIME-WAIT keeps the ports of this side: one of the server's would be used up on a fast machine.
bench crr -n 8 --close client --ports 8
good 'r["requests"] > 0 and r["connects"] > 0'
bench fastopen -n 8
good 'r["requests"] > 0 and r["syn_data"] > 0.8 * r["connects"] and r["cookies_asked"] == 0'
for way in up down both; do
	bench stream --direction $way -n 2
	good "r['bytes_out'] > 0 or '$way' == 'down'"
	good "r['bytes_in'] > 0 or '$way' == 'up'"
done
# A larger MTU: by the bytes of a packet, acknowledgments among them.
bench stream --mtu 9000
good 'r["bytes_out"] > 4000 * (r["frames_out"] + r["frames_in"])'
# The other devices; and two pairs, whose four lanes take turns where there are fewer processors.
for device in virtio ring; do
	bench stream --over $device --mtu 9000
	good 'r["bytes_out"] > 4000 * (r["frames_out"] + r["frames_in"])'
	bench rr --over $device --lanes 2 -n 64
	good 'r["lanes"] == 2 and r["most_open"] == 64 and r["requests"] > 0'
done
bench idle -n 3000
good 'r["most_open"] == 3000'
# Segments without connections: what left, what the server made of it, and what came back.
bench flood --rate 10000
good 'r["segments"] > 500 and r["victim"]["segs_in"] > 400 and r["synacks"] > 400 and r["rsts"] == 0'
bench flood --segments data --size 1000 --over ring --lanes 2 --rate 10000
good 'r["lanes"] == 2 and r["segments"] > 500 and r["victim"]["rsts_out"] > 400 and r["rsts"] > 400'

while read -r socket; do
	[ ! -e "$socket" ] || fail "$socket is left behind"
done <"$tmp/sockets"
