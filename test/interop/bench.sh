#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern bench: load on a server of Linux's, and the mistakes that one makes with it.
. "$(dirname "$0")/interop.sh"

conf connections=256
printf '[service bench]\nlisten = *:7700\n[service bench client]\n' >>"$tmp/ternd.conf"
tern_up
grep -q ': bench on .*:7700' "$log" && grep -q ': bench client listens nowhere$' "$log" || fail "what is served is not told"
netns_write "$NS" net/ipv4/tcp_fastopen 3

# An echo of Linux's, as any peer: port 7. It takes data in SYNs.
in_ns python3 -c '
import asyncio, socket
async def echo(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def main():
    at = socket.create_server(("198.18.0.1", 7))
    at.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 256)
    async with await asyncio.start_server(echo, sock=at, backlog=256) as server:
        print("listening", flush=True)
        await server.serve_forever()
asyncio.run(main())' >"$tmp/echo" &
echo_pid=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "the echo does not start"

# bench WORKLOAD ARGUMENT…: its JSON is in $tmp/json.
bench()
{
	timeout 30 "$TERN" bench "$@" --warmup 0.1 --seconds 0.5 --json >"$tmp/json" ||
		fail "tern bench $* (status $?)"
	say "$1: $(tr -d '\n' <"$tmp/json" | cut -c 1-600)"
	[ "$(value 'r["errors"]')" = 0 ] || fail "$1: errors"
}

# value EXPRESSION: of the result r.
value()
{
	python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$tmp/json" "$1"
}

bench rr 198.18.0.1 -n 8 --size 100
[ "$(value 'r["requests"] > 0 and r["bytes_in"] >= r["requests"] * 100 and r["most_open"] == 8')" = True ] ||
	fail "rr: too little"
[ "$(value '0 < r["latency_us"]["p50"] <= r["latency_us"]["p99.9"] <= r["latency_us"]["max"]')" = True ] ||
	fail "rr: latencies"
bench rr 198.18.0.1 -n 2 --pipeline 4 --size 5000
[ "$(value 'r["requests"] > 0')" = True ] || fail "rr, large: too little"

# Requests in SYNs; and with a server that has Fast Open off, and gives no cookie, after the handshake.
bench fastopen 198.18.0.1 -n 8 --size 100
[ "$(value 'r["requests"] > 0 and r["syn_data"] > 0.8 * r["connects"] and r["cookies_asked"] == 0')" = True ] ||
	fail "fastopen: too few requests, or not in SYNs"
netns_write "$NS" net/ipv4/tcp_fastopen 1
expect "$TERN" fastopen flush
bench fastopen 198.18.0.1 -n 8 --size 100
[ "$(value 'r["requests"] > 0 and r["cookies_asked"] > 0.8 * r["connects"] and r["syn_data"] == 0')" = True ] ||
	fail "fastopen without a cookie: too few requests, or cookies"

# wrong STATUS TEXT ARGUMENT…: the tool ends with the status, and says the text.
wrong()
{
	local status=$1 text=$2 got=0
	shift 2
	timeout 30 "$TERN" bench --warmup 0 --seconds 10 "$@" >"$tmp/said" 2>&1 || got=$?
	[ "$got" = "$status" ] || fail "tern bench $*: status $got: $(cat "$tmp/said")"
	grep -qF -- "$text" "$tmp/said" || fail "tern bench $*: said $(cat "$tmp/said")"
}
wrong 2 "unknown workload" rx 198.18.0.1
wrong 2 "no server given" rr
wrong 2 "a number from 1" rr 198.18.0.1 -n 0
wrong 2 "from 1 to 1024" rr 198.18.0.1 --pipeline 1025
wrong 2 "from 0.001 to" rr 198.18.0.1 --seconds 0
wrong 2 "from 576 to 9600" local rr --mtu 9601
wrong 2 "bench local" rr 198.18.0.1 --mtu 1500
wrong 2 "leave it out" local rr -c "$tmp/ternd.conf"
wrong 2 "are of flood" rr 198.18.0.1 --rate 5
wrong 1 "ADDRESS:PORT" rr 198.18.0.300
wrong 1 "Connection refused" rr 198.18.0.1:99
wrong 1 "No route to host" rr 198.18.0.99
wrong 1 "Network is unreachable" rr 192.0.2.1
wrong 1 "raise [limits] connections" rr 198.18.0.1 -n 300
wrong 1 "more than it was asked for" rr 198.18.0.1 --answer 32
wrong 1 "nonexistent.conf" rr 198.18.0.1 -c /nonexistent.conf
TERN_SOCKET=/run/tern/nobody.$$.sock wrong 1 "does ternd run" rr 198.18.0.1

kill "$echo_pid"
wait "$echo_pid" 2>/dev/null
tern_idle
tern_down

# Without the section there is no generator.
conf
tern_up
wrong 1 "no [service bench]" rr 198.18.0.1
tern_down
