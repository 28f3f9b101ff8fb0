# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What the benchmarks share besides what the interop tests do; to be sourced.
. "$(dirname "${BASH_SOURCE[0]}")/../interop/interop.sh"

# ternd's lane is on the last processor; who is compared with it goes there, too, and the clients to the others.
last=$(($(nproc) - 1))
if [ $last -ge 1 ]; then
	on_server=(taskset -c $last)
	on_client=(taskset -c 0-$((last - 1)))
else
	on_server=()
	on_client=()
fi

# veth_up NS-A ADDRESS-A NS-B ADDRESS-B: two namespaces, and a veth pair without offloads between them.
veth_up()
{
	netns_add "$1" && netns_add "$3" || fail "cannot make namespaces"
	ip link add "vs$$" netns "$1" type veth peer name "vc$$" netns "$3" || fail "cannot make a veth pair"
	ip -n "$1" address add "$2/24" dev "vs$$"
	ip -n "$3" address add "$4/24" dev "vc$$"
	ip -n "$1" link set "vs$$" up
	ip -n "$3" link set "vc$$" up
	offloads_off "$1" "vs$$"
	offloads_off "$3" "vc$$"
}

offloads_off()
{
	local feature
	for feature in tso gso gro tx rx sg; do
		ip netns exec "$1" ethtool -K "$2" $feature off >/dev/null 2>&1
	done
	ip netns exec "$1" ethtool -k "$2" |
		grep -E '^(tx-checksumming|tcp-segmentation-offload|generic-(segmentation|receive)-offload): on' &&
		fail "offloads of $2 stay on"
	return 0
}

# steal: processor time that the machine's host took, and all of it.
steal()
{
	awk '$1 == "cpu" { all = 0; for (i = 2; i <= 9; i++) all += $i; print $9, all }' /proc/stat
}
