#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may include whom: tcp/ only itself, the C library, libsodium and DPDK's data structures; lib/
# only itself and no DPDK; dataplane/ of tcp/ and lib/ only their public faces; nobody test/.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$TERN_TOP" || exit 1

TCP_DPDK='rte_(branch_prediction|byteorder|common|errno|ether|hash|hash_crc|ip|jhash|mbuf|mbuf_core|mbuf_ptype|memcpy|mempool|prefetch)\.h'
# C11 and POSIX without what does I/O, knows the time or starts threads. <stdio.h> is here for
# snprintf(), <time.h> and <sys/time.h> for their structs: symbols.sh refuses the rest of them. And what a
# processor has of its own.
TCP_LIBC='(arpa/inet|assert|ctype|endian|errno|immintrin|inttypes|limits|linux/tcp|netinet/in|netinet/tcp|poll|stdalign|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|sys/queue|sys/socket|sys/types|sys/ioctl|sys/time|sys/uio|time|linux/errqueue)\.h'
TCP_PUBLIC='tcp/(checksum|tcp|info|fastopen|ip_addr|wire|seq|tcp_tune)\.h'
LIB_PUBLIC='lib/(shm\.h|image\.h|image_rows\.def)'
failed=0

# Prints FILE:LINE:INCLUDED for each include of the given files, <> and "" kept apart by the bracket.
includes()
{
	grep -nHE '^[[:space:]]*#[[:space:]]*include' "$@" /dev/null |
		sed -E 's/^([^:]*:[0-9]+):[[:space:]]*#[[:space:]]*include[[:space:]]*(.*)$/\1:\2/; s/[[:space:]]*\/\*.*//'
}

# refuse WHY: each line of standard input is an offence.
refuse()
{
	local line
	while IFS= read -r line; do
		say "$line: $1"
		failed=1
	done
}

mapfile -t tcp_files < <(tree_files '*.c' '*.h' '*.def' | grep '^tcp/')
mapfile -t lib_files < <(tree_files '*.c' '*.h' '*.def' | grep '^lib/')
mapfile -t dataplane_files < <(tree_files '*.c' '*.h' '*.def' | grep '^dataplane/')
[ ${#tcp_files[@]} -gt 0 ] || die "found no source files"

refuse "tcp/ may include of DPDK only its data structures, and no I/O, clock or threads" < <(
	includes "${tcp_files[@]}" | grep '<' |
		grep -vE ":<($TCP_DPDK|$TCP_LIBC|sodium(/[a-z0-9_]+)?\.h)>$")
refuse "tcp/ includes only files of tcp/" < <(
	includes "${tcp_files[@]}" | grep '"' | grep -vE ':"[A-Za-z0-9_]+\.(h|def)"$')
for file in $(includes "${tcp_files[@]}" | sed -n 's/.*:"\(.*\)"$/\1/p' | sort -u); do
	[ -e "tcp/$file" ] || refuse "no such file in tcp/" <<<"$file"
done
if [ ${#lib_files[@]} -gt 0 ]; then
	refuse "lib/ has no DPDK" < <(
		includes "${lib_files[@]}" | grep -E ':[<"](rte_|dpdk|tcp/|dataplane/)')
	refuse "lib/ includes only files of lib/" < <(
		includes "${lib_files[@]}" | grep '"' | grep -vE ':"(lib/)?[A-Za-z0-9_]+\.(h|def)"$')
fi
if [ ${#dataplane_files[@]} -gt 0 ]; then
	refuse "dataplane/ may include of tcp/ and lib/ only their public headers" < <(
		includes "${dataplane_files[@]}" | grep -E ':"(tcp|lib)/' |
			grep -vE ":\"($TCP_PUBLIC|tcp/[a-z_]+\.def|$LIB_PUBLIC)\"$")
fi
# What is built in must do with what plugins have.
BUILT_IN='dataplane/(http|http_files|echo|discard|chargen)\.c'
refuse "built-in services are written against tern_service.h" < <(
	includes "${dataplane_files[@]}" | grep -E "^$BUILT_IN:" | grep -E ':[<"]' |
		grep -E ':(<rte_|"(tcp|lib)/|"dataplane/)' |
		grep -vE ':"dataplane/(tern_service|service_plugin|http_[a-z]+)\.h"$')
refuse "tern_service.h includes only the C library" < <(
	includes dataplane/tern_service.h | grep -vE ':<(std[a-z]+|sys/(socket|types|uio))\.h>$')
refuse "nothing includes test/" < <(
	includes "${tcp_files[@]}" "${lib_files[@]}" "${dataplane_files[@]}" | grep -E ':[<"].*test/')
exit $failed
