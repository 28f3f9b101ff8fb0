/* SPDX-License-Identifier: BSD-3-Clause */
/* dataplane/config.c, config_lines.c, config_values.c: every malformed line is told, with its line.
 */
#include <unistd.h>

#include "unit.h"

#include "dataplane/config.h"
#include "dataplane/config_lines.h"
#include "dataplane/config_values.h"
#include "dataplane/service_plugin.h"

#define PORT0 "[port 0]\nipv4 = 198.18.0.2/24\n"

static struct config config;

/* Reads a configuration of `n` bytes. Returns all errors as one string, to be freed. */
static char *
read_bytes(const char *bytes, size_t n, int *status)
{
	char path[] = "/tmp/tern-config-XXXXXX", *errors = NULL;
	size_t size;
	FILE *stream = open_memstream(&errors, &size);
	int fd = mkstemp(path);

	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		abort();
	close(fd);
	config_free(&config);
	*status = config_read(path, &config, stream);
	fclose(stream);
	unlink(path);
	return errors;
}

static char *
read_text(const char *text, int *status)
{
	return read_bytes(text, strlen(text), status);
}

/* The text must be refused, with all of `wanted` (separated by '|') in the messages. */
static void
refused(const char *text, const char *wanted)
{
	char copy[512], *rest = copy, *part, *errors;
	int status;

	errors = read_text(text, &status);
	snprintf(copy, sizeof(copy), "%s", wanted);
	UNIT_EQ(status, -1);
	CU_ASSERT_PTR_NOT_NULL(errors);
	while ((part = strsep(&rest, "|")) != NULL && errors != NULL) {
		if (strstr(errors, part) == NULL)
			printf("\n  in\n%s\n  expected \"%s\" among\n%s", text, part, errors);
		CU_ASSERT(strstr(errors, part) != NULL);
	}
	free(errors);
}

static void
accepted(const char *text)
{
	int status;
	char *errors = read_text(text, &status);

	if (status != 0)
		printf("\n  %s", errors);
	UNIT_EQ(status, 0);
	UNIT_EQ(errors[0], '\0');
	free(errors);
}

