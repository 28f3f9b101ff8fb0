#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What the engine calls: every undefined symbol of tcp/'s static library must be in
# tcp_symbols.txt, so that no clock, I/O, thread or log creeps in. Also: it has no mutable globals.
set -u
. "$(dirname "$0")/../lib.sh"
build=${MESON_BUILD_ROOT:-$TERN_TOP/build}
list=$TERN_TOP/test/checks/tcp_symbols.txt
archive=$build/tcp/libterntcp.a
failed=0

command -v nm >/dev/null || skip "nm (binutils) is not installed"
[ -f "$archive" ] || die "no $archive: build first"

allowed=$(mktemp)
trap 'rm -f "$allowed"' EXIT
sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$list" | sort -u >"$allowed"
defined=$(nm --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u)
[ -n "$defined" ] || die "nm finds nothing in $archive"

for symbol in $(nm --undefined-only "$archive" 2>/dev/null | awk 'NF == 2 { print $2 }' | sort -u |
	comm -23 - <(printf '%s\n' "$defined") | comm -23 - "$allowed"); do
	say "tcp/ calls $symbol, which test/checks/tcp_symbols.txt does not allow"
	failed=1
done

# .data.rel.ro is read-only once the program is loaded.
while read -r symbol section; do
	say "tcp/ has a mutable global: $symbol in $section"
	failed=1
done < <(nm -f sysv --defined-only "$archive" 2>/dev/null | tr -d ' ' |
	awk -F '|' '$4 == "OBJECT" && $7 ~ /^\.(data|bss|tdata|tbss)/ && $7 !~ /^\.data\.rel\.ro/ { print $1, $7 }')
exit $failed
