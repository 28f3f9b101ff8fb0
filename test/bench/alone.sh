#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What needs neither ternd nor a network, one program after the other, each with what its own head says:
#
#     processors           what a second processor gives at most, on this machine
#     lines                what the way between two processors' caches takes
#     engine … --threads   two pairs of engines on two processors, and one on one
#     memory               what an idle connection of a service takes, of a million
#     engine_checkpoint    connections leave the engine and return
#     image                connections become images, and images connections
#
#     BENCH_ROUNDS=5 BENCH_IDLE=1000000 test/bench/alone.sh
. "$(dirname "$0")/rounds.sh"
alone_begin

IDLE=${BENCH_IDLE:-1000000}
AT=$BUILD/test/bench

# said COMMAND…: its output is in $tmp/said.
said()
{
	timeout 300 "$@" >"$tmp/said" 2>&1 || fail "$*: $(cat "$tmp/said")"
}

# found WHAT WHO SED-EXPRESSION: records the number that it makes of $tmp/said.
found()
{
	local value
	value=$(sed -n "$3" "$tmp/said")
	[ -n "$value" ] || fail "no $1: $(cat "$tmp/said")"
	record "$1" "$2" "$value"
}

# first_number WORD: an expression for the number that follows it.
first_number()
{
	echo "s/.*$1 *\\([0-9.]*\\).*/\\1/p"
}

round()
{
	local bytes
	if [ "$(nproc)" -gt 1 ]; then
		said "$AT/processors" 2 3
		found arithmetic processors 's/^arithmetic.* do \([0-9.]*\) times.*/\1/p'
		found cache processors 's/^cache.* do \([0-9.]*\) times.*/\1/p'
		way
		said "$AT/engine" rr --threads 2 --rounds 3
		found pairs one "$(first_number 'one pair:')"
		found pairs two "$(first_number '2 pairs:')"
	fi
	for bytes in 0 65536; do
		said "$AT/engine_checkpoint" $((bytes == 0 ? 10000 : 1000)) $bytes 5
		found leave$bytes engine "$(first_number ' out')"
		found return$bytes engine "$(first_number ' in')"
	done
	said "$AT/image"
	found image image "$(first_number 'image made')"
	found read image "$(first_number 'read')"
	# The same each time, but for what waking one costs.
	(cd "$TERN_TOP" && said "$AT/memory" "$IDLE" echo 12 16384) || exit
	found idle connection 's/.*all, as the kernel counts it.* \([0-9.]*\) |$/\1/p'
	found wake connection 's/.*at random, and its answer: \([0-9.]*\) us.*/\1/p'
}

rounds round
{
	[ "$(nproc)" -eq 1 ] || cat <<ROWS
arithmetic  | two processors beside one, work in registers          | times  | processors | |
cache       | the same, loads from a core's own cache               | times  | processors | |
line        | a cache line there and back between two processors    | us     | machine    | |
copied      | full frames copied from one into the other's cache    | Gbit/s | machine    | |
pairs       | a client's and a server's engine on each of two processors, beside one on one | 1/s | two | one | >= 1.9
ROWS
	cat <<ROWS
idle        | memory of an idle connection, all included, of $IDLE  | bytes  | connection | | <= 400
wake        | a segment that asks one of them, and its answer       | us     | connection | |
leave0      | 10,000 idle connections leave the engine, each        | us     | engine     | |
return0     | and return                                            | us     | engine     | |
leave65536  | 1,000 connections with 64 KiB leave the engine, each  | us     | engine     | |
return65536 | and return                                            | us     | engine     | |
image       | an idle connection's image made                       | us     | image      | |
read        | and read                                              | us     | image      | |
ROWS
} | table
