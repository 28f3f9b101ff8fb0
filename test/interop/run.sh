#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ./run itself: --once, Ctrl-C, a second one, another configuration, ternd's death, not root. Its
# namespace has a fixed name, so this waits for other runs of itself, and leaves a user's alone.
. "$(dirname "$0")/interop.sh"
RUN=$TERN_TOP/run
mkdir -p /run/lock
exec 8>/run/lock/tern-test-run.lock
flock -w 120 8 || skip "another test holds the namespace tern"
[ ! -e /run/netns/tern ] || skip "the namespace tern is in use: a ./run is up"
pages=$(hugepages_others)
run_pid=

# Whatever happens, what was started here is ended.
run_cleanup()
{
	local status=$?
	if [ -n "$run_pid" ] && kill -TERM "$run_pid" 2>/dev/null; then
		wait_for 20 sh -c "! kill -0 $run_pid"
	fi
	(exit $status)
	interop_cleanup
}
trap run_cleanup EXIT

# Those of another ./run or test beside this one do not count; somebody else may have some for a while.
pages_are_back()
{
	[ "$(hugepages_others)" = "$pages" ]
}

nothing_left()
{
	[ ! -e /run/netns/tern ] || fail "$1: namespace tern is left behind"
	[ ! -e /run/tern/tap.sock ] || fail "$1: /run/tern/tap.sock is left behind"
	! ip link show tern0 2>/dev/null || fail "$1: tern0 is left behind"
	wait_for 20 pages_are_back || fail "$1: huge pages are left behind"
}

# start_run ARGUMENTS…: in the background, until it says that it is ready.
start_run()
{
	# Not what the one before said.
	rm -f "$tmp/run.log"
	setsid env --default-signal=INT,TERM "$RUN" "$@" </dev/null >"$tmp/run.log" 2>&1 8>&- &
	run_pid=$!
	wait_for 120 grep -q 'Ctrl-C ends it' "$tmp/run.log" || fail "./run $*: $(cat "$tmp/run.log")"
}

# ended STATUS WHAT: the run that was started ends by itself with that status.
ended()
{
	local status=0
	wait "$run_pid" || status=$?
	run_pid=
	[ $status -eq "$1" ] || fail "$2: status $status instead of $1: $(cat "$tmp/run.log")"
	nothing_left "$2"
}

timeout -k 20 180 "$RUN" --once </dev/null >"$tmp/once" 2>&1 8>&- || fail "./run --once: status $?: $(cat "$tmp/once")"
grep -q '^HTTP/1.1 200 ' "$tmp/once" || fail "--once shows no answer: $(cat "$tmp/once")"
nothing_left "--once"

start_run
for url in http://198.18.0.2/ 'http://[2001:db8:18::2]/'; do
	expect ip netns exec tern curl -gsf --max-time 10 -o "$tmp/page" "$url"
	[ -s "$tmp/page" ] || fail "$url is empty"
done
status=0
timeout 60 "$RUN" --once </dev/null >"$tmp/second" 2>&1 8>&- || status=$?
[ $status -eq 1 ] && grep -q 'namespace tern exists' "$tmp/second" ||
	fail "a second ./run: status $status: $(cat "$tmp/second")"
expect ip netns exec tern curl -gsf --max-time 10 -o /dev/null http://198.18.0.2/
kill -INT "$run_pid"
ended 130 "Ctrl-C"

start_run
kill -TERM "$run_pid"
ended 143 "SIGTERM"

start_run
expect grep -q '^ternd runs (pid ' "$tmp/run.log"
daemon=$(sed -n 's/^ternd runs (pid \([0-9]*\)).*/\1/p' "$tmp/run.log")
kill -KILL "$daemon"
ended 137 "ternd's death"
grep -q 'ternd ended with status 137' "$tmp/run.log" || fail "ternd's death is not told: $(cat "$tmp/run.log")"

# Another configuration, with other addresses.
conf
sed -i 's/198\.18\.0\.2/192.0.2.9/; s/2001:db8:18::2/2001:db8:99::9/' "$tmp/ternd.conf"
timeout -k 20 180 "$RUN" -c "$tmp/ternd.conf" --once </dev/null >"$tmp/once" 2>&1 8>&- || fail "-c: status $?: $(cat "$tmp/once")"
grep -q 'curl -i http://192.0.2.9/' "$tmp/once" || fail "-c: $(cat "$tmp/once")"
nothing_left "-c"

# Refusals: a bad configuration, a missing one, arguments nobody knows.
echo nonsense >"$tmp/bad.conf"
for arguments in "-c $tmp/bad.conf" "-c $tmp/nothing" "--frobnicate"; do
	# shellcheck disable=SC2086
	if timeout 60 "$RUN" $arguments --once </dev/null >"$tmp/out" 2>&1 8>&-; then
		fail "./run $arguments succeeds"
	fi
	[ -s "$tmp/out" ] || fail "./run $arguments says nothing"
	nothing_left "./run $arguments"
done
