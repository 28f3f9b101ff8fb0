/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What scripts set by `sysctl`: read again whenever the file has changed, the last line for a name
 * wins. Names without a meaning here are ignored; a value that is no number counts as 0.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shim.h"

struct setting {
	const char *name;
	void (*take)(struct tcp_config *config, const char *value);
};

static uint32_t
number(const char *text)
{
	return (uint32_t)strtoull(text, NULL, 0);
}

/* The n-th of several numbers, from 0. */
static uint32_t
nth_number(const char *text, int n)
{
	char *end;
	unsigned long long v = 0;

	for (; n >= 0; n--) {
		v = strtoull(text, &end, 0);
		text = end;
	}
	return (uint32_t)v;
}

#define TAKE(setting, expression)                                                                  \
	static void take_##setting(struct tcp_config *config, const char *value)                   \
	{                                                                                          \
		expression;                                                                        \
	}

static void
take_rmem(struct tcp_config *config, const char *value)
{
	config->rcvbuf_bytes = nth_number(value, 1);
	config->rcvbuf_max_bytes = nth_number(value, 2);
}

static void
take_wmem(struct tcp_config *config, const char *value)
{
	config->sndbuf_bytes = nth_number(value, 1);
	config->sndbuf_max_bytes = nth_number(value, 2);
}

static void
take_congestion(struct tcp_config *config, const char *value)
{
	const char *name;

	if (strcmp(value, "reno") == 0)
		value = "newreno";
	for (unsigned int i = 0; (name = tcp_congestion_name(i)) != NULL; i++)
		if (strcmp(name, value) == 0)
			config->congestion = name;
}

/* "AABBCCDD-AABBCCDD-AABBCCDD-AABBCCDD", with a comma before a second one; each group is a
 * little-endian number. */
static void
take_fastopen_key(struct tcp_config *config, const char *value)
{
	struct tcp_fastopen_keys keys = {0};
	unsigned int group[4];

	while (keys.n < 2 &&
	       sscanf(value, "%8x-%8x-%8x-%8x", &group[0], &group[1], &group[2], &group[3]) == 4) {
		for (unsigned int i = 0; i < TCP_FASTOPEN_KEY_BYTES; i++)
			keys.key[keys.n][i] = (uint8_t)(group[i / 4] >> 8 * (i % 4));
		keys.n++;
		value = strchr(value, ',');
		if (value == NULL)
			break;
		value++;
	}
	config->fastopen_keys = keys;
}

TAKE(fastopen, config->fastopen = number(value))
TAKE(fastopen_blackhole, config->fastopen_blackhole_s = number(value))
TAKE(timestamps, config->timestamps = number(value) != 0)
TAKE(sack, config->sack = number(value) != 0)
TAKE(dsack, config->dsack = number(value) != 0)
TAKE(window_scaling, config->window_scaling = number(value) != 0)
TAKE(ecn, config->ecn = (enum tcp_ecn_mode)(number(value) % 3))
TAKE(ecn_fallback, config->ecn_fallback = number(value) != 0)
TAKE(frto, config->frto = number(value) != 0)
TAKE(early_retrans, config->tlp = number(value) >= 3)
TAKE(recovery, config->rack = (number(value) & 1) != 0)
TAKE(reordering, config->reordering = (uint16_t)number(value))
TAKE(max_reordering, config->max_reordering = (uint16_t)number(value))
TAKE(slow_start_after_idle, config->slow_start_after_idle = number(value) != 0)
TAKE(syn_retries, config->syn_retries = (uint8_t)number(value))
TAKE(synack_retries, config->synack_retries = (uint8_t)number(value))
TAKE(retries2, config->retries = (uint8_t)number(value))
TAKE(orphan_retries, config->orphan_retries = (uint8_t)number(value))
TAKE(syncookies, config->syncookies = (enum tcp_syncookies)(number(value) % 3))
TAKE(mtu_probing, config->mtu_probing = (enum tcp_mtu_probing)(number(value) % 3))
TAKE(base_mss, config->base_mss = (uint16_t)number(value))
TAKE(min_rtt_wlen, config->min_rtt_wlen_s = number(value))
TAKE(min_tso_segs, config->min_tso_segs = (uint16_t)number(value))
TAKE(notsent_lowat, config->notsent_lowat_bytes = number(value))
TAKE(keepalive_time, config->keepalive_time_s = number(value))
TAKE(keepalive_intvl, config->keepalive_intvl_s = number(value))
TAKE(keepalive_probes, config->keepalive_probes = (uint8_t)number(value))
TAKE(invalid_ratelimit, config->invalid_ratelimit_ms = number(value))
TAKE(fin_timeout, config->timewait_ms = number(value) * 1000)

