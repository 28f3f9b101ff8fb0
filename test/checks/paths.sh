#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The tree knows no machine: no home folders, no absolute path to itself, no unfinished business.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$TERN_TOP" || exit 1
failed=0

mapfile -t files < <(tree_files '*' | grep -v '^test/checks/paths\.sh$')
if grep -nHIE '(^|[^A-Za-z0-9_.])/(home|root|work|Users)/[A-Za-z0-9_.-]' "${files[@]}"; then
	say "a path of one machine"
	failed=1
fi
if grep -nHIF "$TERN_TOP/" "${files[@]}"; then
	say "an absolute path to this tree"
	failed=1
fi
if grep -nHIwE 'TODO|FIXME|XXX|HACK' "${files[@]}"; then
	say "unfinished business"
	failed=1
fi
exit $failed
