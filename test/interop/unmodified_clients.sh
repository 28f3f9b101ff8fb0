#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Clients that know nothing of Tern, under tern run, of servers on Linux: curl with and without TLS, ab,
# wrk, redis-benchmark, iperf3, nc, python's asyncio.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"
for program in redis-server redis-benchmark iperf3 nc wrk ab openssl; do
	command -v $program >/dev/null || skip "no $program"
done
LINUX=198.18.0.1

# Without a connection, which iperf3 would take for its client, and nc for its only one.
listens_on_linux()
{
	in_ns ss -Hltn "sport = :$1" | grep -q .
}

# linux PORT PROGRAM…: a server on Linux; the namespace's end is its end.
linux()
{
	local port=$1
	shift
	in_ns "$@" >>"$tmp/linux.log" 2>&1 &
	wait_for 10 listens_on_linux "$port" || fail "$1 does not listen on Linux"
}

conf
tern_up
mkdir "$tmp/files"
head -c 3000000 /dev/urandom >"$tmp/files/three"
cd "$tmp/files" || exit 1

linux 8000 python3 -m http.server 8000
on_tern curl -sf --max-time 20 "http://$LINUX:8000/three" | cmp - three || fail "curl"
on_tern ab -q -n 100 -c 10 "http://$LINUX:8000/" >"$tmp/ab" 2>&1 || fail "ab: $(tail -n 3 "$tmp/ab")"
grep -qE "Failed requests: +0" "$tmp/ab" || fail "ab: $(cat "$tmp/ab")"
on_tern wrk -t 2 -c 10 -d 2 "http://$LINUX:8000/" >"$tmp/wrk" || fail "wrk"
grep -q "requests in" "$tmp/wrk" && ! grep -q "Non-2xx" "$tmp/wrk" || fail "wrk: $(cat "$tmp/wrk")"

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$tmp/key" -out "$tmp/certificate" -days 2 \
	-subj /CN=$LINUX -addext subjectAltName=IP:$LINUX 2>/dev/null || fail "openssl makes no certificate"
linux 8443 openssl s_server -accept 8443 -key "$tmp/key" -cert "$tmp/certificate" -WWW -quiet
on_tern curl -sf --max-time 20 --cacert "$tmp/certificate" "https://$LINUX:8443/three" | cmp - three ||
	fail "curl by https"

linux 6390 redis-server --port 6390 --save '' --appendonly no --protected-mode no
on_tern timeout 30 redis-benchmark -h $LINUX -p 6390 -c 50 -P 8 -n 5000 -q -t set,get,lrange_100 >"$tmp/benchmark" ||
	fail "redis-benchmark: $(tail -n 3 "$tmp/benchmark")"
[ "$(on_tern redis-cli -h $LINUX -p 6390 ping)" = PONG ] || fail "redis-cli"

linux 5201 iperf3 -s
on_tern timeout 30 iperf3 -c $LINUX -n 16M >"$tmp/iperf3" || fail "iperf3: $(cat "$tmp/iperf3")"
on_tern timeout 30 iperf3 -c $LINUX -n 16M -R -P 2 >"$tmp/iperf3" || fail "iperf3 -R: $(cat "$tmp/iperf3")"

in_ns nc -l 7001 >"$tmp/nc" </dev/null &
nc=$!
wait_for 5 listens_on_linux 7001 || fail "nc does not listen on Linux"
echo "from Tern" | on_tern timeout 10 nc -N $LINUX 7001 || fail "nc"
wait $nc
[ "$(cat "$tmp/nc")" = "from Tern" ] || fail "nc got something else"

cat >"$tmp/get.py" <<'END2'
import asyncio, sys
async def get():
    reader, writer = await asyncio.open_connection(sys.argv[1], 8000)
    writer.write(b'GET /three HTTP/1.0\r\n\r\n')
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return len(answer.split(b'\r\n\r\n', 1)[1])
async def main():
    print(*await asyncio.gather(*(get() for _ in range(5))))
asyncio.run(main())
END2
[ "$(on_tern timeout 30 python3 "$tmp/get.py" $LINUX)" = "3000000 3000000 3000000 3000000 3000000" ] ||
	fail "asyncio"

# Who has heard that the peer has ended takes a short read for the last one, as HAProxy does: it must be.
cat >"$tmp/pieces.py" <<'END2'
import socket, time
listener = socket.create_server(("0.0.0.0", 8500))
peer, _ = listener.accept()
peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for _ in range(100):
    peer.send(100 * b"x")
    time.sleep(0.003)
END2
cat >"$tmp/short.py" <<'END2'
import select, socket, sys
connection = socket.create_connection((sys.argv[1], 8500))
ended = select.poll()
ended.register(connection, select.POLLRDHUP)
ended.poll()
print(len(connection.recv(20000)), len(connection.recv(20000)))
END2
in_ns timeout 20 python3 "$tmp/pieces.py" &
wait_for 10 listens_on_linux 8500 || fail "nobody sends pieces"
[ "$(on_tern timeout 20 python3 "$tmp/short.py" $LINUX)" = "10000 0" ] || fail "a short read before the end"

# What is not Tern's goes to the kernel: a name service, loopback, and nobody at all.
status=0
on_tern curl -s --max-time 5 http://127.0.0.1:1/ || status=$?
[ $status -eq 7 ] || fail "curl to nobody on loopback: status $status"

wait_for 10 no_programs || fail "programs are still attached"
tern_idle
tern_down