static const struct setting settings[] = {
	{"tcp_rmem", take_rmem},
	{"tcp_wmem", take_wmem},
	{"tcp_congestion_control", take_congestion},
	{"tcp_timestamps", take_timestamps},
	{"tcp_sack", take_sack},
	{"tcp_dsack", take_dsack},
	{"tcp_window_scaling", take_window_scaling},
	{"tcp_ecn", take_ecn},
	{"tcp_ecn_fallback", take_ecn_fallback},
	{"tcp_fastopen", take_fastopen},
	{"tcp_fastopen_key", take_fastopen_key},
	{"tcp_fastopen_blackhole_timeout_sec", take_fastopen_blackhole},
	{"tcp_frto", take_frto},
	{"tcp_early_retrans", take_early_retrans},
	{"tcp_recovery", take_recovery},
	{"tcp_reordering", take_reordering},
	{"tcp_max_reordering", take_max_reordering},
	{"tcp_slow_start_after_idle", take_slow_start_after_idle},
	{"tcp_syn_retries", take_syn_retries},
	{"tcp_synack_retries", take_synack_retries},
	{"tcp_retries2", take_retries2},
	{"tcp_orphan_retries", take_orphan_retries},
	{"tcp_syncookies", take_syncookies},
	{"tcp_mtu_probing", take_mtu_probing},
	{"tcp_base_mss", take_base_mss},
	{"tcp_min_rtt_wlen", take_min_rtt_wlen},
	{"tcp_min_tso_segs", take_min_tso_segs},
	{"tcp_notsent_lowat", take_notsent_lowat},
	{"tcp_keepalive_time", take_keepalive_time},
	{"tcp_keepalive_intvl", take_keepalive_intvl},
	{"tcp_keepalive_probes", take_keepalive_probes},
	{"tcp_invalid_ratelimit", take_invalid_ratelimit},
	{"tcp_fin_timeout", take_fin_timeout},
};

/* The route's, by `ip route`, and the interface's, by `ip link`; 0: not set. */
static uint16_t route_mtu, link_mtu;

/* How often `ip tcp_metrics flush` was said. */
static unsigned int flushes;

static void
take_line(struct tcp_config *config, char *line)
{
	static const char prefix[] = "net.ipv4.";
	char *value = strchr(line, '=');

	if (value == NULL)
		return;
	*value++ = '\0';
	value[strcspn(value, "\n")] = '\0';
	if (strcmp(line, "tcp_metrics") == 0)
		flushes += strcmp(value, "flush") == 0;
	if (strcmp(line, "route.mtu") == 0)
		route_mtu = (uint16_t)number(value);
	if (strcmp(line, "link.mtu") == 0)
		link_mtu = (uint16_t)number(value);
	if (strcmp(line, "qdisc") == 0)
		config->pacing = strcmp(value, "fq") == 0;
	if (strcmp(line, "route.initcwnd") == 0)
		config->initial_cwnd = number(value);
	if (strncmp(line, prefix, sizeof(prefix) - 1) != 0)
		return;
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (strcmp(settings[i].name, line + sizeof(prefix) - 1) == 0)
			settings[i].take(config, value);
}

/* What packetdrill's scripts count on where they set nothing. */
static void
suite_defaults(struct tcp_config *config)
{
	config->rcvbuf_bytes = 540000;
	config->rcvbuf_max_bytes = 15 << 20;
	config->sndbuf_bytes = 256 << 10;
	config->sndbuf_max_bytes = 4 << 20;
	config->syn_retries = 5;
	config->synack_retries = 5;
	config->ecn = TCP_ECN_OFF;
	config->initial_cwnd = 10;
}

