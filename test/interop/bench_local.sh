#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern bench local: lanes that generate load and lanes that serve, in one ternd, with a memif, a vhost-user socket or
# rings between.
. "$(dirname "$0")/interop.sh"

# bench GOOD WORKLOAD ARGUMENT…: its JSON is in $tmp/json, the socket of its ternd in $tmp/sockets; the expression
# holds for the result r. Lanes that poll may not have run together in half a second of a busy machine: then it is
# measured for longer.
bench()
{
	local good=$1 seconds status
	shift
	for seconds in 0.5 4 15; do
		status=0
		# shellcheck disable=SC2016
		timeout 150 sh -c 'echo "/run/tern/bench-$$.sock" >>"$0"; exec "$@"' "$tmp/sockets" \
			"$TERN" bench local "$@" --warmup 0.2 --seconds "$seconds" --json >"$tmp/json" 2>"$tmp/said" || status=$?
		! grep -q 'ended by signal' "$tmp/said" || fail "tern bench local $*: $(cat "$tmp/said")"
		[ $status -eq 0 ] || {
			grep -q 'no request was answered while it was measured' "$tmp/said" && continue
			fail "tern bench local $* (status $status): $(cat "$tmp/said")"
		}
		say "$1: $(tr -d '\n' <"$tmp/json" | cut -c 1-600)"
		python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
sys.exit(0 if r["errors"] == 0 and eval(sys.argv[2]) else 1)' "$tmp/json" "$good" && return
	done
	fail "tern bench local $*: not $good: $(cat "$tmp/said")"
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

bench 'r["requests"] > 0 and r["bytes_in"] >= 1024 * (r["requests"] - 32) and r["most_open"] == 32' \
	rr --size 1024 -n 32
bench 'r["requests"] > 0 and r["connects"] > 0' crr -n 8
# TIME-WAIT keeps the ports of this side: one of the server's would be used up on a fast machine.
bench 'r["requests"] > 0 and r["connects"] > 0' crr -n 8 --close client --ports 8
bench 'r["requests"] > 0 and r["syn_data"] > 0.8 * r["connects"] and r["cookies_asked"] == 0' fastopen -n 8
bench 'r["bytes_out"] > 0' stream --direction up -n 2
bench 'r["bytes_in"] > 0' stream --direction down -n 2
bench 'r["bytes_out"] > 0 and r["bytes_in"] > 0' stream --direction both -n 2
# A larger MTU: by the bytes of a packet, acknowledgments among them.
large='r["bytes_out"] > 4000 * (r["frames_out"] + r["frames_in"])'
bench "$large" stream --mtu 9000
# The other devices; and two pairs, whose four lanes take turns where there are fewer processors.
for device in virtio ring; do
	bench "$large" stream --over $device --mtu 9000
	bench 'r["lanes"] == 2 and r["most_open"] == 64 and r["requests"] > 0' rr --over $device --lanes 2 -n 64
done
bench 'r["most_open"] == 3000' idle -n 3000
# Segments without connections: what left, what the server made of it, and what came back.
bench 'r["segments"] > 500 and r["victim"]["segs_in"] > 400 and r["synacks"] > 400 and r["rsts"] == 0' \
	flood --rate 10000
bench 'r["lanes"] == 2 and r["segments"] > 500 and r["victim"]["rsts_out"] > 400 and r["rsts"] > 400' \
	flood --segments data --size 1000 --over ring --lanes 2 --rate 10000

while read -r socket; do
	[ ! -e "$socket" ] || fail "$socket is left behind"
done <"$tmp/sockets"
