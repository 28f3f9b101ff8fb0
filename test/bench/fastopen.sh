#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Time from connect() to the first byte of the answer, with connect() deferred by Fast Open beside an
# ordinary one, in turn, over links of several round-trip times:
#
#     client - forwarder, which delays - server
#
# Linux with Linux, Tern's programs with Linux's nginx, and Linux with Tern's http service. An ordinary
# connection takes two round trips to the first byte, a deferred one takes one: the ratio says how much
# of that arrives at the program. Each request is checked to have been in the SYN, or not; if more than one
# in twenty was not what it should be, the numbers are not what they are called, and it fails.
#
#     BENCH_ROUNDS=5 BENCH_REQUESTS=40 BENCH_RTT_MS="0.2 1 10" sudo -E ./test/run bench
GUARD_S=0
. "$(dirname "$0")/../interop/fastopen_link.sh"

ROUNDS=${BENCH_ROUNDS:-5}
REQUESTS=${BENCH_REQUESTS:-40}
RTT_MS=${BENCH_RTT_MS:-0.2 1 10}
FIRST_BYTE=$BUILD/test/bench/first_byte

# Before the machine's other work, so that a delay is the link's.
printf '#!/bin/sh\nexec chrt -f 10 %s "$@"\n' "$FORWARDER" >"$tmp/forwarder.sh"
chmod +x "$tmp/forwarder.sh"
FORWARDER=$tmp/forwarder.sh

links_up
for pid in $$ "$ternd_pid" "${nginx_pids[@]}"; do
	go_first "$pid"
done
for round in $(seq "$ROUNDS"); do
	for rtt in $RTT_MS; do
		for kind in linux-linux tern-linux linux-tern; do
			way_of $kind
			forwarder_up "$client_link" "$server_link" \
				--delay "$(awk -v rtt="$rtt" 'BEGIN { print rtt / 2 }')"
			for server in "$server4" "$server6"; do
				"${client[@]}" "$FIRST_BYTE" "$server" 80 "$REQUESTS" >"$tmp/times" ||
					fail "$kind, $rtt ms, $server"
				awk '$1 == "disturbed" { n++ } END { exit n > NR / 20 }' "$tmp/times" ||
					fail "$kind, $rtt ms, $server: data was not in the SYN"
				awk -v key="$kind $rtt $round" '{ print key, $1, $2 }' "$tmp/times" \
					>>"$tmp/results"
			done
			forwarder_down >"$tmp/forwarded"
		done
	done
	say "round $round of $ROUNDS done"
done
kill -CONT "$ternd_pid"

say "Time to the first byte in microseconds, $ROUNDS rounds of $REQUESTS requests over IPv4 and as many" \
	"over IPv6, Linux $(uname -r), $(nproc) processors"
/usr/bin/python3 - "$tmp/results" <<'END' || fail "the table"
import statistics, sys

times = {}
rounds = set()
for line in open(sys.argv[1]):
    kind, rtt, round_, who, us = line.split()
    times.setdefault((kind, rtt), {}).setdefault(who, {}).setdefault(round_, []).append(float(us))
disturbed = sum(len(v) for by in times.values() for v in by.pop("disturbed", {}).values())
titles = {"linux-linux": "Linux → Linux", "tern-linux": "Tern → Linux", "linux-tern": "Linux → Tern"}


def cell(values):
    q = statistics.quantiles(values, n=10)
    return "%.0f (%.0f … %.0f)" % (statistics.median(values), q[0], q[-1])


print()
print("| client → server | added round trip | ordinary: median (10 % … 90 %) | deferred: median (10 % … 90 %) "
      "| deferred / ordinary: median of the rounds (range) |")
print("|---|---|---|---|---|")
for (kind, rtt), by in sorted(times.items(), key=lambda i: (list(titles).index(i[0][0]), float(i[0][1]))):
    ratios = [statistics.median(by["deferred"][r]) / statistics.median(by["ordinary"][r])
              for r in by["ordinary"]]
    print("| %s | %s ms | %s | %s | %.2f (%.2f … %.2f) |" % (
        titles[kind], rtt, cell(sum(by["ordinary"].values(), [])), cell(sum(by["deferred"].values(), [])),
        statistics.median(ratios), min(ratios), max(ratios)))
print("\n%d requests were disturbed and not counted." % disturbed)
END
tern_idle
tern_down
