# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A Linux guest with AF_SMC in qemu, to be sourced after interop.sh: Debian's own kernel, unpacked and
# not installed, busybox, and smc_peer. No KVM is needed. Its one interface is a tap in $NS.
#
#     guest_need          skips the test where it cannot be had
#     guest_up ADDRESS/LEN…
#     guest COMMAND…      runs it in the guest's shell; its output and status are the command's
#     guest_down

GUEST_TAP=gt$$
GUEST_CACHE=${TERN_GUEST_CACHE:-/var/cache/tern-test-guest}
GUEST_MODULES=(virtio_pci virtio_net smc)
guest_pid=

# Quietly: a test that needs more than the others need is skipped, not failed, where there is no network.
guest_packages()
{
	local missing
	missing=$(packages_missing "${GUEST_PACKAGES[@]}")
	# shellcheck disable=SC2086
	[ -z "$missing" ] || apt_install $missing >"$tmp/apt" 2>&1 ||
		{ apt-get update >"$tmp/apt" 2>&1 && apt_install $missing >"$tmp/apt" 2>&1; }
}

# The modules in the order in which they depend on each other.
guest_modules()
{
	local module
	for module in "${GUEST_MODULES[@]}"; do
		modprobe -d "$1" -S "$(ls "$1/lib/modules")" --show-depends "$module" |
			awk '$1 == "insmod" { print $2 }'
	done
}

# The kernel that linux-image-amd64 stands for, and the modules: unpacked once, and kept in $GUEST_CACHE.
guest_kernel()
{
	local package folder unpacked=$tmp/kernel file
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
	[ -n "$package" ] || return 1
	folder=$GUEST_CACHE/$package
	if [ ! -e "$folder/complete" ]; then
		rm -rf "$folder" "$unpacked"
		mkdir -p "$folder/modules" "$unpacked"
		(cd "$unpacked" && apt-get download "$package") >"$tmp/apt" 2>&1 &&
			dpkg -x "$unpacked"/*.deb "$unpacked" &&
			depmod -b "$unpacked" "$(ls "$unpacked/lib/modules")" &&
			cp "$unpacked"/boot/vmlinuz-* "$folder/vmlinuz" || return 1
		for file in $(guest_modules "$unpacked"); do
			cp "$file" "$folder/modules/" || return 1
			echo "insmod /modules/$(basename "$file") 2>/dev/null"
		done >"$folder/modules/load"
		rm -rf "$unpacked"
		touch "$folder/complete"
	fi
	GUEST_KERNEL=$folder
}

guest_need()
{
	[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "the guest is one of amd64"
	guest_packages || skip "no qemu, and none can be installed: $(tail -n 1 "$tmp/apt")"
	guest_kernel || skip "no kernel for the guest, and none can be fetched: $(tail -n 1 "$tmp/apt")"
}

# A file system of busybox, the modules and smc_peer, in $tmp/guest.cpio.
guest_filesystem()
{
	local root=$tmp/guest
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev"
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp "$SMC_PEER_STATIC" "$root/bin/smc_peer"
	cp -r "$GUEST_KERNEL/modules" "$root/"
	cat >"$root/init" <<'END'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
echo 1 >/proc/sys/kernel/printk
. /modules/load
ip link set lo up
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set eth0 up
for address in $(sed -n 's/.*guest_addresses=\([^ ]*\).*/\1/p' /proc/cmdline | tr , ' '); do
	ip addr add "$address" dev eth0
done
echo "guest: up"
echo "done-0 0"
stty -F /dev/ttyS0 -echo raw
while read -r line </dev/ttyS0; do
	eval "$line"
done
END
	chmod 755 "$root/init"
	(cd "$root" && find . | cpio -o -H newc --quiet) >"$tmp/guest.cpio" || fail "no file system for the guest"
}

# guest_up ADDRESS/LEN…
guest_up()
{
	local addresses
	addresses=$(IFS=,; echo "$*")
	guest_filesystem
	# On a busy machine the guest's timers look broken to it (no_timer_check), and KVM may be there and not work.
	mkfifo "$tmp/guest.in"
	ip netns exec "$NS" qemu-system-x86_64 -M pc -accel tcg -cpu max -m 192 -nodefaults -display none \
		-kernel "$GUEST_KERNEL/vmlinuz" -initrd "$tmp/guest.cpio" -no-reboot \
		-append "console=ttyS0 quiet panic=-1 no_timer_check guest_addresses=$addresses" -serial stdio \
		-netdev "tap,id=n,ifname=$GUEST_TAP,script=no,downscript=no" \
		-device virtio-net-pci,netdev=n,mac=02:00:c6:12:00:01,csum=off,guest_csum=off,gso=off \
		<"$tmp/guest.in" >"$tmp/guest.out" 2>"$tmp/guest.err" &
	guest_pid=$!
	exec 8>"$tmp/guest.in"
	wait_for 10 ip -n "$NS" link show "$GUEST_TAP" || fail "no tap for the guest: $(cat "$tmp/guest.err")"
	netns_write "$NS" "net/ipv6/conf/$GUEST_TAP/disable_ipv6" 1
	ip -n "$NS" link set "$GUEST_TAP" up
	wait_for 120 grep -q 'guest: up' "$tmp/guest.out" ||
		fail "the guest does not come up: $(tail -n 5 "$tmp/guest.out" "$tmp/guest.err")"
}

# guest COMMAND…: within 60 s.
guest()
{
	local mark status last
	# How many commands there were, this shell may not know: others may be its children.
	last=$(grep -ac '^done-' "$tmp/guest.out")
	mark=done-$last
	echo "{ $*; } </dev/null 2>&1; status=\$?; echo; echo $mark \$status" >&8
	wait_for 60 grep -aqE "^$mark [0-9]+" "$tmp/guest.out" || fail "the guest does not answer: $*"
	sed -n "/^done-$((last - 1)) /,/^$mark /p" "$tmp/guest.out" | tr -d '\r' |
		sed -e 1d -e '/^$/d' -e '/^done-/d'
	status=$(tr -d '\r' <"$tmp/guest.out" | awk -v mark="$mark" '$1 == mark { print $2 }')
	return "$status"
}

guest_down()
{
	[ -n "$guest_pid" ] || return 0
	exec 8>&-
	kill -TERM "$guest_pid" 2>/dev/null
	wait "$guest_pid" 2>/dev/null
	guest_pid=
}
