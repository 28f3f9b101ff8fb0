# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Shell functions that ./run, ./test/run and the tests below test/ share: packages, the build, huge
# pages, network namespaces, starting and ending ternd. To be sourced by bash. Nothing here runs by
# itself, and nothing is ended by name: every process is known by its id.

TERN_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

BUILD_PACKAGES=(gcc libc6-dev meson ninja-build pkg-config libdpdk-dev libsodium-dev libjansson-dev
	libnuma-dev libcunit1-dev libnftables-dev protobuf-c-compiler libprotobuf-c-dev)
RUN_PACKAGES=(iproute2 curl)
TEST_PACKAGES=(clang libclang-rt-14-dev clang-format binutils nginx-light wrk tshark python3 iputils-ping ethtool
	dpdk-dev procps util-linux redis-server redis-tools iperf3 apache2-utils netcat-openbsd socat
	openssh-server openssh-client openssl nftables valgrind netbase)
# Of a test that is skipped where they cannot be had: test/interop/guest.sh.
GUEST_PACKAGES=(qemu-system-x86 busybox-static kmod cpio)

# Prints each argument on a line of its own.
say()
{
	printf '%s\n' "$@"
}

warn()
{
	printf '%s\n' "$*" >&2
}

die()
{
	warn "$0: $*"
	exit 1
}

# ---- Packages --------------------------------------------------------------------------------------

# Prints those of the given Debian packages that are not installed.
packages_missing()
{
	local package
	for package in "$@"; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			printf '%s ' "$package"
	done
}

# Installs what is missing of the given packages; says which; fails with one clear message.
packages_need()
{
	local missing said
	command -v dpkg-query >/dev/null || {
		warn "This is no Debian system: have these installed yourself: $*"
		return 0
	}
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	say "Installing Debian packages: $missing"
	# shellcheck disable=SC2086
	said=$(apt_install $missing 2>&1 || { apt-get update 2>&1 && apt_install $missing 2>&1; }) || {
		tail -n 15 <<<"$said" >&2
		die "cannot install $missing(see above; is the network there?)"
	}
}

