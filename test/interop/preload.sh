#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern run: programs that know nothing of Tern, as servers for Linux and as clients of it; which
# addresses go where; the kernel's descriptors and Tern's in one set.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/unmodified.sh"

conf
tern_up

# What cannot run.
status=0
"$TERN" run 2>/dev/null || status=$?
[ $status -eq 2 ] || fail "tern run without a program: status $status"
status=0
on_tern /nonexistent 2>"$tmp/said" || status=$?
[ $status -eq 127 ] && grep -q nonexistent "$tmp/said" || fail "no such program: status $status"
status=0
on_tern /etc/passwd 2>/dev/null || status=$?
[ $status -eq 126 ] || fail "not executable: status $status"
status=0
"$TERN" run -s "$tmp/none.sock" true 2>"$tmp/said" || status=$?
[ $status -eq 1 ] && grep -q none.sock "$tmp/said" || fail "no ternd: status $status"
on_tern sh -c 'exit 42'
[ $? -eq 42 ] || fail "the program's status is not tern run's"

# What the library cannot stand before: it is told, and runs all the same.
printf 'int main(void) { return 42; }\n' >"$tmp/static.c"
cc -static "$tmp/static.c" -o "$tmp/static" && cc "$tmp/static.c" -o "$tmp/dynamic" || fail "no compiler"
on_tern "$tmp/static" 2>"$tmp/said"
[ $? -eq 42 ] && grep -q "statically linked" "$tmp/said" || fail "a static program is not told of"
cp "$tmp/dynamic" "$tmp/setuid" && chown nobody "$tmp/setuid" && chmod u+s "$tmp/setuid"
on_tern "$tmp/setuid" 2>"$tmp/said"
[ $? -eq 42 ] && grep -q "gains privileges" "$tmp/said" || fail "a set-user-ID program is not told of"
objcopy --add-section .go.buildinfo="$tmp/static.c" "$tmp/dynamic" "$tmp/go" || fail "no objcopy"
on_tern "$tmp/go" 2>"$tmp/said"
[ $? -eq 42 ] && grep -q "written in Go" "$tmp/said" || fail "a program in Go is not told of"
on_tern "$tmp/dynamic" 2>"$tmp/said"
[ $? -eq 42 ] && [ ! -s "$tmp/said" ] || fail "something is told of an ordinary program"

# A client of a server on Linux.
mkdir "$tmp/files"
head -c 3000000 /dev/urandom >"$tmp/files/three"
in_ns python3 -m http.server -d "$tmp/files" 8000 >"$tmp/http.log" 2>&1 &
wait_for 10 in_ns curl -sf -o /dev/null http://198.18.0.1:8000/ || fail "no server on Linux"
on_tern curl -sf -o "$tmp/got" http://198.18.0.1:8000/three || fail "curl: status $?"
cmp "$tmp/files/three" "$tmp/got" || fail "curl got something else"

# A server for Linux: what comes by Tern and what comes over the host's loopback.
serve 8001 python3 -m http.server -d "$tmp/files" 8001
in_ns curl -sf -o "$tmp/got" "http://$HOST4:8001/three" || fail "curl by Tern: status $?"
cmp "$tmp/files/three" "$tmp/got" || fail "what came by Tern"
in_host curl -sf -o "$tmp/got" http://127.0.0.1:8001/three || fail "curl by the kernel: status $?"
cmp "$tmp/files/three" "$tmp/got" || fail "what came by the kernel"
serve_end

# The kernel's descriptors and Tern's side by side.
on_tern timeout 60 "$BUILD/test/interop/mixed" "$HOST4" "$HOST6" || fail "mixed: status $?"
wait_for 10 no_programs || fail "programs are still attached"
tern_idle
tern_down
