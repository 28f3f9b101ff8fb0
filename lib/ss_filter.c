/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which connections `tern ss` shows: ss' words
 *
 *     state NAME, exclude NAME      ESTABLISHED, syn-sent, ..., or a group: all, connected,
 *                                   synchronized, bucket, big
 *     dst, src [=] HOST[/BITS][:PORT]
 *     dport, sport [=, !=, <, >, <=, >=] [:]PORT
 *     and                           between conditions; it may be left out
 *
 * Left out: or, not, brackets, names of hosts and ports.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ss.h"

static const struct {
	const char *word;  /* as a filter's */
	const char *shown; /* in a connection's "state"; NULL: a group */
	unsigned int states;
} states[] = {
	{"established", "ESTAB", SS_ESTABLISHED},
	{"syn-sent", "SYN-SENT", SS_SYN_SENT},
	{"syn-recv", "SYN-RECV", SS_SYN_RECV},
	{"fin-wait-1", "FIN-WAIT-1", SS_FIN_WAIT_1},
	{"fin-wait-2", "FIN-WAIT-2", SS_FIN_WAIT_2},
	{"time-wait", "TIME-WAIT", SS_TIME_WAIT},
	{"unconnected", "UNCONN", SS_CLOSED},
	{"closed", NULL, SS_CLOSED},
	{"close-wait", "CLOSE-WAIT", SS_CLOSE_WAIT},
	{"last-ack", "LAST-ACK", SS_LAST_ACK},
	{"listening", "LISTEN", SS_LISTENING},
	{"listen", NULL, SS_LISTENING},
	{"closing", "CLOSING", SS_CLOSING},
	{"mute", "MUTE", SS_MUTE},
	{"all", NULL, SS_ALL},
	{"connected", NULL, SS_CONNECTED},
	{"synchronized", NULL, SS_CONNECTED & ~SS_SYN_SENT},
	{"bucket", NULL, SS_BUCKET},
	{"big", NULL, SS_ALL & ~SS_BUCKET & ~SS_MUTE},
};

static const struct {
	const char *word;
	enum ss_operator op;
} operators[] = {
	{"=", SS_EQ},   {"==", SS_EQ}, {"eq", SS_EQ}, {"!=", SS_NE},  {"ne", SS_NE}, {"neq", SS_NE},
	{"<", SS_LT},   {"lt", SS_LT}, {">", SS_GT},  {"gt", SS_GT},  {"<=", SS_LE}, {"le", SS_LE},
	{"leq", SS_LE}, {">=", SS_GE}, {"ge", SS_GE}, {"geq", SS_GE},
};

/* ---- Reading words */

static const char *
take_state(struct ss_filter *filter, const char *word, bool exclude)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcasecmp(word, states[i].word) != 0)
			continue;
		if (exclude) {
			if (!filter->states_given)
				filter->states = SS_ALL;
			filter->states &= ~states[i].states;
		} else {
			filter->states =
				(filter->states_given ? filter->states : 0) | states[i].states;
		}
		filter->states_given = true;
		return NULL;
	}
	return "no such state; there are established, listening, connected, time-wait, all, ... as "
	       "ss "
	       "has them";
}

static bool
parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	*port = (uint16_t)value;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && value <= UINT16_MAX;
}

/* An address in the form of both families. */
static bool
parse_ip(const char *text, uint8_t ip[16], bool *ip4)
{
	*ip4 = inet_pton(AF_INET, text, ip + 12) == 1;
	if (!*ip4)
		return inet_pton(AF_INET6, text, ip) == 1;
	memset(ip, 0, 10);
	memset(ip + 10, 0xff, 2);
	return true;
}

/* Cuts HOST, HOST:PORT, [HOST]:PORT, HOST/BITS, *:PORT, :PORT apart; NULL for what is not there. */
static bool
cut_endpoint(char *text, char **host, char **bits, char **port)
{
	char *rest = text;

	*host = text;
	if (text[0] == '[') {
		*host = text + 1;
		rest = strchr(text, ']');
		if (rest == NULL || strchr("/:", rest[1]) == NULL)
			return false;
		*rest++ = '\0';
	}
	*bits = strchr(rest, '/');
	*port = strrchr(rest, ':');
	if (rest == text && strchr(rest, ':') != *port)
		*port = NULL; /* colons of an IPv6 address */
	if (*bits != NULL)
		*(*bits)++ = '\0';
	if (*port != NULL)
		*(*port)++ = '\0';
	return true;
}

static bool
parse_endpoint(char *text, struct ss_condition *c)
{
	char *host, *bits, *port;
	unsigned long n;
	bool ip4;

	if (!cut_endpoint(text, &host, &bits, &port))
		return false;
	c->has_port = port != NULL && strcmp(port, "*") != 0;
	if (c->has_port && !parse_port(port, &c->port))
		return false;
	if (host[0] == '\0' || strcmp(host, "*") == 0)
		return bits == NULL;
	if (!parse_ip(host, c->ip, &ip4))
		return false;
	n = bits == NULL ? (ip4 ? 32 : 128) : strtoul(bits, NULL, 10);
	c->has_ip = true;
	c->bits = (unsigned int)n + (ip4 ? 96 : 0);
	return n <= (ip4 ? 32u : 128u);
}

