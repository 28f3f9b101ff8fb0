/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The SMC-R capability, RFC 7609 Appendix A: an option in SYN and SYN-ACK, and a flag that says
 * whether it was in both.
 *
 * As Linux: the flag is set by the user before connect() or listen(). A client's is cleared when
 * the SYN-ACK, or the SYN that crossed ours, lacks the option; a listener answers with the option
 * if its own flag is set and the SYN had it. The option stays in SYNs that are sent again.
 *
 * What does not fit behind the other options is left out, and then the flag is cleared, too.
 * DEVIATION: Linux believes that it was said; but then each side waits for a message of the
 * other's. test/wire/smc_fastopen.c:smc_that_did_not_fit
 *
 * SYN cookies cannot carry it: tcp_syncookie_make() takes it from its request.
 */
#include <errno.h>

#include <rte_common.h>

#include "engine.h"
#include "sockopt.h"

void
tcp_smc_connect(struct tcp_conn *c)
{
	c->smc.syn_out = false;
	c->smc.syn |= c->smc.speaks_clc;
}

void
tcp_smc_listen(struct tcp_conn *c)
{
	c->smc.syn |= c->smc.speaks_clc;
}

void
tcp_smc_enable(struct tcp_conn *c)
{
	c->smc.speaks_clc = true;
	c->smc.syn = true;
}

void
tcp_smc_fall_back(struct tcp_conn *c)
{
	if (!c->smc.speaks_clc)
		return;
	c->smc.speaks_clc = false;
	c->smc.syn = false;
}

unsigned int
tcp_smc_put(struct tcp_conn *c, uint8_t *bytes, unsigned int n)
{
	unsigned int with = c->smc.syn ? tcp_options_append_smc(bytes, n) : n;

	if (with > n)
		c->smc.syn_out = true;
	return with;
}

unsigned int
tcp_smc_put_request(struct tcp_request *r, uint8_t *bytes, unsigned int n)
{
	unsigned int with = r->smc ? tcp_options_append_smc(bytes, n) : n;

	r->smc = with > n;
	if (r->use == REQUEST_CHILD)
		r->child->smc.syn = r->smc;
	return with;
}

void
tcp_smc_syn_arrives(struct tcp_conn *c, const struct tcp_segment *seg)
{
	c->smc.syn = c->smc.syn && c->smc.syn_out && seg->opt.smc;
}

void
tcp_smc_request(struct tcp_request *r, const struct tcp_segment *seg)
{
	const struct tcp_smc *l = &r->listener->c->smc;
	/* Whose first bytes may be in the SYN does not wait with them for CLC. */
	bool early = l->speaks_clc && (seg->len > 0 || seg->opt.has_fastopen);

	r->smc = l->syn && seg->opt.smc && !early;
}

void
tcp_smc_inherit(struct tcp_conn *c, const struct tcp_request *r)
{
	c->smc.syn = r->smc;
}

static int
set_syn_smc(struct tcp_conn *c, int v)
{
	if ((v != 0 && v != 1) || (c->state != TCP_CLOSED && c->state != TCP_LISTEN))
		return -EINVAL;
	if (v == 0)
		tcp_smc_fall_back(c);
	c->smc.syn = v != 0;
	return 0;
}

static int
get_syn_smc(struct tcp_conn *c)
{
	return c->smc.syn;
}

static const struct tcp_int_option ints[] = {
	{IPPROTO_TCP, TCP_OPT_SYN_SMC, set_syn_smc, get_syn_smc, 0},
};

const struct tcp_option_list tcp_smc_options = {ints, RTE_DIM(ints), NULL, 0};
