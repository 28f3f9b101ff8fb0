#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every source file names its licence within its first three lines.
set -u
. "$(dirname "$0")/../lib.sh"
cd "$TERN_TOP" || exit 1
failed=0

for file in $(tree_files '*.c' '*.h' '*.def' '*.S' '*.sh' '*.py' '*.lua' 'meson.build' meson_options.txt \
	run format '*.conf' '*.pkt' '*.service'); do
	head -n 3 "$file" | grep -qF 'SPDX-License-Identifier: BSD-3-Clause' || {
		say "$file: no SPDX-License-Identifier: BSD-3-Clause in its first three lines"
		failed=1
	}
done
exit $failed
