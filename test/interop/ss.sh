#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern ss beside ss, on the two ends of the same connections: its words, units and numbers are ss', whose
# order they keep; filters, processes, services, timers, listeners; and a list too long for one answer.
. "$(dirname "$0")/interop.sh"
PROGRAM=$BUILD/test/interop/program

# shows EXPECTED WORDS…: `tern ss` with these words shows so many connections.
shows()
{
	local expected=$1 found
	shift
	found=$("$TERN" ss -H "$@" | wc -l)
	[ "$found" -eq "$expected" ] || fail "tern ss $* shows $found connections, not $expected: $("$TERN" ss -a)"
}

conf
tern_up
"$PROGRAM" epoll 5000 2 >"$tmp/server" &
server=$!
wait_for 20 grep -q listening "$tmp/server" || fail "the program does not listen"
for host in "$HOST4" "$HOST6"; do
	ip netns exec "$NS" /usr/bin/python3 - "$host" >"$tmp/held.$host" <<'END' &
import socket, sys, time
s = socket.create_connection((sys.argv[1], 5000))
for i in range(50):
    s.sendall(b"x" * 4000)
    got = 0
    while got < 4000:
        got += len(s.recv(4000))
print("held", flush=True)
time.sleep(60)
END
	clients="${clients:-} $!"
	wait_for 20 grep -q held "$tmp/held.$host" || fail "no connection to look at"
done

# One connection from both sides.
port=$(in_ns ss -tnH state established dst "$HOST4" dport = :5000 | awk '{ sub(/.*:/, "", $3); print $3 }')
in_ns ss -tnioOH "sport = :$port" >"$tmp/linux"
"$TERN" ss -tnioOH dport = ":$port" >"$tmp/tern"
cat "$tmp/linux" "$tmp/tern"
/usr/bin/python3 - "$tmp/linux" "$tmp/tern" "$port" "$HOST4" <<'END' || fail "tern ss and ss do not agree"
import re, sys
linux, tern = (open(name).read().split() for name in sys.argv[1:3])
port, host = sys.argv[3:]
# Every word that ss may show, in its order.
order = """ts sack ecn ecnseen cubic bbr reno wscale rto backoff rtt ato mss pmtu rcvmss advmss cwnd ssthresh
bytes_sent bytes_retrans bytes_acked bytes_received segs_out segs_in data_segs_out data_segs_in send lastsnd
lastrcv lastack pacing_rate delivery_rate delivered delivered_ce app_limited busy rwnd_limited sndbuf_limited
unacked retrans lost sacked dsack_dups reordering reord_seen rcv_rtt rcv_space rcv_ssthresh notsent minrtt
rcv_ooopack snd_wnd rcv_wnd""".split()

def parse(words):
    names, values = [], {}
    for i, word in enumerate(words[5:]):
        name, _, value = word.partition(":")
        if name == "timer" or re.fullmatch(r"[0-9.]+[KMGT]?bps(/.*)?", word) or name == "bbr" and value:
            continue
        if name in ("send", "pacing_rate", "delivery_rate"):
            value = words[5 + i + 1]
            assert re.fullmatch("[0-9]+bps(/[0-9]+bps)?", value), (name, value)
        names.append(name)
        values[name] = value
    return names, values

def check(what, condition):
    if not condition:
        sys.exit(what)

for words in linux, tern:
    names, _ = parse(words)
    places = [order.index(name) for name in names]
    check("words out of order: %s" % names, places == sorted(places))
_, l = parse(linux)
_, t = parse(tern)
check("columns", tern[:3] == ["ESTAB", "0", "0"] == linux[:3])
# The program's listener is an IPv6 socket that takes IPv4, too.
check("addresses", tern[3] == "[::ffff:%s]:5000" % host and tern[4].endswith(":" + port))
for name in ("ts", "sack", "wscale", "rto", "rtt", "mss", "pmtu", "rcvmss", "advmss", "cwnd", "bytes_sent",
        "bytes_acked", "bytes_received", "segs_out", "segs_in", "data_segs_out", "data_segs_in", "send",
        "delivery_rate", "delivered", "minrtt", "snd_wnd", "rcv_space", "rcv_ssthresh", "busy"):
    check("%s is not shown" % name, name in t)
    check("%s is not shown by ss" % name, name in l or name == "busy")
