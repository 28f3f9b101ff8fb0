#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Where the time of `tern bench local` goes, of the generating lane and of the serving one: samples of both threads
# (perf's cpu-clock, which virtual machines have, too), by whose code it is, and what the lanes' own counters say of it.
# The functions that take most follow. Beside it, before and after, what the machine's processors can do at best: lines.c.
#
#     test/bench/profile.sh rr -n 32 --size 1024          MESON_BUILD_ROOT: the build folder, else build/
#
# A turn without anything to do is spread over the loop, the services, timers and the driver's look into its ring: how
# much of the time that is, `works` tells.
set -u -o pipefail
. "$(dirname "$0")/../lib.sh"
BUILD=${MESON_BUILD_ROOT:-$TERN_TOP/build}
SECONDS_=${BENCH_SECONDS:-2}
tmp=$(mktemp -d) || exit
bench=
trap '[ -z "$bench" ] || kill "$bench" 2>/dev/null; rm -rf "$tmp"' EXIT

command -v perf >/dev/null || { echo "profile.sh: no perf" >&2; exit 77; }
[ $# -ge 1 ] || { echo "usage: profile.sh WORKLOAD [OPTIONS of tern bench local]" >&2; exit 2; }

# counters FILE: all of them, and when that was in FILE.time
counters()
{
	"$BUILD/lib/tern" stats --json -s "$socket" >"$1" && date +%s%N >"$1.time"
}

# lines: what lines.c says
lines()
{
	say "$("$BUILD/test/bench/lines" 1514 50 | tr '\n' ';')"
}

# ready: whether the ternd of the bench is up
ready()
{
	pid=$(pgrep -P "$bench" -x ternd) && "$BUILD/lib/tern" version -s "$socket" >/dev/null 2>&1
}

# counted: a row of each lane
counted()
{
	/usr/bin/python3 - "$tmp/before" "$tmp/after" <<'PYTHON'
import json, sys
a, b = (json.load(open(f))["lanes"] for f in sys.argv[1:3])
ns = [int(open(f + ".time").read()) for f in sys.argv[1:3]]
hz = next((float(l.split(":")[1]) * 1e6 for l in open("/proc/cpuinfo") if l.startswith("cpu MHz")), 0)
print("| lane | works | frames in a turn that works | out of it | cycles a frame | turns without work |\n|---|---|---|---|---|---|")
for i, name in enumerate(("generates", "serves")):
    d = {k: b[i]["loop"].get(k, 0) - a[i]["loop"].get(k, 0) for k in b[i]["loop"]}
    busy, frames = d["turns_busy"] or 1, d["frames_in"] + d["frames_out"] or 1
    print("| %s | %.0f %% | %.1f | %.1f | %.0f | %d k/s |" % (
        name, 100 * d["cycles_busy"] / (hz * (ns[1] - ns[0]) / 1e9), d["frames_in"] / busy, d["frames_out"] / busy,
        d["cycles_busy"] / frames, (d["turns"] - d["turns_busy"]) * 1e6 / (ns[1] - ns[0])))
PYTHON
}

# sampled LCORE: lines "part SHARE NAME" and "function SHARE NAME"
sampled()
{
	perf script -i "$tmp/perf" --comm "rte-worker-$1" -F ip,sym,dso 2>/dev/null |
		awk -v files="$tmp/files" '
		function part(sym, dso) {
			if (dso ~ /kernel/) return "kernel"
			if (dso ~ /librte_net/) return "driver"
			if (dso ~ /librte_/) return "DPDK besides"
			if (dso !~ /ternd/) return "libc: copies"
			f = of[sym]
			if (f ~ /\/(sum|cksum)\.c/) return "checksums"
			if (f ~ /\/tcp\/[a-z_0-9]*\.c/) return "engine"
			if (f ~ /\/(bench|service)[a-z_]*\.c/) return "service"
			if (f ~ /\/(lane|gateway)[a-z_]*\.c/) return "loop"
			return "IP layer"
		}
		BEGIN { while ((getline line < files) > 0) { split(line, w, " "); of[w[1]] = w[2] } }
		NF >= 3 {
			n++
			p = part($2, $NF)
			parts[p]++
			name = p == "driver" || p == "kernel" ? p : $2
			functions[name]++
		}
		END {
			for (p in parts) printf "part %.1f %s\n", 100 * parts[p] / n, p
			for (f in functions) printf "function %.1f %s\n", 100 * functions[f] / n, f
		}' | sort -k1,1 -k2,2nr
}

lines
"$BUILD/lib/tern" bench local "$@" --warmup 1 --seconds $((SECONDS_ + 3)) >"$tmp/said" 2>&1 &
bench=$!
socket=/run/tern/bench-$bench.sock
for ((i = 0; i < 100; i++)); do ready && break; sleep 0.05; done
sleep 0.8
counters "$tmp/before" || { cat "$tmp/said" >&2; exit 1; }
perf record -q -e cpu-clock -F 4000 -p "$pid" -o "$tmp/perf" -- sleep "$SECONDS_" >/dev/null 2>&1
counters "$tmp/after"
wait "$bench" || { cat "$tmp/said" >&2; exit 1; }
bench=
cat "$tmp/said"
lines

nm -l --defined-only "$BUILD/dataplane/ternd" | awk 'NF == 4 { print $3, $4 }' >"$tmp/files"
say ""
counted
for lane in 1 2; do
	sampled "$lane" >"$tmp/sampled.$lane"
done
for kind in part function; do
	say "" "| $kind, generates | | $kind, serves | |" "|---|---|---|---|"
	paste -d '|' <(grep "^$kind" "$tmp/sampled.1" | head -n 12) <(grep "^$kind" "$tmp/sampled.2" | head -n 12) |
		awk -F '|' '
		function cell(text, share) {
			if (text == "") return "| | "
			share = text
			sub(/^[a-z]+ /, "", share)
			sub(/ .*/, "", share)
			sub(/^[a-z]+ [0-9.]+ /, "", text)
			return "| " text " | " share " % "
		}
		{ print cell($1) cell($2) "|" }'
done
