#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Sockets over exec and posix_spawn: of a program on libtern, and of programs that know nothing of Tern.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"
INHERIT=$BUILD/test/interop/inherit
EXECUTES=$BUILD/test/interop/executes
PORT=5000

# established N: so many connections are open.
established()
{
	[ "$(connections | grep -c ESTAB)" -eq "$1" ]
}

conf
tern_up
in_ns "$INHERIT" echo 198.18.0.1 $PORT >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"

# A program on libtern that executes itself. What closes on exec has closed.
mkfifo "$tmp/go"
: >"$tmp/said"
"$INHERIT" exec 198.18.0.1 $PORT <"$tmp/go" >"$tmp/said" &
program=$!
exec 7>"$tmp/go"
wait_for 20 grep -q executed "$tmp/said" || fail "the next image does not go on"
wait_for 5 established 2 || fail "a socket that closes on exec is open: $(connections)"
echo >&7
exec 7>&-
wait "$program" || fail "the program ended with status $?"
wait_for 10 no_programs || fail "programs are still attached"
tern_idle

# What the environment says is not believed.
for lie in 0:1 5:6 -1:-1 99999999999:3 x: 3:4:5; do
	TERN_HANDOVER=$lie expect "$INHERIT" deep 198.18.0.1 $PORT
done
kill "$echo_server"

# ended: the server ends by itself, with status 0, and nothing of it is left.
ended()
{
	wait "$server" || fail "$1: status $?: $(tail -n 5 "$tmp/server.log")"
	wait_for 10 no_programs || fail "$1: programs are still attached"
	tern_idle
}

# A `cat` for each connection, at its input and output.
port=5010
for how in fork vfork spawn spawnp environ; do
	port=$((port + 1))
	serve $port "$EXECUTES" $how $port 2
	expect client echo "$HOST4" $port 100000
	expect client echo "$HOST4" $port 1
	ended $how
done
serve 5020 python3 -c '
import socket, subprocess
listener = socket.create_server(("", 5020))
for close_fds in True, False:
    c, _ = listener.accept()
    subprocess.run(["cat", "-u"], stdin=c, stdout=c, close_fds=close_fds, check=True)
    c.close()'
expect client echo "$HOST4" 5020 100000
expect client echo "$HOST4" 5020 1
ended python

# A server that executes itself, with its listener and a connection of which one byte is unread.
serve 5021 "$EXECUTES" itself 5021
expect in_ns python3 -c '
import socket, sys
c = socket.create_connection((sys.argv[1], 5021), 10)
def get(n):
    got = b""
    while len(got) < n:
        more = c.recv(n - len(got))
        if not more:
            break
        got += more
    return got
c.sendall(b"abc")
assert get(16) == b"firststillsecond"
c.sendall(bytes(100000))
assert get(100000) == bytes(100000)
c.shutdown(socket.SHUT_WR)
assert get(1) == b""' "$HOST4"
expect client echo "$HOST4" 5021 100000
ended itself

# Options that the library keeps. First on Linux.
in_ns "$EXECUTES" options 5030 &
server=$!
listens_on_linux()
{
	[ -n "$(in_ns ss -tlnH "sport = :$1")" ]
}
wait_for 10 listens_on_linux 5030 || fail "options: it does not listen on Linux"
reads_nothing='
import socket, sys, time
c = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
c.sendall(b"a")
time.sleep(4)'
expect in_ns python3 -c "$reads_nothing" 198.18.0.1 5030
wait "$server" || fail "options on Linux: status $?"
serve 5031 "$EXECUTES" options 5031
expect in_ns python3 -c "$reads_nothing" "$HOST4" 5031
ended options

# What closes on exec has closed while the image that follows lives on, and nothing else has.
serve 5022 "$EXECUTES" keep 5022
expect in_ns python3 -c '
import socket, sys
closes = socket.create_connection((sys.argv[1], 5022), 10)
stays = socket.create_connection((sys.argv[1], 5022), 10)
assert closes.recv(1) == b""
stays.settimeout(0.5)
try:
    stays.recv(1)
    sys.exit("it has ended")
except socket.timeout:
    pass' "$HOST4"
kill "$(cat "/proc/$server/task/$server/children")"
ended keep

# nginx changes its binary: the new master, whose environment nginx makes from nothing, gets the listener.
if command -v nginx >/dev/null; then
	mkdir "$tmp/nginx"
	echo hello >"$tmp/nginx/index.html"
	chmod a+rx "$tmp" "$tmp/nginx"
	cat >"$tmp/nginx/conf" <<END
worker_processes 2;
user root;
pid $tmp/nginx/pid;
error_log $tmp/nginx/log;
events { worker_connections 256; }
http { access_log off; server { listen 5023; root $tmp/nginx; } }
END
	hello()
	{
		[ "$(in_ns curl -sf --max-time 5 "http://$HOST4:5023/index.html")" = hello ]
	}
	expect on_tern "$(command -v nginx)" -c "$tmp/nginx/conf"
	wait_for 10 serving 5023 || fail "nginx does not listen on Tern"
	expect hello
	old=$(cat "$tmp/nginx/pid")
	kill -USR2 "$old"
	wait_for 10 test -s "$tmp/nginx/pid.oldbin" || fail "no new nginx: $(cat "$tmp/nginx/log")"
	wait_for 10 test -s "$tmp/nginx/pid" || fail "no new nginx: $(cat "$tmp/nginx/log")"
	new=$(cat "$tmp/nginx/pid")
	kill -QUIT "$old"
	wait_for 10 test ! -e "/proc/$old" || fail "the old nginx does not end"
	for _ in 1 2 3 4 5; do
		expect hello
	done
	kill -QUIT "$new"
	wait_for 10 no_programs || fail "nginx is still attached"
	tern_idle
fi
tern_down
