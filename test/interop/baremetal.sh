#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# ternd on network cards, bound to vfio-pci behind an IOMMU as on bare metal: in a guest (guest.sh), on each
# kind of card that qemu has and DPDK drives. Linux outside is the peer:
#
#     ternd in the guest: 198.18.N.2, 2001:db8:18:N::2 - card N - tap N - 198.18.N.1, 2001:db8:18:N::1
#
# One ternd has e1000e, whose driver has no interrupts that work, and naps; another one has virtio-net and
# vmxnet3, and sleeps until they interrupt. Huge pages and IOMMU are the guest's, so that this machine needs
# none. Not tried: vfio without an IOMMU, which Debian's kernel cannot do; RSS, which no such card has.
. "$(dirname "$0")/interop.sh"
. "$(dirname "$0")/guest.sh"
guest_need

GUEST_MODULES=(vfio_pci vfio_iommu_type1)
GUEST_MEMORY=512
GUEST_MACHINE='-M q35 -device intel-iommu,intremap=on'
GUEST_APPEND='intel_iommu=on'
DRIVERS=(net_e1000 net_virtio net_vmxnet3)
# Of virtio, without iommu_platform the card would write past the IOMMU.
GUEST_CARDS=(e1000e,addr=10.0 virtio-net-pci,addr=11.0,iommu_platform=on,disable-legacy=on vmxnet3,addr=12.0)
PMDS=$(find /usr/lib -type d -path '*dpdk/pmds-*' | head -n 1)
[ -n "$PMDS" ] || skip "DPDK's drivers are not where Debian has them"

baremetal_cleanup()
{
	local status=$?
	guest_down
	(exit $status)
	interop_cleanup
}
trap baremetal_cleanup EXIT

# baremetal_conf NAME CARD…: cards by their numbers.
baremetal_conf()
{
	local name=$1 card port=0 eal=
	shift
	for card in "$@"; do
		eal+=" -a 0000:00:1$card.0"
	done
	cat <<END
[dataplane]
name      = $name
eal       = $eal
lanes     = 1
hugepages = yes
idle      = adaptive
[limits]
connections = 256
requests = 256
timewait = 256
mutes    = 256
buffers  = 2048
program_sockets = 64
program_blocks = 64
[service http]
listen = *:80
root   = /www
[service echo]
listen = *:7
END
	for card in "$@"; do
		printf '[port %d]\nipv4 = 198.18.%d.2/24\nipv6 = 2001:db8:18:%d::2/64\n' $((port++)) "$card" "$card"
	done
}

guest_files()
{
	local driver
	# The last one is loaded where threads are ended.
	guest_program "$1" "$TERND" "$(ldconfig -p | awk '$1 == "libgcc_s.so.1" { print $NF; exit }')"
	for driver in "${DRIVERS[@]}" mempool_ring bus_pci bus_vdev; do
		guest_program "$1" "$PMDS"/librte_$driver.so.*.*
	done
	mkdir -p "$1/run" "$1/tmp" "$1/var/run" "$1/www" "$1/dev"
	cp "$tmp/www/index.html" "$1/www/"
	baremetal_conf naps 0 >"$1/naps.conf"
	baremetal_conf sleeps 1 2 >"$1/sleeps.conf"
	cat >"$1/bind" <<'END'
# What dpdk-devbind.py --bind=vfio-pci does, and dpdk-hugepages.py.
for card in "$@"; do
	echo vfio-pci >/sys/bus/pci/devices/$card/driver_override
	echo $card >/sys/bus/pci/drivers_probe
	[ -e /sys/bus/pci/drivers/vfio-pci/$card ] || exit 1
done
mkdir -p /dev/hugepages
mount -t hugetlbfs none /dev/hugepages
echo 100 >/proc/sys/vm/nr_hugepages
END
}

conf
netns_add "$NS" || fail "cannot make the namespace $NS"
guest_up
for number in "${!GUEST_CARDS[@]}"; do
	tap=$(guest_tap "$number")
	ip -n "$NS" addr add "198.18.$number.1/24" dev "$tap"
	netns_write "$NS" "net/ipv6/conf/$tap/disable_ipv6" 0
	ip -n "$NS" addr add "2001:db8:18:$number::1/64" dev "$tap" nodad
done
guest 'sh /bind 0000:00:10.0 0000:00:11.0 0000:00:12.0' || fail "the cards are not bound"
for name in naps sleeps; do
	guest "($TERND -c /$name.conf >/$name.log 2>&1; echo status \$? >>/$name.log) & :"
done
guest 'for i in $(seq 300); do [ "$(cat /*.log | grep -c -e ready -e status)" = 2 ] && break; usleep 100000; done; cat /*.log' \
	>"$tmp/said"
cat "$tmp/said"
[ "$(grep -c ready "$tmp/said")" = 2 ] || fail "no ternd in the guest"

for number in "${!GUEST_CARDS[@]}"; do
	for host in "198.18.$number.2" "[2001:db8:18:$number::2]"; do
		wait_for 20 in_ns curl -gsf --max-time 5 -o "$tmp/got" "http://$host/" || fail "no answer of $host"
		cmp "$tmp/got" "$tmp/www/index.html" || fail "$host: another page"
		expect client download "${host//[\[\]]/}" 80 1000000
		expect client echo "${host//[\[\]]/}" 7 300000
	done
done

# A lane that nothing wakes answers when it next looks, up to a second later.
for number in "${!GUEST_CARDS[@]}"; do
	in_ns ping -n -c 12 -i 0.25 -W 1 "198.18.$number.2" >"$tmp/ping.$number" &
	pings[number]=$!
done
wait "${pings[@]}"
for number in "${!GUEST_CARDS[@]}"; do
	quick=$(grep -cE 'time=[0-9]{1,2}(\.[0-9]+)? ms' "$tmp/ping.$number")
	say "${GUEST_CARDS[number]%%,*}: $quick of 12 answers within 100 ms"
	[ "$quick" -ge 6 ] || fail "the lane sleeps: $(cat "$tmp/ping.$number")"
done
guest "grep vfio-msix /proc/interrupts" >"$tmp/interrupts"
for card in 11 12; do
	awk -v card="0000:00:$card.0" 'index($0, card) && $2 > 0 { n++ } END { exit !n }' "$tmp/interrupts" ||
		fail "no receive interrupts of 0000:00:$card.0: $(cat "$tmp/interrupts")"
done

guest 'kill -TERM $(pidof ternd); for i in $(seq 200); do pidof ternd >/dev/null || break; usleep 100000; done; cat /*.log' \
	>"$tmp/said"
[ "$(grep -c '^status 0' "$tmp/said")" = 2 ] || fail "they do not end in order: $(cat "$tmp/said")"
