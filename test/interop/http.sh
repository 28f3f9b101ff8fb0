#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# curl over IPv4 and IPv6: pages, HEAD, ranges of /bytes/N, keep-alive, and the errors of HTTP.
. "$(dirname "$0")/interop.sh"
conf
head -c 100000 /dev/urandom >"$tmp/www/large.bin"
tern_up

# status_of URL [CURL ARGUMENTS…]: the status of one request.
status_of()
{
	local url=$1
	shift
	in_ns curl -gs --max-time 10 -o "$tmp/body" -w '%{http_code}' "$@" "$url"
}

# want STATUS URL [CURL ARGUMENTS…]
want()
{
	local status=$1 got
	shift
	got=$(status_of "$@") || fail "curl $*: $?"
	[[ $got =~ ^($status)$ ]] || fail "$1 answered $got instead of $status"
}

for host in "$HOST4" "[$HOST6]"; do
	want 200 "http://$host/"
	cmp "$tmp/body" "$tmp/www/index.html" || fail "another page"
	want 200 "http://$host/large.bin"
	cmp "$tmp/body" "$tmp/www/large.bin" || fail "another file"
	want 200 "http://$host/bytes/0"
	[ ! -s "$tmp/body" ] || fail "/bytes/0 has a body"
	want 200 "http://$host/bytes/1000000"
	cmp "$tmp/body" <("$CLIENT" pattern 1000000) || fail "other bytes"
	want 404 "http://$host/nothing"
	want "400|404" "http://$host/../../etc/passwd" --path-as-is
	want 405 "http://$host/" -X DELETE
	want 431 "http://$host/" -H "Long: $(printf 'x%.0s' {1..60000})"
done

expect in_ns curl -gsSI --max-time 10 "http://$HOST4/large.bin" >"$tmp/head"
grep -qi '^content-length: 100000' "$tmp/head" || fail "HEAD gives no length: $(cat "$tmp/head")"

# Three requests on one connection.
reused=$(in_ns curl -gs --max-time 10 -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects} ' \
	"http://$HOST4/" "http://$HOST4/large.bin" "http://$HOST4/")
[ "$reused" = "1 0 0 " ] || fail "no keep-alive: $reused"

# Two requests in one segment, and one that is no HTTP.
expect in_ns /usr/bin/python3 - "$HOST4" <<'END'
import socket, sys

def ask(request):
    with socket.create_connection((sys.argv[1], 80), 10) as s:
        s.sendall(request)
        s.settimeout(10)
        answer = b""
        while True:
            data = s.recv(65536)
            if not data:
                return answer
            answer += data

answer = ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
assert answer.count(b"HTTP/1.1 200 ") == 2, answer
answer = ask(b"this is no request\r\n\r\n")
assert answer.startswith(b"HTTP/1.1 400 "), answer
END
tern_idle
tern_down
