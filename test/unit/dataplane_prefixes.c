/* SPDX-License-Identifier: BSD-3-Clause */
/* Which addresses programs are told are Tern's: by the table, asked as a program asks it. */
#include <arpa/inet.h>
#include <string.h>

#include "dataplane/config_values.h"
#include "dataplane/prefixes.h"
#include "unit.h"

static struct config config;

static void
begin(bool gateways)
{
	static const char *const addresses[] = {"198.18.0.2/24", "2001:db8:18::2/64"};

	memset(&config, 0, sizeof(config));
	config.program_auto = true;
	config.n_ports = 1;
	config.ports[0].n_addresses = 2;
	for (int i = 0; i < 2; i++)
		CU_ASSERT_PTR_NULL(
			config_prefix(addresses[i], i == 0, &config.ports[0].addresses[i]));
	if (gateways) {
		config_ip("198.18.0.1", &config.ports[0].gateway4);
		config_ip("2001:db8:18::1", &config.ports[0].gateway6);
	}
}

static void
add(struct config_networks *networks, const char *text)
{
	CU_ASSERT_PTR_NULL(config_network(text, &networks->list[networks->n++]));
}

/* The longest match, the first of several. */
static enum shm_prefix_kind
kind_of(const char *text)
{
	struct shm_prefix prefixes[PREFIXES_MAX], *best = NULL;
	unsigned int n = prefixes_make(&config, prefixes);
	struct ip_addr ip;

	CU_ASSERT(config_ip(text, &ip));
	for (unsigned int i = 0; i < n; i++) {
		const uint8_t *a = prefixes[i].ip, *b = (const uint8_t *)ip.w;
		unsigned int bit = 0;

		while (bit < prefixes[i].bits &&
		       ((a[bit / 8] ^ b[bit / 8]) >> (7 - bit % 8) & 1) == 0)
			bit++;
		if (bit == prefixes[i].bits && (best == NULL || best->bits < bit))
			best = &prefixes[i];
	}
	return best == NULL ? SHM_PREFIX_KERNEL : (enum shm_prefix_kind)best->kind;
}

UNIT_CASE(own_addresses_and_what_is_on_link_are_terns)
{
	begin(false);
	UNIT_EQ(kind_of("198.18.0.2"), SHM_PREFIX_OWN);
	UNIT_EQ(kind_of("198.18.0.9"), SHM_PREFIX_TERN);
	UNIT_EQ(kind_of("198.18.1.9"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("127.0.0.1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("2001:db8:18::2"), SHM_PREFIX_OWN);
	UNIT_EQ(kind_of("2001:db8:18::9"), SHM_PREFIX_TERN);
	UNIT_EQ(kind_of("2001:db8:19::9"), SHM_PREFIX_KERNEL);
}

UNIT_CASE(a_gateway_makes_all_but_what_is_local_terns)
{
	begin(true);
	UNIT_EQ(kind_of("198.18.0.9"), SHM_PREFIX_TERN);
	UNIT_EQ(kind_of("192.0.2.1"), SHM_PREFIX_DEFAULT);
	UNIT_EQ(kind_of("127.1.2.3"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("169.254.1.1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("239.1.1.1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("2001:db8:19::9"), SHM_PREFIX_DEFAULT);
	UNIT_EQ(kind_of("fe80::1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("ff02::1"), SHM_PREFIX_KERNEL);

	/* A gateway of one family is none of the other's. */
	memset(&config.ports[0].gateway4, 0, sizeof(config.ports[0].gateway4));
	UNIT_EQ(kind_of("192.0.2.1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("2001:db8:19::9"), SHM_PREFIX_DEFAULT);
}

UNIT_CASE(a_list_takes_the_place_of_auto)
{
	begin(true);
	config.program_auto = false;
	add(&config.program_prefixes, "10.0.0.0/8");
	UNIT_EQ(kind_of("10.1.2.3"), SHM_PREFIX_TERN);
	UNIT_EQ(kind_of("198.18.0.2"), SHM_PREFIX_OWN);
	UNIT_EQ(kind_of("198.18.0.9"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("192.0.2.1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("2001:db8:18::9"), SHM_PREFIX_KERNEL);
}

UNIT_CASE(the_longest_prefix_decides_and_of_equals_the_exception)
{
	begin(true);
	add(&config.program_prefixes, "10.0.0.0/8");
	add(&config.program_except, "10.1.0.0/16");
	add(&config.program_except, "198.18.0.0/24");
	UNIT_EQ(kind_of("10.2.0.1"), SHM_PREFIX_TERN);
	UNIT_EQ(kind_of("10.1.0.1"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("198.18.0.9"), SHM_PREFIX_KERNEL);
	UNIT_EQ(kind_of("198.18.0.2"), SHM_PREFIX_OWN);
}

UNIT_MAIN(UNIT_RUN(own_addresses_and_what_is_on_link_are_terns),
	  UNIT_RUN(a_gateway_makes_all_but_what_is_local_terns),
	  UNIT_RUN(a_list_takes_the_place_of_auto),
	  UNIT_RUN(the_longest_prefix_decides_and_of_equals_the_exception))
