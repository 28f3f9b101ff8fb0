/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See lock.h. A table of nftables of our own, with the 4-tuples in two sets, looked at before
 * anything else of netfilter sees a packet: before defragmentation and connection tracking. It has
 * the `owner` flag: nobody else changes it, and the kernel removes it with the netlink socket that
 * made it. A kernel before 5.12 does not know the flag; there the table stays if the process is
 * killed, under a name that says what it is.
 *
 *     prerouting  remote -> local   drop
 *     output      local -> remote   drop
 *
 * What was beyond the filter when it came, in the device or in the socket's backlog, is not held
 * up: who reads a locked socket looks twice.
 */
#include "lock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <nftables/libnftables.h>

enum {
	TABLE_TEXT = 1024,  /* bytes of the rules, without the elements */
	ELEMENT_TEXT = 128, /* of an element: two IPv6 addresses, two ports */
	TABLE_NAME_TEXT = 48,
};

struct lock {
	struct nft_ctx *nft;
	char table[TABLE_NAME_TEXT];
};

/* Says in a line what libnftables says in several. */
static void
explain(struct nft_ctx *nft, const char *what, char *why, size_t size)
{
	const char *said = nft_ctx_get_error_buffer(nft);
	size_t n = said == NULL ? 0 : strcspn(said, "\n");

	if (geteuid() != 0 && n == 0)
		said = "that takes CAP_NET_ADMIN", n = strlen(said);
	snprintf(why, size, "the packet filter: cannot %s: %.*s", what, n > 200 ? 200 : (int)n,
		 n == 0 ? "" : said);
}

/* Appends the elements of a family's set, if it has any. */
static size_t
add_elements(char *text, size_t size, const char *table, int family,
	     const struct endpoints *connections, unsigned int n)
{
	char local[ENDPOINT_TEXT], remote[ENDPOINT_TEXT];
	size_t used = 0;

	for (unsigned int i = 0; i < n; i++) {
		const struct endpoints *c = &connections[i];

		if (c->local.any.sa_family != family)
			continue;
		if (used == 0)
			used = (size_t)snprintf(text, size, "add element inet %s v%c {", table,
						family == AF_INET ? '4' : '6');
		used += (size_t)snprintf(
			text + used, size - used, " %s . %u . %s . %u,",
			endpoint_address_text(&c->local, local), endpoint_port(&c->local),
			endpoint_address_text(&c->remote, remote), endpoint_port(&c->remote));
	}
	if (used > 0)
		used += (size_t)snprintf(text + used - 1, size - used + 1, " }\n") - 1;
	return used;
}

/* The whole as one transaction, which takes effect at once or not at all. */
static char *
make_rules(const char *table, bool owner, const struct endpoints *connections, unsigned int n)
{
	size_t size = TABLE_TEXT + ((size_t)n + 1) * ELEMENT_TEXT, used;
	char *text = malloc(size);

	if (text == NULL)
		return NULL;
	used = (size_t)snprintf(
		text, size,
		"table inet %s {\n%s"
		"set v4 { type ipv4_addr . inet_service . ipv4_addr . inet_service; }\n"
		"set v6 { type ipv6_addr . inet_service . ipv6_addr . inet_service; }\n"
		"chain in { type filter hook prerouting priority -500; policy accept;\n"
		"iif lo meta mark %d accept\n"
		"ip daddr . tcp dport . ip saddr . tcp sport @v4 drop\n"
		"ip6 daddr . tcp dport . ip6 saddr . tcp sport @v6 drop\n}\n"
		"chain out { type filter hook output priority -500; policy accept;\n"
		"oif lo meta mark %d accept\n"
		"ip saddr . tcp sport . ip daddr . tcp dport @v4 drop\n"
		"ip6 saddr . tcp sport . ip6 daddr . tcp dport @v6 drop\n}\n}\n",
		table, owner ? "flags owner;\n" : "", LOCK_PASS_MARK, LOCK_PASS_MARK);
	used += add_elements(text + used, size - used, table, AF_INET, connections, n);
	add_elements(text + used, size - used, table, AF_INET6, connections, n);
	return text;
}

static int
run(struct lock *lock, bool owner, const struct endpoints *connections, unsigned int n)
{
	char *rules = make_rules(lock->table, owner, connections, n);
	int status = rules == NULL ? -1 : nft_run_cmd_from_buffer(lock->nft, rules);

	free(rules);
	return status;
}

struct lock *
lock_take(const struct endpoints *connections, unsigned int n, char *why, size_t size)
{
	static atomic_uint count;
	struct lock *lock = calloc(1, sizeof(*lock));

	if (lock == NULL || (lock->nft = nft_ctx_new(NFT_CTX_DEFAULT)) == NULL) {
		snprintf(why, size, "the packet filter: no memory");
		free(lock);
		return NULL;
	}
	nft_ctx_buffer_error(lock->nft);
	snprintf(lock->table, sizeof(lock->table), "tern_lock_%d_%u", (int)getpid(),
		 atomic_fetch_add(&count, 1));
	if (run(lock, true, connections, n) != 0 && run(lock, false, connections, n) != 0) {
		explain(lock->nft, "lock the connection", why, size);
		nft_ctx_free(lock->nft);
		free(lock);
		return NULL;
	}
	return lock;
}

void
lock_release(struct lock *lock)
{
	char command[TABLE_NAME_TEXT + 32];

	if (lock == NULL)
		return;
	snprintf(command, sizeof(command), "delete table inet %s", lock->table);
	nft_run_cmd_from_buffer(lock->nft, command);
	nft_ctx_free(lock->nft);
	free(lock);
}
