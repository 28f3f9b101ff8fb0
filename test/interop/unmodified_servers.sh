#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Servers that know nothing of Tern, under tern run, with Linux's clients: redis, nginx with a master and
# two workers, iperf3, socat with a child for each connection, python's asyncio, sshd with its confined
# and unprivileged children.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"
for program in redis-server redis-benchmark nginx iperf3 socat nc wrk openssl sshd ssh scp; do
	command -v $program >/dev/null || skip "no $program"
done

# cpu_ticks PID…: processor time that they have used.
cpu_ticks()
{
	local pid
	for pid in "$@"; do
		awk '{ print $14 + $15 }' "/proc/$pid/stat"
	done | awk '{ n += $1 } END { print n }'
}

# is_idle PID…: they use no processor time for a second.
is_idle()
{
	local before
	before=$(cpu_ticks "$@")
	sleep 1
	[ $(($(cpu_ticks "$@") - before)) -le 1 ]
}

conf
tern_up

# redis: one thread, an epoll set, a listener on both sides.
serve 6379 redis-server --port 6379 --save '' --appendonly no --protected-mode no --dir "$tmp"
benchmark()
{
	in_ns timeout 60 redis-benchmark -h "$HOST4" -q --csv "$@" >"$tmp/benchmark" 2>&1 ||
		fail "redis-benchmark $*: $(tail -n 3 "$tmp/benchmark")"
	! grep -qi error "$tmp/benchmark" || fail "redis-benchmark $*: $(grep -i error "$tmp/benchmark")"
}
benchmark -c 20 -n 200
benchmark -c 200 -n 10000 -P 16 -t ping,set,get,incr,lpush,rpop,sadd,hset,spop,zadd,lrange_100,mset
[ "$(in_ns redis-cli -h "$HOST4" set key value)" = OK ] || fail "redis by Tern"
[ "$(in_host redis-cli get key)" = value ] || fail "redis by the host's loopback"
is_idle $server || fail "redis-server uses the processor while it is idle"
serve_end

# nginx: sockets shared over fork, sendfile, a reload under load.
mkdir -p "$tmp/nginx/html"
chmod 755 "$tmp"
echo "from nginx" >"$tmp/nginx/html/index.html"
head -c 33554432 /dev/urandom >"$tmp/nginx/html/large"
cat >"$tmp/nginx.conf" <<END2
user root;
worker_processes 2;
daemon off;
pid $tmp/nginx/pid;
error_log $tmp/nginx/error.log notice;
events { worker_connections 512; }
http {
	access_log off;
	sendfile on;
	client_body_temp_path $tmp/nginx/body;
	proxy_temp_path $tmp/nginx/proxy;
	fastcgi_temp_path $tmp/nginx/fastcgi;
	uwsgi_temp_path $tmp/nginx/uwsgi;
	scgi_temp_path $tmp/nginx/scgi;
	server { listen 8080; listen [::]:8080; root $tmp/nginx/html; }
}
END2
serve 8080 nginx -p "$tmp/nginx" -c "$tmp/nginx.conf"
for url in "http://$HOST4:8080/" "http://[$HOST6]:8080/"; do
	[ "$(in_ns curl -gs --max-time 10 "$url")" = "from nginx" ] || fail "$url"
done
[ "$(in_host curl -s --max-time 10 http://127.0.0.1:8080/)" = "from nginx" ] || fail "nginx by loopback"
in_ns curl -s --max-time 60 "http://$HOST4:8080/large" | cmp - "$tmp/nginx/html/large" ||
	fail "a file of nginx is not what it is"
in_ns wrk -t 2 -c 50 -d 2 "http://$HOST4:8080/" >"$tmp/wrk" || fail "wrk"
! grep -qE "Socket errors|Non-2xx" "$tmp/wrk" || fail "wrk: $(cat "$tmp/wrk")"
# Each idle connection ends once at a reload, which wrk calls a read error; on Linux, too.
in_ns wrk -t 1 -c 20 -d 4 "http://$HOST4:8080/" >"$tmp/wrk" &
wrk=$!
sleep 1
kill -HUP $server
wait $wrk || fail "wrk over a reload"
! grep -E "Socket errors" "$tmp/wrk" | grep -vqE "connect 0, read ([0-9]|1[0-9]|20), write 0, timeout 0" ||
	fail "wrk over a reload: $(cat "$tmp/wrk")"
! grep -q "Non-2xx" "$tmp/wrk" || fail "wrk over a reload: $(cat "$tmp/wrk")"
workers=$(in_host cat "/proc/$server/task/$server/children")
# shellcheck disable=SC2086
is_idle $server $workers || fail "nginx uses the processor while it is idle"
! grep -E "\[(alert|crit|emerg)\]" "$tmp/nginx/error.log" || fail "nginx complains"
serve_end

