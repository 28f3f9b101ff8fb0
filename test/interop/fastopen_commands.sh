#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tern fastopen and tern fastopen-key: who may, what they say, and what is wrong with arguments.
. "$(dirname "$0")/interop.sh"
ONE=000102030405060708090a0b0c0d0e0f
ONE_LINUX=03020100-07060504-0b0a0908-0f0e0d0c
TWO_LINUX=11111111-22222222-33333333-44444444

# refused STATUS TEXT COMMAND…: it ends with the status, and says so.
refused()
{
	local status=0 wanted=$1 text=$2
	shift 2
	"$@" >"$tmp/said" 2>&1 || status=$?
	[ $status -eq "$wanted" ] || fail "$*: status $status: $(cat "$tmp/said")"
	grep -qF -- "$text" "$tmp/said" || fail "$* says: $(cat "$tmp/said")"
}

conf
sed -i "s/^\[tcp\]/[tcp]\nfastopen_key = $ONE\nfastopen_blackhole_timeout = 5/" "$tmp/ternd.conf"
tern_up
[ "$("$TERN" fastopen-key)" = "primary  $ONE_LINUX" ] || fail "the key: $("$TERN" fastopen-key)"
[ "$("$TERN" fastopen-key "$TWO_LINUX" "$ONE")" = "primary  $TWO_LINUX
backup   $ONE_LINUX" ] || fail "after setting: $("$TERN" fastopen-key)"
"$TERN" fastopen-key --new >"$tmp/new" || fail "--new"
[ "$(sed -n 2p "$tmp/new")" = "backup   $TWO_LINUX" ] || fail "--new: $(cat "$tmp/new")"
[ "$("$TERN" fastopen-key)" = "$(cat "$tmp/new")" ] || fail "the key changes by itself"
[ "$("$TERN" fastopen-key --json "$ONE" | tr -d ' \n')" = "{\"keys\":[\"$ONE_LINUX\"]}" ] ||
	fail "JSON: $("$TERN" fastopen-key --json)"
refused 1 "not a key" "$TERN" fastopen-key 00
refused 2 "more than a key and a backup" "$TERN" fastopen-key "$ONE" "$ONE" "$ONE"
refused 2 "either --new or KEY" "$TERN" fastopen-key --new "$ONE"

"$TERN" fastopen | grep -q '^address .* SYNs lost$' || fail "tern fastopen: $("$TERN" fastopen)"
[ "$("$TERN" fastopen | wc -l)" -eq 1 ] || fail "cookies from nowhere: $("$TERN" fastopen)"
[ "$("$TERN" fastopen --json | tr -d ' \n')" = '{"fastopen":[],"guard":{"times":0}}' ] ||
	fail "JSON: $("$TERN" fastopen --json)"
[ "$("$TERN" fastopen flush)" = "0 forgotten" ] || fail "flush"
refused 1 "not an address" "$TERN" fastopen flush 198.18.0
refused 1 "there is no such lane" "$TERN" fastopen --lane 1
refused 2 "is not a lane's number" "$TERN" fastopen --lane x
refused 2 'There is "flush [ADDRESS]"' "$TERN" fastopen list

# Whoever may connect may look, but not change, and not see a key.
chmod 666 "$TERN_SOCKET"
as_nobody()
{
	setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}
expect as_nobody "$TERN" fastopen >/dev/null
refused 1 "only root may do this" as_nobody "$TERN" fastopen flush
refused 1 "only root may do this" as_nobody "$TERN" fastopen-key
refused 1 "only root may do this" as_nobody "$TERN" fastopen-key "$TWO_LINUX"
[ "$("$TERN" fastopen-key)" = "primary  $ONE_LINUX" ] || fail "nobody changed the key"
say "keys, cookies, and who may change them"
