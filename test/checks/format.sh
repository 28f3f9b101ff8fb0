#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every C file is as clang-format leaves it; no script has trailing white space.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$TERN_TOP" || exit 1
failed=0

if grep -nHE '[[:space:]]+$' $(tree_files '*.sh' 'meson.build' '*.py' '*.conf' '*.md' run) /dev/null; then
	say "trailing white space"
	failed=1
fi
command -v clang-format >/dev/null || {
	[ $failed -eq 0 ] || exit 1
	skip "clang-format is not installed"
}
tree_files '*.c' '*.h' | xargs -r clang-format --dry-run --Werror || failed=1
exit $failed
