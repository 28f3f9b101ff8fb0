/* SPDX-License-Identifier: BSD-3-Clause */
/* lib/ss_filter.c: which connections ss' words choose. */
#include "lib/ss.h"
#include "unit.h"

enum { WORDS = 16 };

/* Splits a text at its spaces. Returns what the filter says of it. */
static const char *
parse(struct ss_filter *filter, const char *text, char *buf, size_t size)
{
	char *words[WORDS], *rest = buf, *word;
	int n = 0;

	snprintf(buf, size, "%s", text);
	*filter = (struct ss_filter){.states = SS_ALL};
	while ((word = strsep(&rest, " ")) != NULL)
		words[n++] = word;
	return ss_filter_parse(filter, n, words);
}

static bool
chooses(const char *text, const char *state, const char *local, const char *remote, int family)
{
	json_t *c = json_pack("{s:s,s:s,s:s,s:i}", "state", state, "local", local, "remote", remote,
			      "family", family);
	struct ss_filter filter;
	char buf[256];
	bool matches;

	CU_ASSERT_PTR_NULL(parse(&filter, text, buf, sizeof(buf)));
	matches = ss_filter_matches(&filter, c);
	json_decref(c);
	return matches;
}

static void
not_as_expected(const char *text)
{
	printf("\n  %s", text);
	CU_FAIL("not as expected");
}

