#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern checkpoint and tern restore: connections of services and programs outlive their ternd, killed in
# mid-stream, over IPv4 and IPv6; their peers, curl and plain sockets of Linux, get every byte and no
# reset. And what users do wrong. TERN_MOVES=N kills ternd N times, 1 by default; TERN_LANES=N gives it lanes.
. "$(dirname "$0")/interop.sh"
MOVES=${TERN_MOVES:-1}
BYTES=$((MOVES * 60000000))
clients=()

# refused STATUS TEXT COMMAND…: it ends with the status, and says so.
refused()
{
	local status=0 wanted=$1 text=$2
	shift 2
	"$@" >"$tmp/said" 2>&1 || status=$?
	[ $status -eq "$wanted" ] || fail "$*: status $status: $(cat "$tmp/said")"
	grep -qF -- "$text" "$tmp/said" || fail "$* says: $(cat "$tmp/said")"
}

# resets: segments with RST that Linux has sent, but to who was in TIME-WAIT, or got.
late=0 # those of ternds that have gone
resets()
{
	in_ns cat /proc/net/snmp |
		awk -v late=$((late + $(late_resets))) '/^Tcp: [0-9]/ { print $9 + $15 - late }'
}

# start NAME COMMAND…: a client in the namespace; done NAME waits for its end.
start()
{
	local name=$1
	shift
	in_ns timeout 60 "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" &
	clients+=("$name:$!")
}

clients_end()
{
	local client
	for client in "${clients[@]}"; do
		wait "${client##*:}" || fail "${client%:*}: status $?: $(tail -n 3 "$tmp/${client%:*}.err")"
	done
	clients=()
}

connected()
{
	[ "$(connections | grep -c ESTAB)" -eq "$1" ]
}

# ternd ends without a word, and another one begins.
another_ternd()
{
	late=$((late + $(late_resets)))
	kill -KILL "$(cat "$tmp/pid")"
	wait "$ternd_pid" 2>/dev/null
	wait_for 5 tap_gone || fail "the tap stays"
	ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf" "$@"
	wait_for 90 tern_ready_or_dead
	ternd_alive || fail "ternd does not start again"
	"$TERN" version --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' >"$tmp/pid"
	tap_up "$NS" "$TAP" 198.18.0.1/24 2001:db8:18::1/64 || fail "cannot set up $TAP"
}

tap_gone()
{
	! ip -n "$NS" link show "$TAP"
}