UNIT_CASE(a_whole_file_is_read)
{
	char text[64];

	accepted("; comment\n"
		 "  [dataplane]   ; comment\n"
		 "name=t-1.a\n"
		 "eal = --no-pci --vdev=net_tap0,iface=tern0\t; comment\n"
		 "lanes = 2\n"
		 "hugepages = no\n"
		 "idle = adaptive\n"
		 "[port 1]\nipv6 = 2001:db8:1::2/64 , 2001:db8:1::3/64\ngateway6 = fe80::1\n"
		 "mtu = 1280\n"
		 "[port 0]\nipv4 = 198.18.0.2/24,10.0.0.1/31\nipv6 = 2001:db8:18::2/64\n"
		 "gateway4 = 198.18.0.1\ngateway6 =   ; none\nrx_desc=64\nrx_checksum = no\n"
		 "tso = no\n"
		 "[tcp]\ntimestamps = no\npacing = yes\nmin_rtt_wlen = 60\ntw_reuse = "
		 "yes\nsyn_linear_timeouts = 0\nrmem = "
		 "64K\nrmem_max = 2M\nwmem = 1M\n"
		 "mtu_probing = 2\nbase_mss = 600\nwmem_max = 8M\necn = 1\n"
		 "ecn_fallback = no\nsyncookies = 0\nsack = no\ndsack = no\nfrto = no\n"
		 "tlp = no\nrack = no\nreordering = 5\nmax_reordering = 50\n"
		 "keepalive_time = 60\nkeepalive_intvl = 6\nkeepalive_probes = 3\n"
		 "slow_start_after_idle = yes\nprobe_threshold = 9\nprobe_interval = 10\n"
		 "[limits]\nconnections = 1000\nbuffers = 4096\n"
		 "[service http]\nlisten = *:80, 198.18.0.2:8080\nroot = /\n"
		 "[service   echo    two]\nlisten = [2001:db8:18::2]:7\nidle_timeout = 5\n");
	CU_ASSERT_STRING_EQUAL(config.name, "t-1.a");
	CU_ASSERT_STRING_EQUAL(config.eal, "--no-pci --vdev=net_tap0,iface=tern0");
	UNIT_EQ(config.lanes, 2);
	UNIT_EQ(config.hugepages, HUGEPAGES_NO);
	UNIT_EQ(config.idle, IDLE_ADAPTIVE);
	UNIT_EQ(config.n_ports, 2);
	UNIT_EQ(config.ports[0].n_addresses, 3);
	UNIT_EQ(config.ports[0].addresses[1].prefix_len, 31);
	CU_ASSERT_STRING_EQUAL(config_ip_text(&config.ports[0].gateway4, text), "198.18.0.1");
	CU_ASSERT(ip_is_any(&config.ports[0].gateway6));
	UNIT_EQ(config.ports[0].rx_desc, 64);
	CU_ASSERT(!config.ports[0].rx_checksum && config.ports[0].tx_checksum);
	UNIT_EQ(config.ports[0].tso, TSO_NO);
	UNIT_EQ(config.ports[1].tso, TSO_AUTO);
	UNIT_EQ(config.ports[1].n_addresses, 2);
	UNIT_EQ(config.ports[1].mtu, 1280);
	CU_ASSERT(!config.timestamps && config.window_scaling);
	CU_ASSERT(config.tw_reuse);
	CU_ASSERT(config.pacing);
	UNIT_EQ(config.min_rtt_wlen, 60);
	UNIT_EQ(config.syn_linear_timeouts, 0);
	UNIT_EQ(config.syn_retries, 6);
	UNIT_EQ(config.rmem_bytes, 65536);
	UNIT_EQ(config.rmem_max_bytes, 2 << 20);
	UNIT_EQ(config.wmem_bytes, 1 << 20);
	UNIT_EQ(config.wmem_max_bytes, 8 << 20);
	UNIT_EQ(config.ecn, 1);
	UNIT_EQ(config.syncookies, 0);
	CU_ASSERT(!config.ecn_fallback && !config.sack && !config.dsack && !config.frto);
	CU_ASSERT(!config.tlp && !config.rack && config.slow_start_after_idle);
	UNIT_EQ(config.reordering, 5);
	UNIT_EQ(config.max_reordering, 50);
	UNIT_EQ(config.keepalive_time_s, 60);
	UNIT_EQ(config.keepalive_intvl_s, 6);
	UNIT_EQ(config.keepalive_probes, 3);
	UNIT_EQ(config.probe_threshold, 9);
	UNIT_EQ(config.probe_interval_s, 10);
	UNIT_EQ(config.mtu_probing, 2);
	UNIT_EQ(config.base_mss, 600);
	UNIT_EQ(config.initial_cwnd, 10);
	UNIT_EQ(config.connections, 1000);
	UNIT_EQ(config.buffers, 4096);
	UNIT_EQ(config.n_services, 2);
	CU_ASSERT(service_plugin_ops(config.services[0].plugin)->keys != NULL);
	UNIT_EQ(config.services[0].idle_timeout_s, 60);
	CU_ASSERT_STRING_EQUAL(service_plugin_text(config.services[0].plugin), "root = /");
	UNIT_EQ(config.services[0].n_listen, 2);
	CU_ASSERT_STRING_EQUAL(config_endpoint_text(&config.services[0].listen[0], text), "*:80");
	CU_ASSERT_STRING_EQUAL(config_endpoint_text(&config.services[0].listen[1], text),
			       "198.18.0.2:8080");
	CU_ASSERT_STRING_EQUAL(config.services[1].name, "echo two");
	UNIT_EQ(config.services[1].idle_timeout_s, 5);
	CU_ASSERT_STRING_EQUAL(config_endpoint_text(&config.services[1].listen[0], text),
			       "[2001:db8:18::2]:7");
}

