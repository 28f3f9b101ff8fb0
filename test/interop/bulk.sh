#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Bulk data, every byte checked: 1 GiB down, 1 GiB up, 256 MiB through echo, over both IP versions.
. "$(dirname "$0")/interop.sh"
MIB=$((1024 * 1024))
tern_up

before=$(counter tcp bytes_in) || fail "no counter of the bytes that came in"
expect client download "$HOST4" 80 $((1024 * MIB))
expect client upload "$HOST4" 9 $((1024 * MIB))
after=$(counter tcp bytes_in)
[ $((after - before)) -ge $((1024 * MIB)) ] || fail "Tern counted only $((after - before)) bytes in"
expect client echo "$HOST4" 7 $((256 * MIB))
expect client download "$HOST6" 80 $((64 * MIB))
expect client upload "$HOST6" 9 $((64 * MIB))
expect client echo "$HOST6" 7 $((64 * MIB))
expect client chargen "$HOST4" 19 $((16 * MIB))

# The same through a real program.
sum=$("$CLIENT" pattern $((256 * MIB)) | sha256sum)
got=$(in_ns curl -gs --max-time 60 "http://$HOST4/bytes/$((256 * MIB))" | sha256sum)
[ "$sum" = "$got" ] || fail "sha256 of /bytes is $got, not $sum"

# 4 GiB - 1 are announced without being stored.
in_ns curl -gsI --max-time 10 "http://$HOST4/bytes/4294967295" | grep -qi 'content-length: 4294967295' ||
	fail "/bytes/4294967295 is not announced"
tern_idle
tern_down