# iperf3: select, and streams in both directions.
serve 5201 iperf3 -s
in_ns timeout 30 iperf3 -c "$HOST4" -n 32M >"$tmp/iperf3" || fail "iperf3: $(cat "$tmp/iperf3")"
in_ns timeout 30 iperf3 -c "$HOST4" -n 32M -R -P 4 >"$tmp/iperf3" || fail "iperf3 -R: $(cat "$tmp/iperf3")"
serve_end

# socat: a child for each connection, which executes a program with the connection behind a pair of
# sockets, or connects on.
serve 7003 socat TCP-LISTEN:7003,reuseaddr,fork EXEC:cat
for i in 1 2 3; do
	[ "$(echo "through $i" | in_ns timeout 10 nc -N "$HOST4" 7003)" = "through $i" ] || fail "socat EXEC: $i"
done
serve_end
serve 7004 socat TCP-LISTEN:7004,reuseaddr,fork TCP:198.18.0.1:7005
(cd "$tmp/nginx/html" && in_ns socat -U TCP-LISTEN:7005,reuseaddr,fork OPEN:large,rdonly) &
offered()
{
	in_ns ss -Hltn "sport = :7005" | grep -q .
}
wait_for 10 offered || fail "socat does not listen on Linux"
for i in 1 2 3; do
	in_ns socat -u "TCP:$HOST4:7004,retry=20" - </dev/null | cmp - "$tmp/nginx/html/large" ||
		fail "socat does not forward: $i"
done
serve_end

# asyncio: a listener on both sides in an epoll set, and connections of either kind.
cat >"$tmp/echo.py" <<'END2'
import asyncio
async def echo(reader, writer):
    writer.write(await reader.read())
    await writer.drain()
    writer.close()
async def main():
    async with await asyncio.start_server(echo, '0.0.0.0', 7006) as server:
        await server.serve_forever()
asyncio.run(main())
END2
serve 7006 python3 "$tmp/echo.py"
[ "$(echo by Tern | in_ns timeout 10 nc -N "$HOST4" 7006)" = "by Tern" ] || fail "asyncio by Tern"
[ "$(echo by loopback | in_host timeout 10 nc -N 127.0.0.1 7006)" = "by loopback" ] || fail "asyncio by loopback"
is_idle $server || fail "asyncio uses the processor while it is idle"
serve_end

# sshd: it executes itself for each connection, shares that with a child that has no more than read(),
# write() and poll(), and then with one that is a user's. In a mount namespace of its own ("ip netns exec"
# makes one) the host has a user more.
mkdir -p "$tmp/ssh" "$tmp/home" /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/host" && ssh-keygen -q -t ed25519 -N '' -f "$tmp/ssh/key" ||
	fail "ssh-keygen"
chown 4711:4711 "$tmp/home"
{ cat /etc/passwd && echo "tester:x:4711:4711::$tmp/home:/bin/sh"; } >"$tmp/ssh/passwd"
{ cat /etc/group && echo "tester:x:4711:"; } >"$tmp/ssh/group"
{ cat /etc/shadow && echo "tester:*:19000:0:99999:7:::"; } >"$tmp/ssh/shadow"
cat >"$tmp/ssh/conf" <<END2
Port 2222
HostKey $tmp/ssh/host
AuthorizedKeysFile $tmp/ssh/key.pub
StrictModes no
PermitRootLogin yes
PidFile none
Subsystem sftp internal-sftp
LogLevel ERROR
END2
chmod 755 "$tmp/ssh"
# shellcheck disable=SC2016
serve 2222 sh -c 'for file in passwd group shadow; do
	mount --bind "$0/$file" "/etc/$file" || exit
done
exec "$(command -v sshd)" -D -e -f "$0/conf"' "$tmp/ssh"
login=(-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o LogLevel=ERROR
	-o BatchMode=yes -i "$tmp/ssh/key")
# As another user than root the file's way is through a socket that two processes have.
head -c 50000000 /dev/urandom >"$tmp/ssh/file"
for user in root tester; do
	in_ns timeout 30 ssh "${login[@]}" -p 2222 "$user@$HOST4" 'id -un; exit 42' >"$tmp/ssh/said"
	[ $? -eq 42 ] && [ "$(cat "$tmp/ssh/said")" = $user ] || fail "ssh as $user: $(cat "$tmp/server.log")"
	expect in_ns timeout 60 scp -q "${login[@]}" -P 2222 "$tmp/ssh/file" "$user@$HOST4:$tmp/home/$user"
	expect cmp "$tmp/ssh/file" "$tmp/home/$user"
	expect in_ns timeout 60 scp -q "${login[@]}" -P 2222 "$user@$HOST4:$tmp/home/$user" "$tmp/ssh/back"
	expect cmp "$tmp/ssh/file" "$tmp/ssh/back"
done
[ "$(echo by loopback | in_host ssh "${login[@]}" -p 2222 root@127.0.0.1 cat)" = "by loopback" ] ||
	fail "sshd by loopback"
serve_end
tern_down