UNIT_CASE(malformed_lines_are_refused)
{
	char text[4096];

	refused(PORT0 "mtu\n", ":3: [port 0]: \"mtu\" has no '='");
	refused(PORT0 "# mtu\n", "or ';' before a comment");
	refused(PORT0 "= 5\n", ":3: [port 0]: key of 0 characters");
	refused("[port 0\nipv4 = 198.18.0.2/24\n", ":1: section without ']'");
	refused("[]\n" PORT0, ":1: section name of 0 characters");
	refused("[port 0] mtu = 5\n", ":1: \"mtu = 5\" after a section's ']'");
	refused("lanes = 1\n" PORT0, ":1: \"lanes\" before any section");
	refused(PORT0 "mtu = 1500;comment\n", ":3: [port 0]: ';' inside a value");
	refused("[dataplane]\neal = \"a ; b\"\n" PORT0, ":2: [dataplane]: ';' inside quotes");
	refused("[dataplane]\neal = a\\b\n" PORT0, ":2: [dataplane] eal: '\\' in a value");
	refused(PORT0 "mtu = 1500\nmtu = 1500\n", ":4: [port 0] mtu: given before, on line 3");
	refused(PORT0 "[tcp]\n[port  0]\n", ":4: [port 0]: section given before, on line 1");
	snprintf(text, sizeof(text), PORT0 "%064d = 1\n", 1);
	refused(text, ":3: [port 0]: key of 64 characters");
	snprintf(text, sizeof(text), PORT0 "[%064d]\n", 1);
	refused(text, ":3: section name of 64 characters");
	snprintf(text, sizeof(text), "[dataplane]\neal = %0256d\n" PORT0, 1);
	refused(text, ":2: [dataplane] eal: value of 256 characters");
	snprintf(text, sizeof(text), "[dataplane]\neal = %0255d\n" PORT0, 1);
	accepted(text);
	UNIT_EQ(strlen(config.eal), 255);
	snprintf(text, sizeof(text), PORT0 "; %02000d\nmtu = 5\n", 1);
	refused(text, ":3: [port 0]: longer than 1023 characters|:4: [port 0] mtu: 5 is out of");
}

UNIT_CASE(what_is_not_text_is_refused)
{
	static const char bytes[] = "[port 0]\nipv4\0 = 198.18.0.2/24\n";
	FILE *nowhere = fopen("/dev/null", "w");
	int status;
	char *errors = read_bytes(bytes, sizeof(bytes) - 1, &status);

	UNIT_EQ(status, -1);
	CU_ASSERT(strstr(errors, ":2: [port 0]: a NUL byte") != NULL);
	free(errors);
	config_free(&config);
	UNIT_EQ(config_read("/nonexistent/file", &config, nowhere), -1);
	UNIT_EQ(config_read("/", &config, nowhere), -1);
	UNIT_EQ(config_read("/dev/zero", &config, nowhere), -1);
	fclose(nowhere);
}

UNIT_CASE(unknown_names_are_refused)
{
	refused(PORT0 "ip4 = 1\n", ":3: [port 0] ip4: unknown key; did you mean ipv4?");
	refused(PORT0 "zzzzzz = 1\n", "[port 0] zzzzzz: unknown key; there are ipv4, ipv6");
	refused(PORT0 "[tpc]\n", ":3: [tpc]: unknown section; did you mean [tcp]?");
	refused(PORT0 "[tcp]\nzzzzzzzzzzzz = 1\n", "window_scaling, rmem, rmem_max, wmem");
	refused(PORT0 "[tcp]\nzzzzzzzzzzzz = 1\n", "keepalive_probes, fastopen, fastopen_key, "
						   "fastopen_blackhole_timeout\n");
	refused(PORT0 "[whatever]\n", ":3: [whatever]: unknown section; there are [dataplane]");
	refused(PORT0 "[service htpt]\n", "unknown service; did you mean [service http]?");
	refused(PORT0 "[service gopher]\n", "unknown service; there are http");
	refused(PORT0 "[tcp]\ncongestion = bbr\n", ":4: [tcp] congestion: \"bbr\" is not a");
	refused(PORT0 "[service echo]\nlisten = *:7\nroot = /\n",
		"[service echo] root: unknown key");
	refused(PORT0 "[service echo]\nlisten = *:7\nsmc = maybe\n", "[service echo] smc: ");
}

UNIT_CASE(bad_values_are_refused)
{
	refused(PORT0 "[dataplane]\nlanes = 0\n", ":4: [dataplane] lanes: 0 is out of range");
	refused(PORT0 "[dataplane]\nlanes = 65\n", "write 1 to 64");
	refused(PORT0 "[dataplane]\nlanes = -1\n", "\"-1\" is not a number");
	refused(PORT0 "[dataplane]\nlanes = 1x\n", "\"1x\" is not a number");
	refused(PORT0 "[dataplane]\nlanes =\n", "\"\" is not a number");
	refused(PORT0 "[dataplane]\nlanes = 18446744073709551617\n", "is not a number");
	refused(PORT0 "[dataplane]\nname = a/b\n", "[dataplane] name: \"a/b\" cannot name");
	refused(PORT0 "[dataplane]\nname = ../x\n", "cannot name");
	refused(PORT0 "[dataplane]\nhugepages = maybe\n", "write auto, yes or no");
	refused(PORT0 "[dataplane]\nidle = never\n", "write poll or adaptive");
	refused(PORT0 "[tcp]\ntimestamps = on\n", "\"on\" is neither yes nor no");
	refused(PORT0 "[tcp]\nrmem = 1T\n", "\"1T\" is not a size");
	refused(PORT0 "[tcp]\nrmem = 9G\n", "out of range");
	refused(PORT0 "[tcp]\nretries = 128\n", "128 is out of range");
	refused(PORT0 "mtu = 100\n", "[port 0] mtu: 100 is out of range");
	refused(PORT0 "tso = maybe\n",
		"[port 0] tso: \"maybe\" is not known; write auto, yes or no");
	refused(PORT0 "tso = yes\ntx_checksum = no\n",
		"[port 0] tso: the device sums what it cuts");
	refused(PORT0 "[service http]\nlisten = *:80\nroot = /nonexistent\n",
		":5: [service http] root: cannot read the folder \"/nonexistent\"");
	refused(PORT0 "[service http]\nlisten = *:80\nroot = /etc/passwd\n", "Not a directory");
}