/* Takes an operator, if the word is one. */
static bool
take_operator(const char *word, enum ss_operator *op)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strcmp(word, operators[i].word) == 0) {
			*op = operators[i].op;
			return true;
		}
	return false;
}

/* A condition that begins with the word at *at; leaves *at at its last word. */
static const char *
take_condition(struct ss_filter *filter, int n, char **words, int *at)
{
	const char *subject = words[*at];
	bool is_port = strcmp(subject, "sport") == 0 || strcmp(subject, "dport") == 0;
	struct ss_condition *c = &filter->conditions[filter->n];
	const char *port;

	if (filter->n == SS_CONDITIONS)
		return "too many conditions";
	*c = (struct ss_condition){.end = subject[0] == 's' ? "local" : "remote"};
	if (++*at < n && take_operator(words[*at], &c->op))
		++*at;
	if (*at >= n)
		return "something is missing at the end";
	filter->n++;
	if (!is_port)
		return c->op > SS_NE                   ? "addresses are equal or not"
		       : parse_endpoint(words[*at], c) ? NULL
						       : "no address";
	port = words[*at] + (words[*at][0] == ':');
	c->has_port = true;
	return parse_port(port, &c->port) ? NULL : "no port";
}

static const char *
parse_words(struct ss_filter *filter, int n, char **words, int *at)
{
	const char *wrong = NULL;

	for (int i = 0; i < n && wrong == NULL; i++) {
		const char *word = words[i];
		bool exclude = strcmp(word, "exclude") == 0 || strcmp(word, "excl") == 0;

		*at = i;
		if (strcmp(word, "and") == 0 || strcmp(word, "&&") == 0)
			continue;
		if (exclude || strcmp(word, "state") == 0)
			wrong = ++i < n ? take_state(filter, words[i], exclude) : "which state?";
		else if (strcmp(word, "src") == 0 || strcmp(word, "dst") == 0 ||
			 strcmp(word, "sport") == 0 || strcmp(word, "dport") == 0)
			wrong = take_condition(filter, n, words, &i);
		else
			wrong = "words are state, exclude, src, dst, sport, dport, and";
		if (i < n)
			*at = i;
	}
	return wrong;
}

const char *
ss_filter_parse(struct ss_filter *filter, int n, char **arguments)
{
	char *words[SS_WORDS], *rest, *word;
	const char *wrong;
	int n_words = 0, at = 0;

	filter->wrong = "";
	for (int i = 0; i < n; i++)
		for (word = strtok_r(arguments[i], " \t", &rest); word != NULL;
		     word = strtok_r(NULL, " \t", &rest)) {
			if (n_words == SS_WORDS)
				return "too many words";
			words[n_words++] = word;
		}
	wrong = parse_words(filter, n_words, words, &at);
	if (wrong != NULL)
		filter->wrong = words[at];
	return wrong;
}

/* ---- Judging connections */

static unsigned int
state_of(const json_t *connection)
{
	const char *state = json_string_value(json_object_get(connection, "state"));

	for (size_t i = 0; state != NULL && i < sizeof(states) / sizeof(states[0]); i++)
		if (states[i].shown != NULL && strcmp(states[i].shown, state) == 0)
			return states[i].states;
	return 0;
}

static bool
shares_prefix(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int whole = bits / 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits % 8);

	return memcmp(a, b, whole) == 0 && (mask == 0 || ((a[whole] ^ b[whole]) & mask) == 0);
}

static bool
compares(uint16_t a, enum ss_operator op, uint16_t b)
{
	switch (op) {
	case SS_EQ:
		return a == b;
	case SS_NE:
		return a != b;
	case SS_LT:
		return a < b;
	case SS_GT:
		return a > b;
	case SS_LE:
		return a <= b;
	default:
		return a >= b;
	}
}

static bool
holds(const struct ss_condition *c, const json_t *connection)
{
	const char *shown = json_string_value(json_object_get(connection, c->end));
	struct ss_condition is = {0};
	char text[128];
	bool same;

	if (shown == NULL || strlen(shown) >= sizeof(text))
		return false;
	strcpy(text, shown);
	if (!parse_endpoint(text, &is))
		return false;
	if (!c->has_ip)
		return !c->has_port || compares(is.port, c->op, c->port);
	same = is.has_ip && shares_prefix(is.ip, c->ip, c->bits) &&
	       (!c->has_port || is.port == c->port);
	return same == (c->op == SS_EQ);
}

bool
ss_filter_matches(const struct ss_filter *filter, const json_t *connection)
{
	long long family = json_integer_value(json_object_get(connection, "family"));

	if ((state_of(connection) & filter->states) == 0 ||
	    (filter->families != 0 && (filter->families & (family == 6 ? 2 : 1)) == 0))
		return false;
	for (unsigned int i = 0; i < filter->n; i++)
		if (!holds(&filter->conditions[i], connection))
			return false;
	return true;
}
