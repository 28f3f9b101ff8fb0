#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fast Open by programs that only know its option: curl --tcp-fastopen, over IPv4 and IPv6, with a middle
# box of ours (middlebox.c) between the two sides:
#
#     client - forwarder - server
#
# First Linux with Linux, which shows that the test sees what it looks for; then curl on Tern with nginx
# on Linux, and curl on Linux with Tern's http service and with nginx on Tern. What went over the wire is
# read from a capture.
. "$(dirname "$0")/fastopen_link.sh"

# ---- The way, and what was sent on it

# through MIDDLEBOX: the way between the two leads through it from now on.
through()
{
	middle=$1
	forwarder_up "$client_link" "$server_link" --middlebox "$1" --capture "$tmp/capture" \
		--linger 150
}

# read_syns: ends that, when nobody has anything to say any more. SYNs and SYN-ACKs that came to it go into
# $tmp/syns, one a line: connection, ACK flag, length, acknowledgement, and the option (request, cookie or
# none; request254 and cookie254 if it is the experimental one).
read_syns()
{
	forwarder_down >"$tmp/forwarded"
	tshark -r "$tmp/capture" -Y 'tcp.flags.syn == 1' -T fields -E 'separator=;' \
		-e tcp.stream -e tcp.flags.ack -e tcp.len -e tcp.ack -e tcp.options.tfo.request \
		-e tcp.options.tfo.cookie -e tcp.options.experimental.exid 2>"$tmp/tshark" |
		awk -F';' '{ print $1, $2, $3, $4, \
			($6 != "" ? "cookie" : $5 != "" ? "request" : "none") ($7 != "" ? "254" : "") }' \
		>"$tmp/syns"
}

# wrong WHY: ends the test with what is known.
wrong()
{
	[ -z "$forwarder_pid" ] || read_syns
	fail "$way, $middle: $1: $(cat "$tmp/syns" "$tmp/forwarded"; "${look[@]}")"
}

# seen N: read_syns, and the middle box has treated so many frames at least.
seen()
{
	read_syns
	awk -v least="$1" -F', ' '{ for (i = 1; i <= NF; i++) if ($i ~ / touched$/) n += $i } END { exit !(n >= least) }' \
		"$tmp/forwarded" ||
		wrong "it had nothing to do"
}

# syn STREAM ACK LENGTH ACKNOWLEDGED OPTION: such a line is there; each may be a regular expression.
syn()
{
	grep -qE "^$1 $2 $3 $4 $5\$" "$tmp/syns" ||
		wrong "no SYN \"$*\""
}

no_syn()
{
	! grep -qE "^$1 $2 $3 $4 $5\$" "$tmp/syns" ||
		wrong "a SYN \"$*\""
}

# ---- Requests

# get LEAST: one request, not answered before so many seconds.
get()
{
	local seconds
	seconds=$("${client[@]}" curl --tcp-fastopen -gsf --max-time 30 -o "$tmp/got" \
		-w '%{time_total}' "http://$server:$port/") || wrong "curl gives $?"
	grep -q '<!doctype html>' "$tmp/got" || wrong "another page"
	awk -v s="$seconds" -v least="$1" 'BEGIN { exit !(s >= least) }' || wrong "$seconds s, and not $1 at least"
}

# asked STREAM N: it took so many SYNs until one was answered. More of them are time-outs: a fault, or the
# machine's that was too busy for a second; patiently() tells these apart.
asked()
{
	local n
	n=$(awk -v stream="$1" '$1 == stream && $2 == 1 { exit } $1 == stream { n++ } END { print n + 0 }' "$tmp/syns")
	[ "$n" -le "$2" ] || touch "$tmp/late"
	[ "$n" -eq "$2" ] || wrong "connection $1 took $n SYNs, not $2"
}

# patiently SCENARIO: three times at most, if time-outs are all that is wrong with it. A fault of ours is there each
# time.
patiently()
{
	local try
	for try in 1 2 3; do
		rm -f "$tmp/late"
		([ $try = 1 ] || know_cookie; "$@") && return
		[ -e "$tmp/late" ] || exit 1
		say "$way, $1: a time-out; once more"
	done
	exit 1
}

# know_cookie: two requests of which the second has its data in the SYN.
know_cookie()
{
	through none
	"${forget[@]}" >/dev/null || fail "$way: cookies cannot be forgotten"
	get 0
	get 0
	seen 0
	asked 0 1
	asked 1 1
	syn 0 0 0 0 request
	syn 0 1 0 1 cookie
	no_syn 0 0 '[1-9][0-9]*' 0 '.*'
	syn 1 0 '[1-9][0-9]*' 0 cookie
	# The SYN-ACK acknowledges SYN and data.
	syn 1 1 '[0-9]+' "$(awk '$1 == 1 && $2 == 0 { print $3 + 1 }' "$tmp/syns")" none
}

