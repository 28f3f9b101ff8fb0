#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Waits that signals interrupt, that handlers jump out of, and whose threads are cancelled: one program,
# on the kernel and on Tern.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"
WAITS=$BUILD/test/interop/waits
PORT=5000

conf
tern_up
in_ns "$BUILD/test/interop/inherit" echo 198.18.0.1 $PORT >"$tmp/echo" &
echo_server=$!
wait_for 20 grep -q listening "$tmp/echo" || fail "no echo on Linux"

expect in_ns timeout 60 "$WAITS" 198.18.0.1 $PORT 5001
expect on_tern timeout 60 "$WAITS" 198.18.0.1 $PORT 5001

# What was left is given back.
wait_for 10 no_programs || fail "programs are still attached"
kill "$echo_server"
tern_idle
tern_down
