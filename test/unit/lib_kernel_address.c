/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/kernel_address.c: an address goes, and everything else stays; it comes back, and all is as
 * before. */
#include <unistd.h>

#include "kernel_net.h"
#include "lib/kernel_address.h"
#include "unit.h"

static char why[KERNEL_ADDRESS_WHY];

static void
run(const char *command)
{
	int status = system(command);

	if (status != 0)
		printf("\n  %s: %d", command, status);
	CU_ASSERT_FATAL(status == 0);
}

/* What a command prints, sorted: the order of addresses changes when one comes back. */
static void
look(const char *command, char *text, size_t size)
{
	char sorted[256];
	FILE *pipe;
	size_t n;

	snprintf(sorted, sizeof(sorted), "{ %s; } | sort", command);
	pipe = popen(sorted, "re");
	CU_ASSERT_FATAL(pipe != NULL);
	n = fread(text, 1, size - 1, pipe);
	text[n] = '\0';
	pclose(pipe);
}

static void
look_at_all(char *text, size_t size)
{
	look("ip -o -4 addr show dev one | sed 's/ secondary//'; ip route show; "
	     "ip -o -6 addr show dev one scope global; ip -6 route show dev one",
	     text, size);
}

static bool
has(const char *command, const char *words)
{
	char text[4096];

	look(command, text, sizeof(text));
	return strstr(text, words) != NULL;
}

static union endpoint
address(const char *text)
{
	union endpoint end;

	CU_ASSERT_FATAL(endpoint_parse_address(text, &end));
	return end;
}

static void
make(void)
{
	run("ip link add one type veth peer name two && ip link set one up && ip link set two up");
	run("ip addr add 10.1.0.1/24 dev one && ip addr add 10.1.0.2/24 dev one");
	run("ip addr add 2001:db8::1/64 dev one nodad && ip addr add 2001:db8::2/64 dev one nodad");
	run("ip route add default via 10.1.0.9 && ip route add 10.9.0.0/16 via 10.1.0.8 src "
	    "10.1.0.1");
	run("ip -6 route add default via 2001:db8::9 dev one");
}

static void
end(void)
{
	run("ip link del one");
}

UNIT_CASE(the_others_stay)
{
	union endpoint first = address("10.1.0.1"), sixth = address("2001:db8::1");
	char before[8192], after[8192];
	struct kernel_address taken, taken6;

	make();
	look_at_all(before, sizeof(before));
	CU_ASSERT(kernel_address_take(&taken, "one", &first, why) == 0);
	UNIT_EQ(taken.prefix_len, 24);
	CU_ASSERT(!has("ip -o addr show dev one", "10.1.0.1/"));
	CU_ASSERT(has("ip -o addr show dev one", "10.1.0.2/"));
	CU_ASSERT(has("ip route show", "default via 10.1.0.9"));
	CU_ASSERT(kernel_address_take(&taken6, "one", &sixth, why) == 0);
	UNIT_EQ(taken6.prefix_len, 64);
	CU_ASSERT(!has("ip -o addr show dev one", "2001:db8::1/"));
	CU_ASSERT(has("ip -o addr show dev one", "2001:db8::2/"));
	CU_ASSERT(has("ip -6 route show", "default via 2001:db8::9"));
	CU_ASSERT(kernel_address_return(&taken6, why) == 0);
	CU_ASSERT(kernel_address_return(&taken, why) == 0);
	look_at_all(after, sizeof(after));
	if (strcmp(before, after) != 0)
		printf("\n%s---- became\n%s", before, after);
	CU_ASSERT_STRING_EQUAL(before, after);
	kernel_address_free(&taken);
	kernel_address_free(&taken6);
	end();
}

UNIT_CASE(the_last_one_of_an_interface)
{
	union endpoint first = address("10.1.0.1");
	char before[8192], after[8192];
	struct kernel_address taken;

	make();
	run("ip addr del 10.1.0.2/24 dev one");
	look_at_all(before, sizeof(before));
	CU_ASSERT(kernel_address_take(&taken, "one", &first, why) == 0);
	CU_ASSERT(!has("ip route show", "default"));
	CU_ASSERT(kernel_address_return(&taken, why) == 0);
	look_at_all(after, sizeof(after));
	if (strcmp(before, after) != 0)
		printf("\n%s---- became\n%s", before, after);
	CU_ASSERT_STRING_EQUAL(before, after);
	kernel_address_free(&taken);
	end();
}

UNIT_CASE(one_that_comes_from_elsewhere)
{
	union endpoint ninth = address("2001:db8::9"), fifth = address("10.1.0.5");
	struct kernel_address taken;

	make();
	CU_ASSERT(kernel_address_add("one", &ninth, 64, why) == 0);
	CU_ASSERT(kernel_address_add("one", &fifth, 24, why) == 0);
	CU_ASSERT(has("ip -o addr show dev one", "2001:db8::9/64"));
	CU_ASSERT(!has("ip -o addr show dev one tentative", "2001:db8::9"));
	CU_ASSERT(has("ip -o addr show dev one", "10.1.0.5/24"));
	CU_ASSERT(kernel_address_add("one", &fifth, 24, why) < 0 && strstr(why, "exists") != NULL);
	CU_ASSERT(kernel_address_take(&taken, "one", &ninth, why) == 0);
	kernel_address_free(&taken);
	end();
}

UNIT_CASE(what_is_not_there)
{
	union endpoint first = address("10.1.0.1");
	struct kernel_address taken;

	CU_ASSERT(kernel_address_take(&taken, "lo", &first, why) < 0);
	CU_ASSERT_STRING_EQUAL(why, "interface lo does not have the address 10.1.0.1");
	CU_ASSERT(kernel_address_take(&taken, "none", &first, why) < 0);
	CU_ASSERT_STRING_EQUAL(why, "there is no interface none");
	UNIT_EQ(kernel_address_return(&taken, why), 0);
	CU_ASSERT(kernel_address_add("none", &first, 24, why) < 0);
}

static const struct unit_case cases[] = {
	UNIT_RUN(the_others_stay),
	UNIT_RUN(the_last_one_of_an_interface),
	UNIT_RUN(one_that_comes_from_elsewhere),
	UNIT_RUN(what_is_not_there),
};

int
main(int argc, char **argv)
{
	kernel_net_make();
	return unit_main(argc, argv, __FILE__, cases, sizeof(cases) / sizeof(cases[0]));
}
