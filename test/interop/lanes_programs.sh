#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Programs' sockets on two lanes and on three: connections that are opened take turns, a local port is one
# lane's, and a socket goes there with its options when it is bound; what listens does so on all lanes,
# and what it accepts is where its packets are steered to. Forks, deaths and errors are as with one lane.
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

# One listener: what it accepts, and what its calls answer.
cat >"$tmp/listener.py" <<'END'
import errno, fcntl, os, select, socket, sys
PORT = int(sys.argv[1])
held = []
def refuses(call, error):
    try:
        call()
    except OSError as e:
        assert e.errno == error, e
        return
    sys.exit("no error")
def listener(port=PORT, option=None):
    s = socket.socket()
    if option is not None:
        s.setsockopt(socket.SOL_SOCKET, option, 1)
    s.bind(("198.18.0.2", port))
    s.listen(60)
    return s
def say(word):
    print(word, flush=True)
def wait_word(word):
    assert sys.stdin.readline().strip() == word, word
def accept(l, n):
    peers = []
    for i in range(n):
        s, peer = l.accept()
        s.sendall(b"hello")
        held.append(s)
        peers.append(peer[1])
    return peers
if len(sys.argv) > 2: # after exec
    l = socket.socket(fileno=int(sys.argv[2]))
    accept(l, 20)
    say("executed")
    wait_word("end")
    sys.exit()
l = listener(PORT, socket.SO_REUSEADDR)
l.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
say("listening")
accept(l, 40)
assert all(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for s in held), "no option"
say("accepted")
wait_word("waiting") # all of them
peers = accept(l, 20)
assert sorted(peers) == [40000 + i for i in range(20)], peers
p, e = select.poll(), select.epoll()
p.register(l, select.POLLIN)
e.register(l, select.EPOLLIN | select.EPOLLET)
l.setblocking(False)
say("polls")
for i in range(20):
    assert p.poll(10000), "nobody comes"
    accept(l, 1)
refuses(l.accept, errno.EAGAIN)
say("polled")
n = 0
while n < 20: # told once, and again when there is another
    assert e.poll(10), "nobody comes"
    try:
        while True:
            accept(l, 1)
            n += 1
    except BlockingIOError:
        pass
say("edges")
l.setblocking(True)
wait_word("shut")
l.shutdown(socket.SHUT_RD)
refuses(l.accept, errno.EINVAL)
say("shut")
wait_word("again")
l.listen(60)
say("again")
accept(l, 20)
l.close()
# Children on any lane are in the way, and TIME-WAIT is.
refuses(listener, errno.EADDRINUSE)
for s in held:
    s.close()
held.clear()
refuses(listener, errno.EADDRINUSE)
listener(PORT, socket.SO_REUSEADDR).close()
group = [listener(PORT + 1, socket.SO_REUSEPORT) for i in range(3)]
refuses(lambda: listener(PORT + 1), errno.EADDRINUSE)
say("group")
n = 0
while n < 40:
    for ready in select.select(group, [], [], 10)[0]:
        accept(ready, 1)
        n += 1
say("grouped")
for s in group + held:
    s.close()
l = listener(PORT + 2)
fcntl.fcntl(l, fcntl.F_SETFD, 0)
say("executes")
os.execv(sys.executable, [sys.executable, sys.argv[0], sys.argv[1], str(l.fileno())])
END
# N connections at once, from ports in order if one is named, which stay until they are told.
cat >"$tmp/callers.py" <<'END'
import socket, sys, time
host, port, n, first, hello = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
all = []
for i in range(n):
    s = socket.socket()
    s.settimeout(10)
    if first != 0:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("", first + i))
    try:
        s.connect((host, port))
    except ConnectionRefusedError:
        assert hello == "refused"
        continue
    assert hello != "refused"
    all.append(s)
if hello == "hello":
    for s in all:
        assert s.recv(100) == b"hello"
print("called", flush=True)
if all:
    time.sleep(60)
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
say "sockets that are bound"

# calls N FIRST WORD: so many connections from the other side, in the background
calls()
{
	started "$tmp/called" called ip netns exec "$NS" "$PYTHON" "$tmp/callers.py" "$HOST4" "$port" "$@"
	callers="$callers $started"
}

# says WORD: the program has
says()
{
	wait_for 20 grep -q "^$1$" "$tmp/listener" ||
		fail "the listener does not say $1: $(cat "$tmp/listener")"
}

# waits_for N PORT: so many wait to be accepted, on all lanes together.
waits_for()
{
	[ "$("$TERN" ss -Htan state listening sport eq "$2" | awk '{ print $2 }')" = "$1" ]
}

# A program's listener is on all lanes, and all its calls are as with one.
listen_on_all()
{
	local lanes=$1 port=5400 callers= lane server
	mkfifo "$tmp/words"
	: >"$tmp/listener"
	"$TERN" run -- "$PYTHON" "$tmp/listener.py" 5400 <"$tmp/words" >"$tmp/listener" 2>&1 &
	server=$!
	exec 3>"$tmp/words"
	says listening
	[ "$("$TERN" ss -Htan state listening sport eq 5400 | wc -l)" -eq 1 ] ||
		fail "a listener is not shown once"
	calls 40 0 hello
	says accepted
	for ((lane = 0; lane < lanes; lane++)); do
		[ "$(on_lane $lane state established sport eq 5400)" -gt 0 ] ||
			fail "none of 40 connections is on lane $lane of $lanes"
	done
	[ "$("$TERN" ss -Htan state established sport eq 5400 | wc -l)" -eq 40 ] || fail "there are not 40"
	calls 20 40000 none
	wait_for 10 waits_for 20 5400 || fail "20 wait, but: $("$TERN" ss -Htan state listening sport eq 5400)"
	echo waiting >&3
	says polls
	calls 20 0 hello
	says polled
	calls 20 0 hello
	says edges
	echo shut >&3
	says shut
	calls 20 0 refused
	echo again >&3
	says again
	calls 20 0 hello
	says group
	port=5401
	calls 40 0 hello
	port=5402
	says executes
	calls 20 0 hello
	says executed
	echo end >&3
	exec 3>&-
	wait $server || fail "the listener ended with status $?"
	# shellcheck disable=SC2086
	kill $callers 2>/dev/null
	rm "$tmp/words"
	wait_for 20 no_connections || fail "connections outlive a listener"
	say "a listener on $lanes lanes"
}

listen_on_all 2
tern_idle
tern_down

conf lanes=3
tern_up
listen_on_all 3
tern_idle
tern_down