UNIT_CASE(bad_addresses_are_refused)
{
	refused("[port 0]\nipv4 = 198.18.0.2\n", ":2: [port 0] ipv4: 198.18.0.2 has no prefix");
	refused("[port 0]\nipv4 = 198.18.0.2/33\n", "wrong prefix length; it is 1 to 32");
	refused("[port 0]\nipv4 = 198.18.0.2/0\n", "wrong prefix length");
	refused("[port 0]\nipv4 = 198.18.2/24\n", "is not an IPv4 address");
	refused("[port 0]\nipv4 = 2001:db8::1/64\n", "is not an IPv4 address");
	refused("[port 0]\nipv6 = 198.18.0.2/24\n", "is not an IPv6 address");
	refused("[port 0]\nipv6 = ::ffff:1.2.3.4/96\n", "is not an IPv6 address");
	refused("[port 0]\nipv4 = 224.0.0.1/24\n", "no address a host can have");
	refused("[port 0]\nipv4 = 127.0.0.1/8\n", "no address a host can have");
	refused("[port 0]\nipv4 = 0.0.0.0/8\n", "no address a host can have");
	refused("[port 0]\nipv4 = 255.255.255.255/32\n", "no address a host can have");
	refused("[port 0]\nipv6 = ff02::1/64\n", "no address a host can have");
	refused("[port 0]\nipv6 = ::1/128\n", "no address a host can have");
	refused("[port 0]\nipv4 = 198.18.0.0/24\n", "network's own");
	refused("[port 0]\nipv4 = 198.18.0.255/24\n", "broadcast address");
	refused("[port 0]\nipv4 = 198.18.0.2/24,,198.18.0.3/24\n", "an empty part");
	refused("[port 0]\nipv4 = 198.18.0.2/24,198.18.0.2/16\n", "is there twice");
	refused(PORT0 "[port 1]\nipv4 = 198.18.0.2/24\n", "an address of [port 0], too");
	refused("[port 0]\nmtu = 1500\n", ":1: [port 0]: no address");
	refused("[port 0]\nmtu = 1000\nipv6 = 2001:db8::2/64\n", ":2: [port 0] mtu: 1000 is too");
}

UNIT_CASE(fast_open_is_named_by_what_it_does)
{
	accepted(PORT0);
	UNIT_EQ(config.fastopen, TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER);
	UNIT_EQ(config.fastopen_blackhole_s, 3600);
	UNIT_EQ(config.fastopen_keys.n, 0);
	accepted(PORT0 "[tcp]\nfastopen = client, client-no-cookie,server-no-cookie , "
		       "all-listeners\nfastopen_blackhole_timeout = 0\n");
	UNIT_EQ(config.fastopen, 0x605);
	UNIT_EQ(config.fastopen_blackhole_s, 0);
	accepted(PORT0 "[tcp]\nfastopen = none\n");
	UNIT_EQ(config.fastopen, 0);
	accepted(PORT0 "[tcp]\nfastopen =\n");
	UNIT_EQ(config.fastopen, 0);
	refused(PORT0 "[tcp]\nfastopen = client, sever\n",
		":4: [tcp] fastopen: \"sever\" is not known; did you mean server?");
	refused(PORT0 "[tcp]\nfastopen = 3\n", "\"3\" is not known; there are none, client, ser");
	refused(PORT0 "[tcp]\nfastopen = client,,server\n", "an empty part in the list");
	accepted(PORT0 "[service echo]\nlisten = *:7\nfastopen = 16\n");
	UNIT_EQ(config.services[0].fastopen, 16);
	accepted(PORT0 "[service echo]\nlisten = *:7\n");
	UNIT_EQ(config.services[0].fastopen, 0);
	refused(PORT0 "[service echo]\nlisten = *:7\nfastopen = 1\n[tcp]\nfastopen = client\n",
		":5: [service echo] fastopen: [tcp] fastopen does not allow it; add server");
	refused(PORT0 "[service echo]\nlisten = *:7\nfastopen = yes\n",
		":5: [service echo] fastopen: \"yes\" is not a number");
}

