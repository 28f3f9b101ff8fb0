#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs' sockets on two lanes: connections that are opened take turns, a local port with all that is
# bound to it is one lane's, a socket goes there with its options when it is bound, and forks, deaths and
# errors are as with one lane.
. "$(dirname "$0")/interop.sh"
LOOPBACK=$BUILD/test/interop/loopback
PROGRAM=$BUILD/test/interop/program
PYTHON=/usr/bin/python3

# on_lane LANE FILTER...: how many sockets tern ss finds there
on_lane()
{
	local lane=$1
	shift
	"$TERN" ss -Htane "$@" | grep -c " lane:$lane\( \|$\)"
}

# started FILE WORD COMMAND...: runs it behind our back until it says the word; $started is its process.
started()
{
	local file=$1 word=$2
	shift 2
	: >"$file"
	"$@" >"$file" &
	started=$!
	wait_for 20 grep -q "$word" "$file" || fail "$* does not say $word"
}

reap()
{
	wait "$started" || fail "a program ended with status $?"
}

# A client of 100 connections with the socket calls of libc, by poll(); then it says so and waits. A
# second one, forked by it, shares them.
cat >"$tmp/many.py" <<'END'
import os, select, socket, sys, time
host, port, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
poll, all = select.poll(), {}
for i in range(n):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.setblocking(False)
    s.connect_ex((host, port))
    all[s.fileno()] = s
    poll.register(s, select.POLLOUT)
while n > 0:
    ready = poll.poll(10000)
    assert ready
    for fd, events in ready:
        assert all[fd].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        assert all[fd].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        poll.unregister(fd)
        all[fd].setblocking(True)
        all[fd].sendall(b"%d\n" % fd)
    n -= len(ready)
for fd, s in all.items():
    assert s.recv(100) == b"%d\n" % fd
print("connected", flush=True)
child = os.fork()
for fd, s in list(all.items()):
    if (fd % 2 == 0) == (child == 0):
        s.sendall(b"%d\n" % fd)
        assert s.recv(100) == b"%d\n" % fd
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("shared", flush=True)
time.sleep(60)
END
cat >"$tmp/echo.py" <<'END'
import select, socket, sys
l = socket.create_server(("198.18.0.1", int(sys.argv[1])), backlog=200)
p, all = select.poll(), {l.fileno(): l}
p.register(l, select.POLLIN)
print("listening", flush=True)
while True:
    for fd, _ in p.poll():
        if fd == l.fileno():
            s, _ = l.accept()
            all[s.fileno()] = s
            p.register(s, select.POLLIN)
            continue
        try:
            data = all[fd].recv(4096)
        except OSError:
            data = b""
        if data:
            all[fd].sendall(data)
        else:
            p.unregister(fd)
            all.pop(fd).close()
END

# Has all slots but 8 of one lane in use, and connects: the other lane has room.
cat >"$tmp/crowd.py" <<'END'
import socket, sys
held = []
for i in range(120):
    s = socket.socket()
    s.bind((sys.argv[1], 6000 + 2 * i))
    held.append(s)
for i in range(100):
    s = socket.create_connection((sys.argv[2], int(sys.argv[3])))
    s.sendall(b"word")
    assert s.recv(100) == b"word"
    held.append(s)
try:
    for i in range(100):
        held.append(socket.create_connection((sys.argv[2], int(sys.argv[3]))))
    sys.exit("more sockets than there are slots")
except OSError as e:
    assert e.errno == 23 and len(held) == 256, (e, len(held)) # ENFILE
END

# Listeners of either lane that close while a connection of theirs lasts: who connects then is refused.
cat >"$tmp/close.py" <<'END'
import socket, sys
for i in range(50):
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    l.bind((sys.argv[1], int(sys.argv[2]) + i % 2))
    l.listen()
    at = l.getsockname()
    first, second = socket.socket(), socket.socket()
    first.connect(at)
    l.close()
    try:
        second.connect(at)
        sys.exit("a listener answers after its close()")
    except ConnectionRefusedError:
        pass
    first.close()
    second.close()
END

conf lanes=2
sed -i '/^\[limits\]/a program_sockets = 128' "$tmp/ternd.conf"
tern_up

# Active opens take turns.
started "$tmp/echo" listening ip netns exec "$NS" "$PYTHON" "$tmp/echo.py" 5300
echo_server=$started
started "$tmp/many" shared "$TERN" run -- "$PYTHON" "$tmp/many.py" 198.18.0.1 5300 100
for lane in 0 1; do
	[ "$(on_lane $lane state established)" -eq 50 ] || fail "lane $lane has $(on_lane $lane state established) of 100"
done
# Their ports are their lanes'.
"$TERN" ss -Htane state established | awk '{split($4, a, ":"); if (a[2] % 2 != substr($0, index($0, "lane:") + 5, 1)) exit 1}' ||
	fail "a connection has another lane's port"
kill -9 "$started"
wait "$started" 2>/dev/null
wait_for 10 no_connections || fail "connections outlive their program"
expect "$TERN" run -- "$PYTHON" "$tmp/crowd.py" "$HOST4" 198.18.0.1 5300
wait_for 10 no_connections || fail "a crowd outlives its program"
kill "$echo_server"
say "a client's connections on both lanes"

# Listeners are where their ports are; who opened the socket, and where, does not matter.
pids=
for port in 5100 5101 5102 5103; do
	started "$tmp/listen$port" listening "$PROGRAM" epoll $port 20
	pids="$pids $started"
done
for lane in 0 1; do
	[ "$(on_lane $lane state listening sport gt 5099 and sport le 5103)" -eq 2 ] ||
		fail "two of four listeners are not on lane $lane"
done
for port in 5100 5101 5102 5103; do
	expect "$LOOPBACK" taken $port
	for i in $(seq 10); do
		expect client echo "$HOST4" $port 30000 >/dev/null
		expect client echo "$HOST6" $port 1 >/dev/null
	done
done
for pid in $pids; do
	wait "$pid" || fail "a server ended with status $?"
done
started "$tmp/fork" listening "$PROGRAM" fork 5105 10
for i in $(seq 10); do
	expect client echo "$HOST4" 5105 3000 >/dev/null
done
reap
expect "$TERN" run -- "$PYTHON" "$tmp/close.py" "$HOST4" 5106
say "listeners on both lanes"

# A socket that is bound goes to its port's lane, whichever it was opened on, with its options.
expect "$LOOPBACK" options 5200 8
for port in 5210 5211; do
	expect "$LOOPBACK" self "$HOST4" $((port + 10)) # not the same: that one is in TIME-WAIT
	started "$tmp/serve" listening "$LOOPBACK" serve $port 4 100000
	for i in $(seq 4); do
		expect "$LOOPBACK" send "$HOST4" $port 100000
	done
	reap
done
# A range of one port: whichever lane a socket begins on, the port's own has it.
expect "$LOOPBACK" range "$HOST4" 7 40000 8

tern_idle
tern_down