# The data is sent again as soon as the SYN-ACK does not acknowledge it.
data_stripped()
{
	through strip-data
	get 0
	seen 1
	asked 0 1
	syn 0 0 '[1-9][0-9]*' 0 cookie
	syn 0 1 '[0-9]+' 1 none
	# Not after a time-out, which is 200 ms at least.
	tshark -r "$tmp/capture" -Y 'tcp.stream == 0 && (tcp.flags.syn == 1 && tcp.flags.ack == 1 ||
		tcp.flags.syn == 0 && tcp.dstport == '"$port"' && tcp.len > 0)' -T fields \
		-e frame.time_relative 2>>"$tmp/tshark" |
		awk 'NR == 1 { begin = $1 } NR == 2 { found = $1 - begin < 0.19 } END { exit !found }' || {
		touch "$tmp/late"
		wrong "the data is not sent again at once"
	}
}

# Neither cookie nor request arrives: an ordinary server.
option_stripped()
{
	through strip-option
	get 0
	"${forget[@]}" >/dev/null
	get 0
	get 0
	seen 3
	asked 0 1
	asked 1 1
	asked 2 1
	syn 0 0 '[1-9][0-9]*' 0 cookie
	syn 0 1 0 1 none
	syn 1 0 0 0 request
	syn 1 1 0 1 none
	no_syn 2 0 '.*' 0 cookie
}

# The SYN with data is lost: a second later a bare one is sent.
data_dropped()
{
	through drop-data
	get 0.95
	seen 1
	asked 0 2
	syn 0 0 '[1-9][0-9]*' 0 cookie
	syn 0 0 0 0 none
	syn 0 1 0 1 none
}

# And so is one with the option.
option_dropped()
{
	through drop-option
	get 0.95
	"${forget[@]}" >/dev/null
	get 0.95
	seen 2
	asked 0 2
	asked 1 2
	syn 0 0 '[1-9][0-9]*' 0 cookie
	syn 0 0 0 0 none
	syn 1 0 0 0 request
	syn 1 0 0 0 none
	syn 1 1 0 1 none
}

guard_is()
{
	[ "$("${guard[@]}")" -eq "$1" ]
}

# Whoever sends data in a SYN is not heard any more: at the third time-out the client's guard turns
# Fast Open off for a while, for everybody.
black_hole()
{
	local status=0 before pid
	through black-hole
	before=$("${guard[@]}")
	"${client[@]}" curl --tcp-fastopen -gs --max-time 30 -o /dev/null "http://$server:$port/" &
	pid=$!
	wait_for 20 guard_is $((before + 1)) || wrong "the guard still counts $before"
	kill "$pid"
	wait "$pid" || status=$?
	[ $status -eq 143 ] || wrong "curl was not waiting: $status"
	get 0
	seen 1
	syn 0 0 '[1-9][0-9]*' 0 cookie
	syn 0 0 0 0 none
	no_syn 0 1 '.*' '.*' '.*'
	syn 1 0 0 0 none
	no_syn 1 0 '.*' 0 '(request|cookie)'
	guard_is $((before + 1)) ||
		wrong "the guard counts $before, then $("${guard[@]}")"
	sleep "$GUARD_S"
	through none
	get 0
	seen 0
	syn 0 0 '[1-9][0-9]*' 0 cookie
}

# Who is never answered asks by the experimental option the second time, and by it only then; a cookie
# that comes by it goes back by it.
experimental()
{
	local i
	through none
	"${forget[@]}" >/dev/null
	for i in 1 2 3 4; do
		# Who answers there matters as little as what.
		"${client[@]}" curl --tcp-fastopen -gs --max-time 3 -o /dev/null "http://$server:$port_without/"
	done
	"${forget[@]}" >/dev/null
	"${client[@]}" curl --tcp-fastopen -gs --max-time 3 -o /dev/null "http://$server:$port_without/"
	get 0
	get 0
	seen 0
	for i in 0 1 2 3 4 5 6; do
		asked $i 1
	done
	syn 0 0 0 0 request
	syn 1 0 0 0 request254
	syn 2 0 0 0 request
	syn 3 0 0 0 request
	syn '[0-3]' 1 0 1 none
	syn 4 0 0 0 request
	syn 5 0 0 0 request254
	syn 5 1 0 1 cookie254
	syn 6 0 '[1-9][0-9]*' 0 cookie254
	syn 6 1 '[0-9]+' "$(awk '$1 == 6 && $2 == 0 { print $3 + 1 }' "$tmp/syns")" none
}

# all_of_it [no] [yes]: with what `way` has set up, over IPv4 (no) and IPv6 (yes).
all_of_it()
{
	local six
	for six; do
		server=$server4
		[ $six = no ] || server="[$server6]"
		patiently know_cookie
		patiently data_stripped
		patiently data_dropped
		patiently option_dropped
		patiently know_cookie
		patiently option_stripped
		patiently experimental
		if [ ${#guard[@]} -gt 0 ]; then
			patiently know_cookie
			black_hole
		fi
		say "$way: $server"
	done
}

links_up
nginx_up tern "listen 8080 fastopen=16; listen [::]:8080 fastopen=16;" \
	ip netns exec "$HOST_NS" "$TERN" run --
for kind in linux-linux tern-linux linux-tern linux-program; do
	way_of $kind
	# Linux with itself is but the proof that the test sees; of Tern's servers one is asked over each family.
	case $kind in
	linux-linux | linux-program) all_of_it no ;;
	linux-tern) all_of_it yes ;;
	*) all_of_it no yes ;;
	esac
done
kill -TERM "${nginx_pids[@]}"
wait "${nginx_pids[@]}" 2>/dev/null
nginx_pids=()
tern_idle
tern_down
