/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The second line of `tern ss -i`: the words, units and order of ss -i (iproute2), and like there a
 * word stands only where there is something to tell.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "ss.h"

/* Bits of "options", as in TCP_INFO. */
enum {
	OPTION_TIMESTAMPS = 1,
	OPTION_SACK = 2,
	OPTION_WSCALE = 4,
	OPTION_ECN = 8,
	OPTION_ECN_SEEN = 16,
	OPTION_SYN_DATA = 32,
};

enum {
	REORDERING_USUAL = 3,
	SSTHRESH_NONE = 0xffff, /* as large, and ss takes it for not set */
};

/* " word:value", unless it is 0. */
static void
word(const json_t *d, const char *key, const char *name)
{
	if (client_number(d, key) != 0)
		printf(" %s:%lld", name, client_number(d, key));
}

static void
milliseconds(const json_t *d, const char *key, const char *name)
{
	if (client_number(d, key) != 0)
		printf(" %s:%g", name, (double)client_number(d, key) / 1e3);
}

/* Bits a second: all digits, or three and a unit. */
static void
print_rate(const char *before, double bits, bool numeric)
{
	static const char units[] = {'\0', 'K', 'M', 'G', 'T'};
	unsigned int unit = 0;

	if (numeric) {
		printf("%s%.0fbps", before, bits);
		return;
	}
	for (; bits >= 1000 && unit + 1 < sizeof(units); unit++)
		bits /= 1000;
	printf("%s%.3g%.*sbps", before, bits, unit == 0 ? 0 : 1, &units[unit]);
}

static void
rate(const json_t *d, const char *key, const char *before, bool numeric)
{
	if (client_number(d, key) != 0)
		print_rate(before, (double)client_number(d, key) * 8, numeric);
}

static void
print_options(const json_t *d)
{
	long long options = client_number(d, "options");

	fputs(options & OPTION_TIMESTAMPS ? " ts" : "", stdout);
	fputs(options & OPTION_SACK ? " sack" : "", stdout);
	fputs(options & OPTION_ECN ? " ecn" : "", stdout);
	fputs(options & OPTION_ECN_SEEN ? " ecnseen" : "", stdout);
	fputs(options & OPTION_SYN_DATA ? " fastopen" : "", stdout);
}

static void
print_times_and_sizes(const json_t *c, const json_t *d)
{
	if (client_number(d, "options") & OPTION_WSCALE)
		printf(" wscale:%lld,%lld", client_number(c, "snd_wscale"),
		       client_number(c, "rcv_wscale"));
	milliseconds(d, "rto", "rto");
	word(d, "backoff", "backoff");
	if (client_number(d, "rtt") != 0)
		printf(" rtt:%g/%g", (double)client_number(d, "rtt") / 1e3,
		       (double)client_number(d, "rttvar") / 1e3);
	milliseconds(d, "ato", "ato");
	word(d, "snd_mss", "mss");
	word(d, "pmtu", "pmtu");
	word(d, "rcv_mss", "rcvmss");
	word(d, "advmss", "advmss");
	word(d, "snd_cwnd", "cwnd");
	if (client_number(d, "snd_ssthresh") < SSTHRESH_NONE)
		word(d, "snd_ssthresh", "ssthresh");
}

static void
print_totals(const json_t *d)
{
	word(d, "bytes_sent", "bytes_sent");
	word(d, "bytes_retrans", "bytes_retrans");
	word(d, "bytes_acked", "bytes_acked");
	word(d, "bytes_received", "bytes_received");
	word(d, "segs_out", "segs_out");
	word(d, "segs_in", "segs_in");
	word(d, "data_segs_out", "data_segs_out");
	word(d, "data_segs_in", "data_segs_in");
}

static void
print_rates(const json_t *d, bool numeric)
{
	double window = (double)client_number(d, "snd_cwnd") * (double)client_number(d, "snd_mss");

	if (client_number(d, "rtt") != 0 && window > 0)
		print_rate(" send ", window * 8e6 / (double)client_number(d, "rtt"), numeric);
	word(d, "last_data_sent", "lastsnd");
	word(d, "last_data_recv", "lastrcv");
	word(d, "last_ack_recv", "lastack");
	rate(d, "pacing_rate", " pacing_rate ", numeric);
	if (client_number(d, "pacing_rate") != 0)
		rate(d, "max_pacing_rate", "/", numeric);
	rate(d, "delivery_rate", " delivery_rate ", numeric);
	word(d, "delivered", "delivered");
	word(d, "delivered_ce", "delivered_ce");
	if (json_is_true(json_object_get(d, "app_limited")))
		fputs(" app_limited", stdout);
}

/* Part of the time that it was busy. */
static void
print_limited(const json_t *d, const char *key)
{
	if (client_number(d, key) != 0)
		printf(" %s:%lldms(%.1f%%)", key, client_number(d, key) / 1000,
		       100.0 * (double)client_number(d, key) /
			       (double)client_number(d, "busy_time"));
}

static void
print_losses(const json_t *d)
{
	if (client_number(d, "busy_time") != 0) {
		printf(" busy:%lldms", client_number(d, "busy_time") / 1000);
		print_limited(d, "rwnd_limited");
		print_limited(d, "sndbuf_limited");
	}
	word(d, "unacked", "unacked");
	if (client_number(d, "retrans") != 0 || client_number(d, "total_retrans") != 0)
		printf(" retrans:%lld/%lld", client_number(d, "retrans"),
		       client_number(d, "total_retrans"));
	word(d, "lost", "lost");
	word(d, "sacked", "sacked");
	word(d, "dsack_dups", "dsack_dups");
	if (client_number(d, "reordering") != REORDERING_USUAL)
		word(d, "reordering", "reordering");
	word(d, "reord_seen", "reord_seen");
}

static void
print_receiver(const json_t *d)
{
	milliseconds(d, "rcv_rtt", "rcv_rtt");
	word(d, "rcv_space", "rcv_space");
	word(d, "rcv_ssthresh", "rcv_ssthresh");
	word(d, "notsent_bytes", "notsent");
	milliseconds(d, "min_rtt", "minrtt");
	word(d, "rcv_ooopack", "rcv_ooopack");
	word(d, "snd_wnd", "snd_wnd");
	word(d, "rcv_wnd", "rcv_wnd");
}

void
ss_print_info(const json_t *connection, bool options, bool numeric)
{
	const json_t *d = json_object_get(connection, "details");
	const char *state = json_string_value(json_object_get(connection, "state"));
	const char *congestion = json_string_value(json_object_get(d, "congestion"));

	if (d == NULL || state == NULL)
		return;
	if (options)
		print_options(d);
	if (congestion != NULL)
		printf(" %s", congestion);
	if (strcmp(state, "LISTEN") == 0) {
		word(d, "snd_cwnd", "cwnd");
		word(d, "unacked", "unacked");
		return;
	}
	print_times_and_sizes(connection, d);
	print_totals(d);
	print_rates(d, numeric);
	print_losses(d);
	print_receiver(d);
}