UNIT_CASE(states)
{
	static const struct {
		const char *text, *state;
		bool chosen;
	} rows[] = {
		{"state established", "ESTAB", true},
		{"state ESTABLISHED", "ESTAB", true},
		{"state established", "LISTEN", false},
		{"state syn-sent state syn-recv", "SYN-RECV", true},
		{"state syn-sent state syn-recv", "ESTAB", false},
		{"state all", "TIME-WAIT", true},
		{"state connected", "LISTEN", false},
		{"state connected", "MUTE", false},
		{"state mute", "MUTE", true},
		{"state all", "MUTE", true},
		{"state big", "MUTE", false},
		{"state connected", "TIME-WAIT", true},
		{"state synchronized", "SYN-SENT", false},
		{"state bucket", "SYN-RECV", true},
		{"state big", "TIME-WAIT", false},
		{"exclude listening", "LISTEN", false},
		{"exclude listening", "ESTAB", true},
		{"state connected exclude time-wait", "TIME-WAIT", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (chooses(rows[i].text, rows[i].state, "1.2.3.4:5", "6.7.8.9:10", 4) !=
		    rows[i].chosen)
			not_as_expected(rows[i].text);
}

UNIT_CASE(ends)
{
	static const struct {
		const char *text, *local, *remote;
		bool chosen;
	} rows[] = {
		{"sport 80", "1.2.3.4:80", "5.6.7.8:9", true},
		{"sport = :80", "1.2.3.4:80", "5.6.7.8:9", true},
		{"dport = :80", "1.2.3.4:80", "5.6.7.8:9", false},
		{"sport > 80", "1.2.3.4:80", "5.6.7.8:9", false},
		{"sport >= 80 and dport < 10", "1.2.3.4:80", "5.6.7.8:9", true},
		{"sport ge 80 dport neq 9", "1.2.3.4:80", "5.6.7.8:9", false},
		{"sport = :80", "[2001:db8::1]:80", "[2001:db8::2]:9", true},
		{"sport = :80", "*:80", "*:*", true},
		{"src 1.2.3.4", "1.2.3.4:80", "5.6.7.8:9", true},
		{"src = 1.2.3.4:80", "1.2.3.4:80", "5.6.7.8:9", true},
		{"src 1.2.3.4:81", "1.2.3.4:80", "5.6.7.8:9", false},
		{"src != 1.2.3.4", "1.2.3.4:80", "5.6.7.8:9", false},
		{"dst 5.6.0.0/16", "1.2.3.4:80", "5.6.7.8:9", true},
		{"dst 5.6.0.0/16:9", "1.2.3.4:80", "5.6.7.8:9", true},
		{"dst 5.7.0.0/16", "1.2.3.4:80", "5.6.7.8:9", false},
		{"dst 5.6.7.9/31", "1.2.3.4:80", "5.6.7.8:9", true},
		{"dst 0.0.0.0/0", "1.2.3.4:80", "[2001:db8::2]:9", false},
		{"dst 5.6.7.8", "[::ffff:1.2.3.4]:80", "[::ffff:5.6.7.8]:9", true},
		{"dst 2001:db8::2", "[2001:db8::1]:80", "[2001:db8::2]:9", true},
		{"dst [2001:db8::2]", "[2001:db8::1]:80", "[2001:db8::2]:9", true},
		{"dst [2001:db8::2]:9", "[2001:db8::1]:80", "[2001:db8::2]:9", true},
		{"dst [2001:db8::2]:8", "[2001:db8::1]:80", "[2001:db8::2]:9", false},
		{"dst [2001:db8::]/32:9", "[2001:db8::1]:80", "[2001:db8:1::2]:9", true},
		{"dst 2001:db9::/32", "[2001:db8::1]:80", "[2001:db8:1::2]:9", false},
		{"dst :9", "1.2.3.4:80", "5.6.7.8:9", true},
		{"src *:80", "1.2.3.4:80", "5.6.7.8:9", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (chooses(rows[i].text, "ESTAB", rows[i].local, rows[i].remote, 4) !=
		    rows[i].chosen)
			not_as_expected(rows[i].text);
}

UNIT_CASE(families)
{
	struct ss_filter filter = {.states = SS_ALL, .families = 2};
	json_t *c = json_pack("{s:s,s:i}", "state", "ESTAB", "family", 4);

	CU_ASSERT(!ss_filter_matches(&filter, c));
	json_object_set_new(c, "family", json_integer(6));
	CU_ASSERT(ss_filter_matches(&filter, c));
	filter.families = 3;
	CU_ASSERT(ss_filter_matches(&filter, c));
	json_decref(c);
}

/* As in a shell: ss 'sport = :80 and' dport 9. */
UNIT_CASE(words_may_stand_in_one_argument)
{
	static const struct {
		const char *first, *second;
		unsigned int n;
	} rows[] = {
		{"sport = :80", "", 1},
		{"  sport\t=  :80 ", " dport 9", 2},
		{"sport = :80 and", "dport 9", 2},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ss_filter filter = {.states = SS_ALL};
		char first[32], second[32], *arguments[] = {first, second};

		snprintf(first, sizeof(first), "%s", rows[i].first);
		snprintf(second, sizeof(second), "%s", rows[i].second);
		CU_ASSERT_PTR_NULL(ss_filter_parse(&filter, 2, arguments));
		UNIT_EQ(filter.n, rows[i].n);
		UNIT_EQ(filter.conditions[0].port, 80);
	}
}

/* The word that is wrong, or the last there is where one is missing. */
UNIT_CASE(what_is_wrong_is_shown)
{
	static const struct {
		const char *text, *wrong;
	} rows[] = {
		{"state none", "none"},        {"sport 80 hold on", "hold"}, {"dst 1.2.3", "1.2.3"},
		{"sport 80 dport =", "dport"}, {"state", "state"},
	};
	struct ss_filter filter;
	char buf[64];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CU_ASSERT_PTR_NOT_NULL(parse(&filter, rows[i].text, buf, sizeof(buf)));
		CU_ASSERT_STRING_EQUAL(filter.wrong, rows[i].wrong);
	}
}

UNIT_CASE(too_many_words_are_refused)
{
	struct ss_filter filter = {.states = SS_ALL};
	char text[2 * SS_WORDS + 3], *arguments[] = {text};

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 == 0 ? 'x' : ' ';
	text[sizeof(text) - 1] = '\0';
	CU_ASSERT_PTR_NOT_NULL(ss_filter_parse(&filter, 1, arguments));
}

UNIT_CASE(nonsense_is_refused)
{
	static const char *const texts[] = {
		"state",           "state none",      "sport",         "sport =",
		"sport 65536",     "sport x",         "sport -1",      "dst",
		"dst 1.2.3",       "dst 1.2.3.4/33",  "dst [::1",      "dst [::1]x",
		"dst ::1/129",     "dst 1.2.3.4:x",   "dst < 1.2.3.4", "or",
		"dst 1.2.3.4:80:", "( sport = :80 )", "exclude",       "not sport 80",
	};
	struct ss_filter filter;
	char buf[256];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (parse(&filter, texts[i], buf, sizeof(buf)) == NULL)
			not_as_expected(texts[i]);
	/* More conditions than there is room for. */
	filter = (struct ss_filter){.n = SS_CONDITIONS - 1};
	for (unsigned int i = 0; i < 2; i++) {
		char *words[] = {strcpy(buf, "sport"), strcpy(buf + 10, "80")};

		UNIT_EQ(ss_filter_parse(&filter, 2, words) != NULL, i == 1);
	}
}

UNIT_MAIN(UNIT_RUN(states), UNIT_RUN(ends), UNIT_RUN(families),
	  UNIT_RUN(words_may_stand_in_one_argument), UNIT_RUN(what_is_wrong_is_shown),
	  UNIT_RUN(too_many_words_are_refused), UNIT_RUN(nonsense_is_refused))