UNIT_CASE(fast_open_keys_are_bytes_or_as_linux_writes_them)
{
	static const uint8_t counted[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	char text[CONFIG_KEY_TEXT];

	accepted(PORT0 "[tcp]\nfastopen_key = 000102030405060708090A0b0c0d0e0f\n");
	UNIT_EQ(config.fastopen_keys.n, 1);
	UNIT_EQ(memcmp(config.fastopen_keys.key[0], counted, sizeof(counted)), 0);
	CU_ASSERT_STRING_EQUAL(config_fastopen_key_text(counted, text),
			       "03020100-07060504-0b0a0908-0f0e0d0c");
	accepted(PORT0 "[tcp]\nfastopen_key = ffffffff-00000000-12345678-00000001, "
		       "03020100-07060504-0B0a0908-0f0e0d0c\n");
	UNIT_EQ(config.fastopen_keys.n, 2);
	UNIT_EQ(config.fastopen_keys.key[0][8], 0x78);
	UNIT_EQ(memcmp(config.fastopen_keys.key[1], counted, sizeof(counted)), 0);
	refused(PORT0 "[tcp]\nfastopen_key = 000102030405060708090a0b0c0d0e0\n",
		":4: [tcp] fastopen_key: what stands there is not a key; write 32 hex");
	refused(PORT0 "[tcp]\nfastopen_key = 000102030405060708090a0b0c0d0e0g\n", "is not a key");
	refused(PORT0 "[tcp]\nfastopen_key = 03020100-07060504-0b0a090810f0e0d0c\n", "is not a");
	refused(PORT0 "[tcp]\nfastopen_key = 03020100-07060504-0b0a0908--f0e0d0c\n", "is not a");
	refused(PORT0 "[tcp]\nfastopen_key = 00000000-00000000-00000000-00000000, "
		      "00000000-00000000-00000000-00000001, 00000000-00000000-00000000-00000002\n",
		"more than 2 keys");
}

UNIT_CASE(the_control_socket_has_a_group)
{
	accepted(PORT0);
	UNIT_EQ(config.group, (gid_t)-1);
	accepted("[dataplane]\ngroup = root\n" PORT0);
	UNIT_EQ(config.group, 0);
	refused("[dataplane]\ngroup = nobody-is-in-it\n" PORT0,
		":2: [dataplane] group: there is no group \"nobody-is-in-it\"; write one");
}

UNIT_CASE(rules_between_keys_are_kept)
{
	refused(PORT0 "[programs]\nprefixes = auto, 10.0.0.1/8\n",
		":4: [programs] prefixes: 10.0.0.1/8 has bits set behind its prefix");
	refused(PORT0 "[programs]\nprefixes = 10.0.0.0\n", "10.0.0.0 is no prefix; write one as");
	refused(PORT0 "[programs]\nexcept = 10.0.0.0/33\n", "[programs] except: 10.0.0.0/33 is no");
	refused(PORT0 "[programs]\nexcept = auto\n", "auto is no prefix");
	refused(PORT0 "[programs]\nprefix = auto\n", "did you mean prefixes");
	refused("[dataplane]\nname = x\n", "no port; add a section [port 0]");
	refused("[port 1]\nipv4 = 198.18.0.2/24\n", "[port 1], but not all before it");
	refused(PORT0 "[port 2]\nipv4 = 198.18.1.2/24\n", "[port 2], but not all before it");
	refused(PORT0 "[port 8]\nipv4 = 198.18.1.2/24\n", "a port has a number from 0 to 7");
	refused(PORT0 "[port x]\nipv4 = 198.18.1.2/24\n", "a port has a number from 0 to 7");
	refused(PORT0 "[port 00]\nipv4 = 198.18.1.2/24\n", "port 0 is given twice");
	refused(PORT0 "gateway4 = 198.18.1.1\n",
		":3: [port 0] gateway4: 198.18.1.1 is not on link");
	refused(PORT0 "gateway4 = 198.18.0.2\n", "is this port's own address");
	refused(PORT0 "gateway4 = fe80::1\n", "is not a gateway's address");
	refused(PORT0 "gateway4 = 198.18.0.1/24\n", "is not a gateway's address");
	refused(PORT0 "gateway6 = 2001:db8::1\n", "is not on link");
	refused(PORT0 "[service http]\nlisten = *:80\n", ":3: [service http]: no folder");
	refused(PORT0 "[service echo]\n", ":3: [service echo]: no endpoint to listen on");
}

UNIT_CASE(endpoints_are_checked)
{
	refused(PORT0 "[service echo]\nlisten = 7\n",
		":4: [service echo] listen: 7 is no endpoint");
	refused(PORT0 "[service echo]\nlisten = *:0\n", "has a wrong port");
	refused(PORT0 "[service echo]\nlisten = *:65536\n", "has a wrong port");
	refused(PORT0 "[service echo]\nlisten = 2001:db8::1:7\n", "is no endpoint");
	refused(PORT0 "[service echo]\nlisten = [198.18.0.2]:7\n", "is no endpoint");
	refused(PORT0 "[service echo]\nlisten = 198.18.0.9:7\n", "is not an address of any [port]");
	refused(PORT0 "[service echo]\nlisten = *:7\n[service discard]\nlisten = *:7\n",
		":6: [service discard] listen: *:7 is taken by [service echo]");
	refused(PORT0 "[service echo]\nlisten = *:7, 198.18.0.2:7\n", "198.18.0.2:7 is taken by");
	accepted(PORT0 "[service echo]\nlisten = *:7\n[service echo 2]\nlisten = *:8\n");
}

UNIT_CASE(ports_may_have_lanes_of_their_own)
{
	const char *two = "[dataplane]\nlanes = 2\n";
	char text[512];

	snprintf(text, sizeof(text),
		 "%s" PORT0 "lanes = 0\n[port 1]\nlanes = 1\nipv4 = 198.18.1.2/24\n", two);
	accepted(text);
	snprintf(text, sizeof(text), "%s" PORT0 "lanes = 0, 1\n", two);
	accepted(text);
	refused(PORT0 "lanes = 1\n", ":3: [port 0] lanes: there are 1 lanes, from 0 on");
	refused(PORT0 "lanes = 64\n", "64 is not a lane; lanes have numbers from 0 to 63");
	snprintf(text, sizeof(text), "%s" PORT0 "lanes = 0\n", two);
	refused(text, "lane 1 has no port");
	snprintf(text, sizeof(text), "%s" PORT0 "lanes = 0\n[port 1]\nipv4 = 198.18.1.2/24\n", two);
	refused(text, "some of these lanes have [port 0], too, and some have not");
}

UNIT_CASE(all_errors_are_told)
{
	refused("[dataplane]\nlanes = x\nnonsense\nhugepages = x\n[prot 0]\n[port 0]\n"
		"ipv4 = 1.2.3\nmtu = 1\n",
		":2: [dataplane] lanes|:3: [dataplane]: \"nonsense\"|:4: [dataplane] hugepages|"
		":5: [prot 0]: unknown section; did you mean [port 0]?|:7: [port 0] ipv4|"
		":8: [port 0] mtu");
}

UNIT_CASE(the_nearest_name_is_found)
{
	static const char *const names[] = {"ipv4", "ipv6", "mtu", "gateway4"};

	CU_ASSERT_STRING_EQUAL(config_nearest("mut", names, 4), "mtu");
	CU_ASSERT_STRING_EQUAL(config_nearest("gatway4", names, 4), "gateway4");
	CU_ASSERT_PTR_NULL(config_nearest("connections", names, 4));
	CU_ASSERT_PTR_NULL(config_nearest("", names, 4));
}

UNIT_MAIN(UNIT_RUN(a_whole_file_is_read), UNIT_RUN(malformed_lines_are_refused),
	  UNIT_RUN(what_is_not_text_is_refused), UNIT_RUN(unknown_names_are_refused),
	  UNIT_RUN(bad_values_are_refused), UNIT_RUN(bad_addresses_are_refused),
	  UNIT_RUN(fast_open_is_named_by_what_it_does),
	  UNIT_RUN(fast_open_keys_are_bytes_or_as_linux_writes_them),
	  UNIT_RUN(the_control_socket_has_a_group), UNIT_RUN(rules_between_keys_are_kept),
	  UNIT_RUN(endpoints_are_checked), UNIT_RUN(ports_may_have_lanes_of_their_own),
	  UNIT_RUN(all_errors_are_told), UNIT_RUN(the_nearest_name_is_found))
