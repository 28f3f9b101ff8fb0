#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# FEATURES.md claims nothing that no test shows: each `test/FILE` and `test/FILE:case` that it names
# exists, the case being a word of that file, and each line that says "done" names one.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$TERN_TOP" || exit 1
failed=0
named=0

while IFS= read -r reference; do
	file=${reference%%:*}
	named=$((named + 1))
	if [ ! -e "$file" ]; then
		say "FEATURES.md names $file, which does not exist"
		failed=1
	elif [ "$file" != "$reference" ] && ! grep -qwF -- "${reference#*:}" "$file"; then
		say "FEATURES.md names ${reference#*:} in $file, which is not there"
		failed=1
	fi
done < <(grep -oE '`test/[^`]+`' FEATURES.md | tr -d '`' | sort -u)
[ $named -gt 0 ] || die "FEATURES.md names no test"

if grep -nE '^\|.*\| *(done|partly)' FEATURES.md | grep -vE '`test/'; then
	say "the lines above claim something, but name no test"
	failed=1
fi
exit $failed
