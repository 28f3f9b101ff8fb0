#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the engine alone takes for a request, in instructions, counted by callgrind: a row of the table in
# instructions.md, and rows of all benchmarks' table. The same build gives the same numbers, whatever else the machine does,
# so there is one round.
#
#     test/bench/engine.sh ["WHAT HAS CHANGED"]     MESON_BUILD_ROOT: the build folder, else build/
#
# engine.sh profile WORKLOAD [OPTIONS of engine] tells where they go, function by function.
# engine.sh misses WORKLOAD [OPTIONS] tells which lines miss the first-level cache (32 KiB) and the second
# (1 MiB, in the last level's place).
# engine.sh threads N [WORKLOAD [OPTIONS]] measures requests a second of one pair of engines and of N.
set -u -o pipefail
BUILD=${MESON_BUILD_ROOT:-$(dirname "$0")/../../build}
ENGINE=$BUILD/test/bench/engine

die()
{
	echo "engine.sh: $*" >&2
	exit 1
}

# counted WORKLOAD OPTIONS: instructions for one request
counted()
{
	local log instructions requests
	log=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=measured_turn "$ENGINE" "$@" 2>&1) ||
		die "$*: $log"
	instructions=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' <<<"$log")
	requests=$(sed -n 's/^\([0-9]*\) requests$/\1/p' <<<"$log")
	[ -n "$instructions" ] && [ -n "$requests" ] || die "$*: $log"
	echo $(((instructions + requests / 2) / requests))
}

annotated()
{
	local out
	out=$(mktemp) || exit
	valgrind --tool=callgrind --callgrind-out-file="$out" --toggle-collect=measured_turn "${@:2}" >&2 &&
		callgrind_annotate --auto=no --show-percs=no $1 "$out" | cut -c 1-140
	rm -f "$out"
}

command -v valgrind >/dev/null || { echo "engine.sh: no valgrind" >&2; exit 77; }
[ -x "$ENGINE" ] || die "no $ENGINE: ninja -C $BUILD test/bench/engine"
case ${1-} in
profile)
	annotated --inclusive=no "$ENGINE" "${@:2}"
	exit ;;
misses)
	annotated "--sort=DLmr,D1mr --show=Ir,Dr,D1mr,DLmr,Dw,D1mw,DLmw" --cache-sim=yes --D1=32768,8,64 \
		--LL=1048576,16,64 "$ENGINE" "${@:2}"
	exit ;;
threads)
	exec "$ENGINE" "${3-rr}" --threads "${2:?how many}" "${@:4}" ;;
esac

. "$(dirname "$0")/rounds.sh"
alone_begin
few=(--warm-up 2000 --requests 4000)
row="| ${1-now} |"
while IFS='|' read -r title goal workload; do
	# shellcheck disable=SC2086
	value=$(counted $workload "${few[@]}") || exit
	row+=" $value |"
	what=${workload// /_}
	echo "$what engine $value" >>"$tmp/results"
	echo "$what | $title, the engine alone | instructions | engine | | $goal" >>"$tmp/titles"
done <<'ROWS'
a request of 64 bytes and its answer|<= 600|rr --size 64
the same with checksums in software||rr --size 64 --checksums 1
the same, one connection||rr --size 64 --connections 1
the same, eight at a time||rr --size 64 --pipeline 8
the same of 1 kB||rr --size 1024
a connection and a request||crr --ports 1024
a full segment that is read||up
a full segment that is sent||down
ROWS
echo "$row"
table <"$tmp/titles"