apt_install()
{
	DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
		-o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# ---- Build -----------------------------------------------------------------------------------------

# build_dir DIR [MESON OPTIONS…]: configures DIR if that is new, and builds all, or what BUILD_TARGET says;
# as nice as BUILD_NICE says.
# Quiet unless it fails. Two at once in one folder wait for each other.
build_dir()
{
	local dir=$1 log=$1/.build.log
	shift
	mkdir -p "$dir"
	(
		flock 9
		cd "$TERN_TOP" || exit 1
		{
			if [ ! -f "$dir/build.ninja" ]; then
				meson setup "$dir" "$@"
			elif [ $# -gt 0 ]; then
				meson configure "$dir" "$@"
			fi && nice -n "${BUILD_NICE:-0}" ninja -C "$dir" ${BUILD_TARGET:-all}
		} >"$log" 2>&1 || {
			grep -vE '^\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating)' "$log" | tail -n 60 >&2
			exit 1
		}
	) 9>"$dir/.lock" || return 1
	# Built by sudo in a user's clone: the folder stays the user's.
	if [ -n "${SUDO_UID:-}" ] && [ "$SUDO_UID" != 0 ]; then
		chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$dir"
	fi
}

# ---- Huge pages ------------------------------------------------------------------------------------

HUGEPAGES_FILE=/sys/kernel/mm/hugepages/hugepages-2048kB
# How many of the machine's pages such scripts have added and not yet given back: several may run at once.
HUGEPAGES_LEDGER=/run/lock/tern-hugepages
hugepages_added=0
hugepages_mounted=

# Until hugepages_unlock, no other script changes their number.
hugepages_lock()
{
	mkdir -p "${HUGEPAGES_LEDGER%/*}" && exec 7<>"$HUGEPAGES_LEDGER" && flock 7
}

hugepages_unlock()
{
	exec 7>&-
}

# hugepages_set TOTAL: so many are wanted, as far as there is memory; who adds or gives back some, writes it down.
hugepages_set()
{
	local before ledger
	before=$(cat "$HUGEPAGES_FILE/nr_hugepages")
	echo "$1" >"$HUGEPAGES_FILE/nr_hugepages" 2>/dev/null
	ledger=$(cat "$HUGEPAGES_LEDGER")
	echo $((${ledger:-0} + $(cat "$HUGEPAGES_FILE/nr_hugepages") - before)) >"$HUGEPAGES_LEDGER"
}

# Prints how many there are but for those of such scripts; nothing where there are none to be had.
hugepages_others()
{
	[ -r "$HUGEPAGES_FILE/nr_hugepages" ] || return 0
	hugepages_lock
	echo $(($(cat "$HUGEPAGES_FILE/nr_hugepages") - $(cat "$HUGEPAGES_LEDGER") + 0))
	hugepages_unlock
}

# hugepages_reserve N: makes N pages of 2 MiB free if the machine has memory to spare, and a
# hugetlbfs for them. Succeeds only if they are there; remembers what hugepages_restore gives back.
hugepages_reserve()
{
	local want=$1 free total available
	[ -r "$HUGEPAGES_FILE/free_hugepages" ] || return 1
	available=$(awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo)
	hugepages_lock
	free=$(cat "$HUGEPAGES_FILE/free_hugepages")
	total=$(cat "$HUGEPAGES_FILE/nr_hugepages")
	# Never more than a quarter of the memory that is free.
	if [ "$free" -lt "$want" ] && [ "$available" -ge $((want * 2 * 4)) ]; then
		hugepages_set $((total + want - free))
		hugepages_added=$(($(cat "$HUGEPAGES_FILE/nr_hugepages") - total))
	fi
	free=$(cat "$HUGEPAGES_FILE/free_hugepages")
	hugepages_unlock
	if [ "$free" -lt "$want" ]; then
		hugepages_restore
		return 1
	fi
	if ! awk '$3 == "hugetlbfs" && $4 !~ /pagesize=1024M/ { found = 1 } END { exit !found }' \
		/proc/mounts; then
		if ! { mkdir -p /dev/hugepages && mount -t hugetlbfs -o pagesize=2M none /dev/hugepages; }; then
			hugepages_restore
			return 1
		fi
		hugepages_mounted=/dev/hugepages
	fi
}

# ternd_remains_remove NAME: what a ternd of that name leaves behind if it is killed.
ternd_remains_remove()
{
	local folder
	rm -rf "/run/tern/$1.sock" "/var/run/dpdk/$1"
	awk '$3 == "hugetlbfs" { print $2 }' /proc/mounts | while read -r folder; do
		rm -f "$folder/$1map_"*
	done
}

# Call it when those who used the pages have ended.
hugepages_restore()
{
	local total
	if [ -n "$hugepages_mounted" ]; then
		wait_for 3 umount "$hugepages_mounted" && rmdir "$hugepages_mounted" 2>/dev/null
		hugepages_mounted=
	fi
	# Others may have reserved more meanwhile: take back what was added, not the old number. Writing the
	# present number first makes the kernel's surplus pages ordinary ones, which can be given back.
	if [ "$hugepages_added" -ne 0 ]; then
		hugepages_lock
		total=$(cat "$HUGEPAGES_FILE/nr_hugepages")
		[ "$total" -ge "$hugepages_added" ] || total=$hugepages_added
		hugepages_set "$total"
		hugepages_set $((total - hugepages_added))
		hugepages_unlock
		hugepages_added=0
	fi
	return 0
}

# ---- Network ---------------------------------------------------------------------------------------

# Makes /dev/net/tun usable; fails with the reason on stderr.
tun_need()
{
	[ -c /dev/net/tun ] || modprobe tun 2>/dev/null || true
	[ -c /dev/net/tun ] || {
		warn "This kernel offers no /dev/net/tun (module tun): net_tap cannot work here."
		return 1
	}
}

# netns_add NAME: a namespace with loopback up, whose new interfaces get no address by themselves.
netns_add()
{
	ip netns add "$1" || return 1
	ip -n "$1" link set lo up
	netns_write "$1" net/ipv6/conf/default/addr_gen_mode 1
	netns_write "$1" net/ipv6/conf/default/accept_ra 0
	netns_write "$1" net/ipv6/conf/default/accept_dad 0
}

# netns_write NAMESPACE KEY VALUE: sets a sysctl there, if the kernel has it.
netns_write()
{
	ip netns exec "$1" sh -c "[ ! -e /proc/sys/$2 ] || echo '$3' >/proc/sys/$2" 2>/dev/null || true
}

# netns_del NAME: deletes a namespace and what still runs in it.
netns_del()
{
	local pid
	[ -e "/run/netns/$1" ] || return 0
	for pid in $(ip netns pids "$1" 2>/dev/null); do
		kill -KILL "$pid" 2>/dev/null
	done
	ip netns del "$1" 2>/dev/null
	return 0
}

# wait_for SECONDS COMMAND…: until the command succeeds; fails when WAIT_PATIENCE times as many are over.
WAIT_PATIENCE=1
wait_for()
{
	local deadline=$((SECONDS + $1 * WAIT_PATIENCE))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.1
	done
}

# tap_up NAMESPACE INTERFACE ADDRESS/LEN…: makes the Linux side of a net_tap usable. The kernel gives
# the interface the port's own MAC address, and two stations cannot share one: the kernel's changes.
tap_up()
{
	local ns=$1 interface=$2 address flags
	shift 2
	wait_for 20 ip -n "$ns" link show "$interface" || return 1
	ip -n "$ns" link set "$interface" address 02:00:c6:12:00:01 || return 1
	netns_write "$ns" "net/ipv6/conf/$interface/addr_gen_mode" 0
	ip -n "$ns" link set "$interface" up || return 1
	for address in "$@"; do
		flags=
		case $address in *:*) flags=nodad ;; esac
		ip -n "$ns" address replace "$address" dev "$interface" $flags || return 1
	done
}

# ---- ternd -----------------------------------------------------------------------------------------

ternd_pid=

# ternd_start NAMESPACE LOG PROGRAM [ARGUMENTS…]: starts it in the background in a session of its own,
# so that a Ctrl-C meant for the script reaches it through the script only.
ternd_start()
{
	local ns=$1 log=$2
	shift 2
	if [ -n "$ns" ]; then
		set -- ip netns exec "$ns" "$@"
	fi
	setsid env --default-signal=INT,TERM "$@" </dev/null >"$log" 2>&1 &
	ternd_pid=$!
}

ternd_alive()
{
	[ -n "$ternd_pid" ] && kill -0 "$ternd_pid" 2>/dev/null
}

# Ends ternd in order, or by force after 10 seconds; its status is in ternd_status.
ternd_stop()
{
	ternd_status=
	[ -n "$ternd_pid" ] || return 0
	kill -TERM "$ternd_pid" 2>/dev/null
	wait_for 10 ternd_gone || kill -KILL "$ternd_pid" 2>/dev/null
	ternd_reap
}

ternd_gone()
{
	local state
	state=$(awk '$1 == "State:" { print $2 }' "/proc/$ternd_pid/status" 2>/dev/null)
	[ -z "$state" ] || [ "$state" = Z ]
}

ternd_reap()
{
	ternd_status=0
	wait "$ternd_pid" 2>/dev/null || ternd_status=$?
	ternd_pid=
}

# conf_value FILE SECTION KEY: the key's value, without comment and surrounding space.
conf_value()
{
	awk -v section="$2" -v key="$3" '
		{ sub(/[;#].*/, ""); gsub(/^[ \t]+|[ \t\r]+$/, "") }
		/^\[/ { inside = ($0 == "[" section "]"); next }
		inside && (at = index($0, "=")) > 0 {
			name = substr($0, 1, at - 1); value = substr($0, at + 1)
			gsub(/^[ \t]+|[ \t]+$/, "", name); gsub(/^[ \t]+/, "", value)
			if (name == key) { print value; exit }
		}' "$1"
}

# ---- The tree --------------------------------------------------------------------------------------

# tree_files NAME…: the source tree's files whose names match one of the patterns, from its top.
tree_files()
{
	local pattern names=()
	for pattern in "$@"; do
		[ ${#names[@]} -eq 0 ] || names+=(-o)
		names+=(-name "$pattern")
	done
	(cd "$TERN_TOP" && find . \( -name .git -o -name .cache -o -name __pycache__ -o -path './build' \
		-o -path './build-*' \) -prune -o -type f \( "${names[@]}" \) -printf '%P\n' | sort)
}

# skip WHY: ends a test that cannot run here.
skip()
{
	say "skip: $*"
	exit 77
}
