#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# DPDK's telemetry: the socket answers, and /tern/ has its commands there.
. "$(dirname "$0")/interop.sh"
tern_up
socket=/var/run/dpdk/$NAME/dpdk_telemetry.v2
[ -S "$socket" ] || fail "no $socket"
expect /usr/bin/python3 - "$socket" <<'END'
import json, socket, sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.settimeout(5)
s.connect(sys.argv[1])
hello = json.loads(s.recv(4096))
size = hello["max_output_len"]

def ask(command):
    s.send(command.encode())
    answer = json.loads(s.recv(size))
    assert list(answer) == [command.split(",")[0]], answer
    return answer[command.split(",")[0]]

commands = ask("/")
ours = [c for c in commands if c.startswith("/tern/")]
print(ours)
assert ours, commands
for command in ours:
    answer = ask(command)
    print(command, str(answer)[:200])
# Nonsense does no harm.
for command in ("/tern/", "/tern/nothing", ours[0] + ",99999", ours[0] + "," + "x" * 500):
    s.send(command.encode())
    s.recv(size)
assert ask("/ethdev/list") == [0]
assert ask("/ethdev/stats,0")["ipackets"] > 0
END
expect in_ns curl -gsf --max-time 10 -o /dev/null "http://$HOST4/"
tern_idle
tern_down