# Clients are slow, whatever time it is, until there is "$tmp/fast": no connection ends before it has moved.
cat >"$tmp/client.py" <<'END'
# client.py ADDRESS PORT BYTES FAST: what it sends must come back.
import os, random, select, socket, sys, time
address, port, total, fast = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
data = (random.Random(1).randbytes(65537) * (total // 65537 + 1))[:total]
s = socket.create_connection((address, port), timeout=20)
s.setblocking(False)
sent, got = 0, bytearray()
while len(got) < total:
    slow = not os.path.exists(fast)
    r, w, _ = select.select([s], [s] if sent < total else [], [], 0.1)
    if w:
        sent += s.send(data[sent:sent + (4096 if slow else 262144)])
        if sent == total and port != 7000:
            s.shutdown(socket.SHUT_WR)
    if r:
        piece = s.recv(262144)
        if not piece:
            sys.exit(f"the end after {len(got)} bytes")
        got += piece
    if slow:
        time.sleep(0.01)
if bytes(got) != data:
    sys.exit("other bytes")
END
cat >"$tmp/reader.py" <<'END'
# reader.py BYTES FAST: the standard input is the stream of /bytes/BYTES.
import os, sys, time
total, fast = int(sys.argv[1]), sys.argv[2]
period = bytes((j ^ j >> 8) & 255 for j in range(65521)) * 6
at = 0
while True:
    slow = not os.path.exists(fast)
    piece = os.read(0, 8192 if slow else 262144)
    if not piece:
        break
    if piece != period[at % 65521:at % 65521 + len(piece)]:
        sys.exit(f"other bytes behind {at}")
    at += len(piece)
    if slow:
        time.sleep(0.01)
sys.exit(None if at == total else f"the end after {at} bytes")
END

conf lanes="${TERN_LANES:-1}"
tern_up
"$TERN" version --json | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' >"$tmp/pid"
before=$(resets)
for address in "$HOST4" "[$HOST6]"; do
	start "curl$address" bash -o pipefail -c 'curl -gsSf "$1" | /usr/bin/python3 "$2" "$3" "$4"' - \
		"http://$address/bytes/$BYTES" "$tmp/reader.py" "$BYTES" "$tmp/fast"
done
start echo4 /usr/bin/python3 "$tmp/client.py" "$HOST4" 7 "$((BYTES / 6))" "$tmp/fast"
start echo6 /usr/bin/python3 "$tmp/client.py" "$HOST6" 7 "$((BYTES / 6))" "$tmp/fast"
wait_for 30 connected 4 || fail "no connections: $(connections)"
for ((i = 0; i < MOVES; i++)); do
	sleep 0.7
	expect "$TERN" checkpoint --all "$tmp/images.$i"
	[ "$(find "$tmp/images.$i" -name '*.img' | wc -l)" -eq 4 ] || fail "images: $(ls "$tmp/images.$i")"
	no_connections || fail "they are there still: $(connections)"
	another_ternd --restoring
	# Peers speak meanwhile: the ternd still waits.
	if [ $i -eq 0 ]; then
		waits=$(grep -c "waits for restored connections no longer" "$log")
		refused 1 "No such file" "$TERN" restore "$tmp/typo"
		sleep 0.5
		[ "$(grep -c "waits for restored connections no longer" "$log")" -eq "$waits" ] ||
			fail "it does not wait for what is still to be restored"
	fi
	"$TERN" restore "$tmp/images.$i" >"$tmp/said" 2>&1 || fail "restore: $(cat "$tmp/said")"
	grep -q "^4 connections restored" "$tmp/said" || fail "restore: $(cat "$tmp/said")"
done
touch "$tmp/fast"
clients_end
[ "$(resets)" -eq "$before" ] || fail "$(($(resets) - before)) resets"
say "connections of services outlived ternd $MOVES times"

# A program's connection: its listener gets it again, under another ternd's program; and a program that is
# run for it.
cat >"$tmp/server.py" <<'END'
# Accepts one connection, and gives back what comes until its end; 2 if the connection is taken away.
import errno, socket, sys
l = socket.create_server(("", 7000))
c, peer = l.accept()
print("accepted", peer[1], flush=True)
while True:
    try:
        data = c.recv(65536)
        if not data:
            break
        c.sendall(data)
    except OSError as e:
        sys.exit(2 if e.errno == errno.ECONNABORTED else f"{e}")
END

listens()
{
	"$TERN" ss -lnH | grep -q ":7000 "
}

"$TERN" run /usr/bin/python3 "$tmp/server.py" >"$tmp/first.out" 2>&1 &
first=$!
wait_for 10 listens || fail "the program does not listen: $(cat "$tmp/first.out")"
before=$(resets)
rm "$tmp/fast"
start taken /usr/bin/python3 "$tmp/client.py" "$HOST4" 7000 5000000 "$tmp/fast"
wait_for 10 grep -q accepted "$tmp/first.out" || fail "nothing is accepted"
sleep 0.5
expect "$TERN" checkpoint --pid "$first" "$tmp/program"
wait $first
[ $? -eq 2 ] || fail "the program that lost its connection: $(cat "$tmp/first.out")"
refused 1 "nobody listens at its address" "$TERN" restore "$tmp/program"
"$TERN" run /usr/bin/python3 "$tmp/server.py" >"$tmp/second.out" 2>&1 &
second=$!
wait_for 10 listens || fail "the second program does not listen: $(cat "$tmp/second.out")"
expect "$TERN" restore "$tmp/program"
wait_for 10 grep -q accepted "$tmp/second.out" || fail "the listener does not get it"
sleep 0.5
expect "$TERN" checkpoint --pid "$second" "$tmp/again"
wait $second
"$TERN" restore "$tmp"/again/*.img -- /bin/cat 2>"$tmp/cat.err" &
cat=$!
touch "$tmp/fast"
clients_end
kill $cat 2>/dev/null
wait $cat
[ "$(resets)" -eq "$before" ] || fail "$(($(resets) - before)) resets"
say "a program's connection went to another's listener, and to cat"

# What is nobody's: closed by its program and still sending, and not accepted yet.
cat >"$tmp/leaves.py" <<'END'
import socket, sys, time

l = socket.create_server(("198.18.0.2", 7001))
if sys.argv[1] == "first":
    c, _ = l.accept()
    c.setblocking(False)
    print("sent", c.send(bytes(range(250)) * 400), flush=True)
    c.close()
    time.sleep(60)
c, _ = l.accept()
c.sendall(b"you said " + c.recv(100))
END
cat >"$tmp/reads.py" <<'END'
import os, socket, sys, time

s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.connect(("198.18.0.2", 7001))
if sys.argv[1] == "asks":
    s.sendall(b"hello")
while not os.path.exists(sys.argv[2]):
    time.sleep(0.05)
got = b""
while piece := s.recv(100000):
    got += piece
if sys.argv[1] == "asks":
    sys.exit(None if got == b"you said hello" else f"{got}")
whole = bytes(range(250)) * 400
sys.exit(None if got == whole[:int(open(sys.argv[3]).read().split()[1])] else f"{len(got)} bytes")
END

waits_to_be_accepted()
{
	[ "$("$TERN" ss -nH | grep -c ":7001 ")" -eq 2 ]
}

before=$(resets)
rm "$tmp/fast"
"$TERN" run /usr/bin/python3 "$tmp/leaves.py" first >"$tmp/leaves.out" 2>&1 &
first=$!
wait_for 10 eval '"$TERN" ss -lnH | grep -q ":7001 "' || fail "the program does not listen: $(cat "$tmp/leaves.out")"
start reads /usr/bin/python3 "$tmp/reads.py" reads "$tmp/fast" "$tmp/leaves.out"
wait_for 10 grep -q sent "$tmp/leaves.out" || fail "nothing is sent: $(cat "$tmp/leaves.out")"
start asks /usr/bin/python3 "$tmp/reads.py" asks "$tmp/fast"
wait_for 10 waits_to_be_accepted || fail "two connections: $("$TERN" ss -n)"
expect "$TERN" checkpoint --all "$tmp/nobodys"
[ "$(find "$tmp/nobodys" -name '*.img' | wc -l)" -eq 2 ] || fail "images: $(ls "$tmp/nobodys")"
kill $first
wait $first 2>/dev/null
another_ternd --restoring
"$TERN" run /usr/bin/python3 "$tmp/leaves.py" second >"$tmp/leaves2.out" 2>&1 &
second=$!
wait_for 10 eval '"$TERN" ss -lnH | grep -q ":7001 "' || fail "the program does not listen: $(cat "$tmp/leaves2.out")"
expect "$TERN" restore "$tmp/nobodys"
touch "$tmp/fast"
clients_end
wait $second || fail "the second program: $(cat "$tmp/leaves2.out")"
[ "$(resets)" -eq "$before" ] || fail "$(($(resets) - before)) resets"
say "what its program had closed, and what it had not accepted, went along"

# What users do wrong: nothing is lost by it. A pipe, and one connection by its ends.
rm "$tmp/fast"
start kept /usr/bin/python3 "$tmp/client.py" "$HOST4" 7 10000000 "$tmp/fast"
wait_for 10 connected 1 || fail "no connection"
read -r ours theirs <<<"$(connections | awk '/ESTAB/ { print $4, $5 }')"
expect "$TERN" checkpoint --keep --service echo "$tmp/wrong" >/dev/null
refused 1 "is there already, and is not replaced" "$TERN" checkpoint --all "$tmp/wrong"
refused 1 "cannot write the images" sh -c '"$1" checkpoint --all - >/dev/full' - "$TERN"
refused 1 "there is no such connection" "$TERN" checkpoint "$ours" 198.18.0.1:1 "$tmp/none"
refused 1 "named by its two ends" "$TERN" checkpoint 198.18.0.2 198.18.0.1:1 "$tmp/none"
refused 1 "no service has that name" "$TERN" checkpoint --service web "$tmp/none"
refused 1 "process 999999999 has no connection" "$TERN" checkpoint --pid 999999999 "$tmp/none"
refused 1 "service discard has no connection" "$TERN" checkpoint --service discard "$tmp/none"
[ ! -e "$tmp/none" ] || fail "a checkpoint of nothing leaves its folder behind"
mkdir "$tmp/none"
refused 1 "no service has that name" "$TERN" checkpoint --service web "$tmp/none"
[ -d "$tmp/none" ] || fail "a checkpoint of nothing took the folder that was there"
refused 2 "say which connections" "$TERN" checkpoint "$tmp/none"
refused 1 "it is in use here" "$TERN" restore "$tmp/wrong"
head -c 100 "$tmp"/wrong/*.img >"$tmp/short.img"
refused 1 "$tmp/short.img: " "$TERN" restore "$tmp/short.img"
refused 1 "$tmp/ternd.conf: " "$TERN" restore "$tmp/ternd.conf"
echo short >"$tmp/no.img"
refused 1 "$tmp/no.img: no image of a TCP connection" "$TERN" restore "$tmp/no.img"
: >"$tmp/empty.img"
refused 1 "$tmp/empty.img: it is empty" "$TERN" restore "$tmp/empty.img"
refused 1 "the standard input: it is empty" "$TERN" restore - </dev/null
refused 1 "there is no *.img in it" "$TERN" restore "$tmp/www"
chmod 666 "$TERN_SOCKET"
chmod 755 "$tmp"
# The build may lie where only root may look.
cp "$TERN" "$(dirname "$TERN")"/libtern.so "$tmp"
refused 1 "only root, and the members of" setpriv --reuid=65534 --regid=65534 --clear-groups \
	"$tmp/tern" checkpoint --all "$tmp/www"

# A ternd without a descriptor for the images, and one whose lane stands still.
cat >"$tmp/without.py" <<'END'
import ctypes, os, resource, subprocess, sys

what, pid, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
if what == "descriptors":
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    free = [fd for fd in range(1024) if fd not in used]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free[2], before[1]))  # two for who asks
else:
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    for task in os.listdir(f"/proc/{pid}/task"):
        if not open(f"/proc/{pid}/task/{task}/comm").read().startswith("rte-worker"):
            continue
        if ptrace(0x4206, int(task), None, None) or ptrace(0x4207, int(task), None, None):
            sys.exit(f"ptrace: {os.strerror(ctypes.get_errno())}")  # to seize, to interrupt
        os.waitpid(int(task), 0x40000000)
status = subprocess.run(command).returncode  # the lane goes on when we have ended
if what == "descriptors":
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
sys.exit(status)
END
refused 1 "as many files open as it may" /usr/bin/python3 "$tmp/without.py" descriptors "$ternd_pid" \
	"$TERN" checkpoint --all "$tmp/never"
refused 1 "a lane does not answer" /usr/bin/python3 "$tmp/without.py" lane "$ternd_pid" \
	"$TERN" checkpoint --all "$tmp/never"
"$TERN" checkpoint "$ours" "$theirs" - | "$TERN" restore - || fail "through a pipe"
touch "$tmp/fast"
clients_end
[ "$(counter move in)" -gt 0 ] && [ "$(counter move out)" -gt 0 ] || fail "counters"
wait_for 20 no_connections || fail "connections are left: $(connections)"
say "what is wrong is refused, and nothing is lost"
