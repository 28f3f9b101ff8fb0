#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Each header compiles alone, twice in a row, without a warning. What is generated is in the build.
set -u
. "$(dirname "$0")/../lib.sh"
build=${MESON_BUILD_ROOT:-$TERN_TOP/build}
cd "$TERN_TOP" || exit 1
[ -f "$build/lib/image_fields.def" ] || die "no $build/lib/image_fields.def: build first"
failed=0
flags=-isystem\ dpdk\ $(pkg-config --cflags libdpdk libsodium jansson cunit 2>/dev/null | sed 's/-I/-isystem /g')

for header in $(tree_files '*.h'); do
	# shellcheck disable=SC2086
	printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
		cc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Werror \
			-Wno-unused-function -fsyntax-only $flags -I. -I"$build/lib" -x c - || {
		say "$header does not compile alone"
		failed=1
	}
done
exit $failed
