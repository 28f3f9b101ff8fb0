#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the rings between a program and its lane cost, without network and without sleep: the lane polls on the last
# processor, the program on another.
#
#     call    getsockopt(TCP_MAXSEG), which the lane answers: request, engine, answer
#     way     64 bytes to another socket of the same program: request, engine, loop, engine, arena
#
# The lane has a memif without a peer, of which an empty poll costs nothing; a net_tap's is a system call.
#
#     BENCH_ROUNDS=5 BENCH_CALLS=200000 sudo -E ./test/run bench
. "$(dirname "$0")/bench.sh"

CALLS=${BENCH_CALLS:-200000}
PROGRAMS=$BUILD/test/bench/programs

[ $last -ge 1 ] || skip "needs two processors"

round()
{
	"${on_client[@]}" timeout 60 "$PROGRAMS" gateway "$HOST4" 5100 "$CALLS" >"$tmp/gateway" 2>&1 ||
		fail "the program: $(cat "$tmp/gateway")"
	read -r call call99 way way99 < <(tail -n 1 "$tmp/gateway")
	record call tern "$call"
	record call99 tern "$call99"
	record way tern "$way"
	record way99 tern "$way99"
	way
}

conf idle=poll
sed -i "s|^eal .*|eal = --no-pci --vdev=net_memif0,role=server,socket=$tmp/memif,socket-abstract=no|" "$tmp/ternd.conf"
netns_add "$NS" || fail "cannot make the namespace $NS"
ternd_start "$NS" "$log" "$TERND" -c "$tmp/ternd.conf"
wait_for 30 tern_ready_or_dead
ternd_alive || fail "ternd ended at its start"
rounds round
table <<ROWS
call   | a program's call and the lane's answer, median | us | tern | | <= 0.5
call99 | the same, 99th percentile                      | us | tern | |
way    | 64 bytes to another socket by the lane, median | us | tern | |
way99  | the same, 99th percentile                      | us | tern | |
line   | a cache line there and back between two processors: no call takes less | us | machine | |
ROWS
tern_down