for name in ("mss", "pmtu", "advmss"):
    check("%s: %s and %s" % (name, l[name], t[name]), l[name] == t[name])
check("wscale", l["wscale"].split(",") == t["wscale"].split(",")[::-1])
check("bytes", t["bytes_received"] == t["bytes_acked"] == l["bytes_received"] == "200000")
for way in l, t:
    check("sent", int(way["bytes_sent"]) - int(way.get("bytes_retrans", 0)) == 200000)
for here, there in (l, t), (t, l):
    check("segments: %s and %s" % (here["data_segs_out"], there["data_segs_in"]),
            here["data_segs_out"] == there["data_segs_in"])
for name, least, most in (("rto", 200, 400), ("ato", 1, 200), ("minrtt", 0.001, 100)):
    if name in t:
        check("%s:%s" % (name, t[name]), least <= float(t[name]) <= most)
END

# Which are shown.
shows 2
shows 2 state established
shows 0 state syn-sent
shows 2 sport = :5000
shows 2 sport gt 4999 and sport le 5000
shows 1 dport = ":$port"
shows 1 dst 198.18.0.1
shows 1 dst '[2001:db8:18::1]'
shows 1 src "$HOST6"
shows 1 src 198.18.0.0/24:5000
shows 0 src 198.18.1.0/24
shows 1 dst != 198.18.0.1
shows 2 -6
shows 0 -4
shows 5 -l
shows 7 -a exclude time-wait
shows 1 -l sport = :5000
shows 1 -l 'sport = :5000'
"$TERN" ss sport = :1 | grep -q '^State ' || fail "no header where there is no connection"
! "$TERN" ss state nonsense 2>/dev/null || fail "a state that there is not"
! "$TERN" ss sport 99999 2>/dev/null || fail "a port that there is not"

# Whose they are; listeners show their backlog.
"$TERN" ss -tlnpH sport = :5000 >"$tmp/listener"
grep -qE "^LISTEN +0 +128 +\*:5000 +\*:\* users:\(\(\"program\",pid=$server(,fd=[0-9]+)?\)\)$" "$tmp/listener" ||
	fail "the program's listener: $(cat "$tmp/listener")"
"$TERN" ss -tnpH state established | grep -c "users:((\"program\",pid=$server" | grep -qx 2 ||
	fail "whose connections: $("$TERN" ss -tnpH)"
"$TERN" ss -lpH sport = :80 | grep -q 'users:(("http",lane=0))' || fail "whose listener: $("$TERN" ss -lp)"

# Timers.
ip netns exec "$NS" "$CLIENT" stuck "$HOST4" 80 1000000000 >"$tmp/stuck" &
clients="$clients $!"
wait_for 20 grep -q connected "$tmp/stuck" || fail "no download"
persists()
{
	"$TERN" ss -oH sport = :80 | grep -qE 'timer:\(persist,[0-9.]*(ms|sec),[0-9]+\)'
}
wait_for 20 persists || fail "no timer of a closed window: $("$TERN" ss -oH)"

# JSON.
"$TERN" ss --json sport = :5000 | /usr/bin/python3 -c '
import json, sys
for c in json.load(sys.stdin):
    assert c["state"] == "ESTAB" and c["users"][0]["pid"] == int(sys.argv[1]), c
    assert c["details"]["bytes_received"] == 200000 and c["details"]["congestion"] == "cubic", c' "$server" ||
	fail "tern ss --json"

# More than a lane lists at once.
ip netns exec "$NS" /usr/bin/python3 - "$HOST4" >"$tmp/many" <<'END' &
import socket, sys, time
held = [socket.create_connection((sys.argv[1], 7)) for _ in range(400)]
print("held", flush=True)
time.sleep(60)
END
clients="$clients $!"
wait_for 20 grep -q held "$tmp/many" || fail "no 400 connections"
shows 400 state established sport = :7
[ "$("$TERN" ss -niO state established sport = :7 | grep -c ' cubic ')" -eq 400 ] || fail "400 with all details"
for pid in $clients; do
	kill "$pid" 2>/dev/null
done
wait "$server" || fail "the program ended with status $?"
tern_idle
tern_down
