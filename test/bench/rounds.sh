# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Rounds, figures and the table of a benchmark; to be sourced behind what has $TEST, $BUILD, $tmp, say and fail:
# interop.sh, or alone_begin() here for those that need neither ternd nor a network.
#
#     round() { record WHAT WHO VALUE; … }
#     rounds round
#     table <<ROWS          what a row is, table.py says; the file is build/bench/NAME.json
#
# BENCH_ROUNDS says how many rounds there are, in all of them.

ROUNDS=${BENCH_ROUNDS:-${USUAL_ROUNDS:-5}}
STEAL_MAX=5 # percent; a round in which the host took more says nothing and is made again
all_stolen=0 # of the rounds that count
all_time=0
repeated=0

# alone_begin: what interop.sh sets up for others.
alone_begin()
{
	. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
	BUILD=${MESON_BUILD_ROOT:-$TERN_TOP/build}
	TEST=$(basename "$0" .sh)
	tmp=$(mktemp -d)
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	# fail WHY: ends the benchmark.
	fail()
	{
		say "FAILED: $*"
		exit 1
	}
}

# steal: processor time that the machine's host took, and all of it.
steal()
{
	awk '$1 == "cpu" { all = 0; for (i = 2; i <= 9; i++) all += $i; print $9, all }' /proc/stat
}

# record WHAT WHO VALUE
record()
{
	echo "$1 $2 $3" >>"$tmp/round"
}

# way: records what a cache line takes there and back between two processors, and how fast frames are copied over: as
# near as a hypervisor has them just now, and no lane can be faster.
way()
{
	local line copied
	read -r line copied < <("$BUILD/test/bench/lines" 1514 100 |
		awk '$1 == "line" { printf "%s ", $2 / 1e3 } $1 == "frames" { print $(NF - 1) }')
	[ -n "$copied" ] || fail "lines measures nothing"
	record line machine "$line"
	record copied machine "$copied"
}

# measure WHAT WHO COMMAND…: records the numbers that it prints on a line; of several the second is WHAT.2, ...
measure()
{
	local what=$1 who=$2 values i
	values=$("${@:3}") || fail "$what, $who"
	# shellcheck disable=SC2206
	values=($values)
	[ ${#values[@]} -gt 0 ] || fail "$what, $who: no figure"
	record "$what" "$who" "${values[0]}"
	for ((i = 1; i < ${#values[@]}; i++)); do record "$what.$((i + 1))" "$who" "${values[i]}"; done
}

# recorded WHAT WHO: the value of this round.
recorded()
{
	awk -v what="$1" -v who="$2" '$1 == what && $2 == who { v = $3 } END { print v }' "$tmp/round"
}

# in_turn ROUND WHO…: who comes when; in every second round the last is first.
in_turn()
{
	local round=$1
	shift
	if [ $((round % 2)) -eq 1 ]; then
		echo "$@"
	else
		printf '%s\n' "$@" | tac | tr '\n' ' '
	fi
}

# rounds FUNCTION: calls it with 1, 2, ... for each round that counts. One that sets `disturbed`, to a reason, does
# not; nor does one that the host disturbed. Called again, it adds to what the table is made of.
rounds()
{
	local round=1 stolen time stolen_after time_after disturbed
	while [ "$round" -le "$ROUNDS" ]; do
		: >"$tmp/round"
		disturbed=
		read -r stolen time < <(steal)
		"$1" "$round"
		read -r stolen_after time_after < <(steal)
		stolen=$((stolen_after - stolen))
		time=$((time_after - time))
		if [ $((100 * stolen)) -gt $((STEAL_MAX * time)) ] && [ $repeated -lt $((2 * ROUNDS)) ]; then
			disturbed="the host took $((100 * stolen / time)) % of the time"
		fi
		if [ -n "$disturbed" ]; then
			repeated=$((repeated + 1))
			[ $repeated -le $((4 * ROUNDS)) ] || fail "this machine is too busy to compare: $disturbed"
			say "round $round again: $disturbed"
			continue
		fi
		all_stolen=$((all_stolen + stolen))
		all_time=$((all_time + time))
		cat "$tmp/round" >>"$tmp/results"
		say "round $round of $ROUNDS done"
		round=$((round + 1))
	done
}

# table <<ROWS: prints the table and leaves its file.
table()
{
	cat >"$tmp/rows"
	/usr/bin/python3 "$(dirname "${BASH_SOURCE[0]}")/table.py" make "$TEST" "$tmp/results" "$tmp/rows" "$BUILD/bench" \
		"$(awk -v s=$all_stolen -v t=$all_time 'BEGIN { print t ? 100 * s / t : 0 }')" $repeated ||
		fail "no table"
}
