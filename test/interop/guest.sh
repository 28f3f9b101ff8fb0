# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A Linux guest in qemu, to be sourced after interop.sh: Debian's own kernel, unpacked and not installed,
# and busybox. No KVM is needed.
#
#     GUEST_MODULES=(...)  of GUEST_ALL_MODULES, what the guest loads
#     GUEST_CARDS=(...)    network cards, what qemu's -device says of them; each has a tap in $NS, whose
#                          name is guest_tap NUMBER's
#     GUEST_MEMORY, GUEST_MACHINE, GUEST_APPEND
#                          MiB; qemu's options; for the kernel's command line
#     guest_files ROOT     a function that puts in what the guest needs besides
#     guest_need           skips the test where it cannot be had
#     guest_up ADDRESS/LEN…
#     guest COMMAND…       runs it in the guest's shell; its output and status are the command's
#     guest_down

GUEST_CACHE=${TERN_GUEST_CACHE:-/var/cache/tern-test-guest}
GUEST_ALL_MODULES=(virtio_pci virtio_net smc vfio_pci vfio_iommu_type1)
GUEST_MODULES=(virtio_pci virtio_net)
GUEST_MEMORY=192
GUEST_MACHINE='-M pc'
GUEST_APPEND=
GUEST_CARDS=(virtio-net-pci,csum=off,guest_csum=off,gso=off)
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

# The kernel that linux-image-amd64 stands for, and the modules, each with a script that loads it and those
# it needs: unpacked once, and kept in $GUEST_CACHE, in a folder of its own for every list of modules.
guest_kernel()
{
	local package
	package=$(apt-cache depends linux-image-amd64 2>/dev/null |
		awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
	[ -n "$package" ] || return 1
	GUEST_KERNEL=$GUEST_CACHE/$package.$(md5sum <<<"${GUEST_ALL_MODULES[*]}" | cut -c1-8)
	mkdir -p "$GUEST_CACHE"
	# Two tests may come for it at once.
	(
		flock 9
		[ -e "$GUEST_KERNEL/complete" ] || guest_kernel_unpack "$package"
	) 9>"$GUEST_CACHE/lock"
}

guest_kernel_unpack()
{
	local unpacked=$tmp/kernel folder=$GUEST_KERNEL module file
	rm -rf "$folder" "$unpacked"
	mkdir -p "$folder/modules" "$unpacked"
	(cd "$unpacked" && apt-get download "$1") >"$tmp/apt" 2>&1 &&
		dpkg -x "$unpacked"/*.deb "$unpacked" &&
		depmod -b "$unpacked" "$(ls "$unpacked/lib/modules")" &&
		cp "$unpacked"/boot/vmlinuz-* "$folder/vmlinuz" || return 1
	for module in "${GUEST_ALL_MODULES[@]}"; do
		for file in $(modprobe -d "$unpacked" -S "$(ls "$unpacked/lib/modules")" \
			--show-depends "$module" | awk '$1 == "insmod" { print $2 }'); do
			cp "$file" "$folder/modules/" || return 1
			echo "insmod /modules/$(basename "$file") 2>/dev/null"
		done >"$folder/modules/$module.load"
	done
	rm -rf "$unpacked"
	touch "$folder/complete"
}

guest_need()
{
	[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] || skip "the guest is one of amd64"
	guest_packages || skip "no qemu, and none can be installed: $(tail -n 1 "$tmp/apt")"
	guest_kernel || skip "no kernel for the guest, and none can be fetched: $(tail -n 1 "$tmp/apt")"
}

guest_files()
{
	:
}

# guest_program ROOT FILE…: programs and libraries, with the libraries that they need, where they are here.
# Links remain links: DPDK would take two copies of a library for two.
guest_program()
{
	local root=$1 file folder real
	shift
	for file in "$@" $(ldd "$@" | awk '$2 == "=>" { print $3 } $1 ~ "^/" && NF == 2 { print $1 }' | sort -u); do
		folder=$(readlink -f "$(dirname "$file")")
		real=$(readlink -f "$file")
		file=$folder/$(basename "$file")
		mkdir -p "$root$folder" "$root$(dirname "$real")"
		cp "$real" "$root$real" && { [ "$file" = "$real" ] || ln -sf "$real" "$root$file"; } ||
			fail "the guest cannot have $file"
	done
}

# A file system of busybox, the modules and what the test adds, in $tmp/guest.cpio.
guest_filesystem()
{
	local root=$tmp/guest
	mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/usr/lib" "$root/usr/lib64"
	ln -s usr/lib usr/lib64 "$root/"
	cp "$(command -v busybox)" "$root/bin/busybox"
	cp -r "$GUEST_KERNEL/modules" "$root/"
	(cd "$root/modules" && cat $(printf '%s.load ' "${GUEST_MODULES[@]}")) >"$root/modules/load"
	guest_files "$root"
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
[ ! -e /sys/class/net/eth0 ] || echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
[ ! -e /sys/class/net/eth0 ] || ip link set eth0 up
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

# guest_tap NUMBER: prints the name of the tap of a card.
guest_tap()
{
	echo "gt$1-$$"
}

# guest_up [ADDRESS/LEN…]: they are those of the first card, if the guest's Linux has it.
guest_up()
{
	local addresses tap number cards=()
	addresses=$(IFS=,; echo "$*")
	guest_filesystem
	for number in "${!GUEST_CARDS[@]}"; do
		tap=$(guest_tap "$number")
		cards+=(-netdev "tap,id=n$number,ifname=$tap,script=no,downscript=no"
			-device "${GUEST_CARDS[number]},netdev=n$number,mac=02:00:c6:12:00:1$number")
	done
	# On a busy machine the guest's timers look broken to it (no_timer_check), and KVM may be there and not work.
	mkfifo "$tmp/guest.in"
	# shellcheck disable=SC2086
	ip netns exec "$NS" qemu-system-x86_64 $GUEST_MACHINE -accel tcg -cpu max -m "$GUEST_MEMORY" \
		-nodefaults -display none -kernel "$GUEST_KERNEL/vmlinuz" -initrd "$tmp/guest.cpio" -no-reboot \
		-append "console=ttyS0 quiet panic=-1 no_timer_check $GUEST_APPEND guest_addresses=$addresses" \
		-serial stdio "${cards[@]}" <"$tmp/guest.in" >"$tmp/guest.out" 2>"$tmp/guest.err" &
	guest_pid=$!
	exec 8>"$tmp/guest.in"
	for number in "${!GUEST_CARDS[@]}"; do
		tap=$(guest_tap "$number")
		wait_for 10 ip -n "$NS" link show "$tap" || fail "no tap for the guest: $(cat "$tmp/guest.err")"
		netns_write "$NS" "net/ipv6/conf/$tap/disable_ipv6" 1
		ip -n "$NS" link set "$tap" up
	done
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