bool
shim_settings_read(struct tcp_config *config)
{
	static struct timespec seen_at;
	static off_t seen_bytes = -1;
	const char *path = getenv("TERN_SYSCTL_FILE");
	struct stat st = {0};
	char line[512];
	FILE *f = NULL;

	if (path != NULL && stat(path, &st) != 0)
		memset(&st, 0, sizeof(st));
	if (st.st_size == seen_bytes && st.st_mtim.tv_sec == seen_at.tv_sec &&
	    st.st_mtim.tv_nsec == seen_at.tv_nsec)
		return false;
	seen_bytes = st.st_size;
	seen_at = st.st_mtim;
	flushes = 0;
	suite_defaults(config);
	if (path != NULL)
		f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		take_line(config, line);
	if (f != NULL)
		fclose(f);
	return true;
}

unsigned int
shim_flushes(void)
{
	return flushes;
}

/* ---- what scripts ask with `nstat` */

void
shim_counters_write(const struct tcp_engine *engine)
{
	static struct tcp_stats written;
	const char *settings_path = getenv("TERN_SYSCTL_FILE");
	struct tcp_stats now;
	uint64_t values[TCP_STATS_COUNT];
	char path[4096];
	FILE *f;

	tcp_stats_read(engine, &now);
	if (settings_path == NULL || memcmp(&now, &written, sizeof(now)) == 0)
		return;
	written = now;
	snprintf(path, sizeof(path), "%s.counters", settings_path);
	f = fopen(path, "we");
	if (f == NULL)
		return;
	memcpy(values, &now, sizeof(values));
	for (size_t i = 0; i < TCP_STATS_COUNT; i++)
		fprintf(f, "%s %llu\n", tcp_stats_names[i], (unsigned long long)values[i]);
	fclose(f);
}

/* ---- what packetdrill itself was told */

/* The value of --NAME=VALUE at the start of a line of text. */
static bool
find_option(const char *text, const char *name, char *value, size_t room)
{
	size_t n = strlen(name);

	if (strncmp(text, "--", 2) != 0 || strncmp(text + 2, name, n) != 0 || text[2 + n] != '=')
		return false;
	snprintf(value, room, "%s", text + 3 + n);
	value[strcspn(value, " \t\r\n")] = '\0';
	return true;
}

static bool
find_in_script(const char *path, const char *name, char *value, size_t room)
{
	FILE *f = fopen(path, "re");
	char line[256];
	bool found = false;

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = find_option(line, name, value, room);
	if (f != NULL)
		fclose(f);
	return found;
}

/* packetdrill's option, from its command line or, which comes later and wins, its script. */
static bool
packetdrill_option(const char *name, char *value, size_t room)
{
	char arguments[8192], *last = NULL;
	FILE *f = fopen("/proc/self/cmdline", "re");
	size_t n;
	bool found = false;

	if (f == NULL)
		return false;
	n = fread(arguments, 1, sizeof(arguments) - 1, f);
	fclose(f);
	arguments[n] = '\0';
	for (char *at = arguments; at < arguments + n; at += strlen(at) + 1) {
		found |= find_option(at, name, value, room);
		last = at;
	}
	return (last != NULL && find_in_script(last, name, value, room)) || found;
}

struct ip_addr
shim_local_ip(bool is4)
{
	char text[64];
	uint8_t b[16];

	if (!packetdrill_option("local_ip", text, sizeof(text)) ||
	    inet_pton(is4 ? AF_INET : AF_INET6, text, b) != 1)
		(void)inet_pton(is4 ? AF_INET : AF_INET6, is4 ? "192.168.0.1" : "fd3d:fa7b:d17d::1",
				b);
	return is4 ? ip_from4(be32((uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
				   (uint32_t)b[2] << 8 | b[3]))
		   : ip_from6(b);
}

uint16_t
shim_mss(void)
{
	char text[64];

	return packetdrill_option("mss", text, sizeof(text)) ? (uint16_t)number(text) : 0;
}

uint16_t
shim_mtu(void)
{
	char text[64];

	if (route_mtu != 0)
		return route_mtu;
	if (link_mtu != 0)
		return link_mtu;
	return packetdrill_option("mtu", text, sizeof(text)) ? (uint16_t)number(text) : 1500;
}
