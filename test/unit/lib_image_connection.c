/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/image_connection.c: what is folded into one field is unfolded as it was, and lies as the
 * header says; a message that it cannot say stays; what does not fit together is refused with a
 * sentence that says where.
 */
#include "unit.h"

#include "lib/image.h"

static const uint8_t ip4s[] = {198, 18, 0, 2, 198, 18, 0, 1};
static const uint8_t ip6s[] = "0123456789abcdefFEDCBA9876543210";
static const uint8_t rows[] = {1, 0};

static struct image_bytes
bytes_of(const void *at, size_t n)
{
	return (struct image_bytes){at, n};
}

static struct image_message
message_of(const uint8_t *addresses, size_t n)
{
	struct image_message m;

	image_message_init(&m);
	IMAGE_SET(&m, tern, 1);
	IMAGE_SET(&m, local_address, bytes_of(addresses, n));
	IMAGE_SET(&m, remote_address, bytes_of(addresses + n, n));
	IMAGE_SET(&m, local_port, 80);
	IMAGE_SET(&m, remote_port, 41234);
	IMAGE_SET(&m, rows, bytes_of(rows, sizeof(rows)));
	return m;
}

static void
same_bytes(const struct image_bytes *a, const struct image_bytes *b)
{
	UNIT_EQ(a->n, b->n);
	CU_ASSERT(a->n == b->n && (a->n == 0 || memcmp(a->at, b->at, a->n) == 0));
}

#define HAS_REQUIRED(m, name) true
#define HAS_OPTIONAL(m, name) (m)->has.name

/* But for `state`, which is always there when it is unfolded. */
static void
same_message(const struct image_message *a, const struct image_message *b)
{
#define IMAGE_NUMBER(rule, kind, type, number, name_, value)                                       \
	UNIT_EQ(a->name_, b->name_);                                                               \
	if (number != IMAGE_FIELD_state)                                                           \
		UNIT_EQ(HAS_##rule(a, name_), HAS_##rule(b, name_));
#define IMAGE_BYTES(rule, kind, number, name_, text)                                               \
	same_bytes(&a->name_, &b->name_);                                                          \
	UNIT_EQ(a->has.name_, b->has.name_);
#include "image_fields.def"
}

/* Folded, written, read from memory that ends where it ends. */
static void
goes_through(const struct image_message *m)
{
	static uint8_t folded[IMAGE_CONNECTION_MAX], file[IMAGE_HEAD_MAX];
	struct image image, read;
	char why[IMAGE_WHY_BYTES];
	uint8_t *exact;
	size_t n;

	image_init(&image);
	image.message = *m;
	CU_ASSERT_FATAL(image_connection_fold(&image.message, folded));
	UNIT_EQ(image.message.has.tern, false);
	UNIT_EQ(image.message.has.rows, false);
	n = image_write_head(&image, file, sizeof(file));
	CU_ASSERT_FATAL(n > 0);
	exact = malloc(n);
	memcpy(exact, file, n);
	UNIT_EQ(image_read_head(&read, exact, n, why), n);
	same_message(m, &read.message);
	free(exact);
}

UNIT_CASE(what_is_folded_is_unfolded)
{
	static uint8_t saved[IMAGE_SERVICE_STATE_MAX];
	struct image_message m = message_of(ip4s, 4);

	goes_through(&m);
	m = message_of(ip6s, 16);
	m.local_port = 0;
	m.remote_port = UINT16_MAX;
	goes_through(&m);
	IMAGE_SET(&m, state, 4);
	IMAGE_SET(&m, service, bytes_of("echo", 4));
	IMAGE_SET(&m, nodelay, true);
	goes_through(&m);
	memset(saved, 7, sizeof(saved));
	IMAGE_SET(&m, service, bytes_of(saved, IMAGE_SERVICE_NAME_MAX));
	IMAGE_SET(&m, service_state, bytes_of(saved, sizeof(saved)));
	IMAGE_SET(&m, congestion, bytes_of("newreno", 7));
	goes_through(&m);
	IMAGE_SET(&m, rows, bytes_of("", 0));
	goes_through(&m);
}

UNIT_CASE(it_lies_as_the_header_says)
{
	static const uint8_t layout[] = {1,   4,   80,  0,   0x12, 0xa1, 4,   4, 3,
					 0,   198, 18,  0,   2,    198,  18,  0, 1,
					 'e', 'c', 'h', 'o', 's',  'a',  'v', 1, 0};
	static uint8_t folded[IMAGE_CONNECTION_MAX];
	struct image_message m = message_of(ip4s, 4);

	IMAGE_SET(&m, state, 4);
	IMAGE_SET(&m, service, bytes_of("echo", 4));
	IMAGE_SET(&m, service_state, bytes_of("sav", 3));
	CU_ASSERT(image_connection_fold(&m, folded));
	UNIT_EQ(m.connection.n, sizeof(layout));
	UNIT_EQ(memcmp(folded, layout, sizeof(layout)), 0);
}

#define STAYS(change)                                                                              \
	do {                                                                                       \
		struct image_message m = message_of(ip4s, 4), before;                              \
                                                                                                   \
		change;                                                                            \
		before = m;                                                                        \
		CU_ASSERT(!image_connection_fold(&m, folded));                                     \
		UNIT_EQ(memcmp(&m, &before, sizeof(m)), 0);                                        \
	} while (0)

UNIT_CASE(what_it_cannot_say_stays)
{
	static uint8_t folded[IMAGE_CONNECTION_MAX], long_text[IMAGE_CONNECTION_STATE_MAX + 1];

	STAYS(m.has.tern = false);
	STAYS(m.tern = 2);
	STAYS(m.has.local_address = false);
	STAYS(m.has.remote_port = false);
	STAYS(m.local_port = UINT16_MAX + 1);
	STAYS(m.remote_port = UINT16_MAX + 1);
	STAYS(m.remote_address.n = 3);
	STAYS(m.local_address.n = m.remote_address.n = 5);
	STAYS(IMAGE_SET(&m, state, 256));
	STAYS(IMAGE_SET(&m, service, bytes_of(long_text, IMAGE_CONNECTION_NAME_MAX + 1)));
	STAYS(IMAGE_SET(&m, service_state, bytes_of(long_text, sizeof(long_text))));
	STAYS(IMAGE_SET(&m, rows, bytes_of(long_text, IMAGE_ROWS_MAX + 1)));
	STAYS(IMAGE_SET(&m, connection, bytes_of(long_text, 20)));
}

/* Refused, wherever it ends before its rows; the rows are for who reads them. */
UNIT_CASE(cut_short_it_is_refused)
{
	static uint8_t folded[IMAGE_CONNECTION_MAX];
	struct image_message m = message_of(ip4s, 4), cut;
	char why[IMAGE_WHY_BYTES];
	size_t n;

	IMAGE_SET(&m, service, bytes_of("echo", 4));
	IMAGE_SET(&m, service_state, bytes_of("sav", 3));
	CU_ASSERT(image_connection_fold(&m, folded));
	n = m.connection.n - sizeof(rows);
	for (size_t i = 0; i <= n; i++) {
		uint8_t *exact = malloc(i + (i == 0));

		memcpy(exact, folded, i);
		cut = m;
		cut.connection = bytes_of(exact, i);
		why[0] = '\0';
		UNIT_EQ(image_connection_unfold(&cut, why), i == n);
		CU_ASSERT(i == n || strstr(why, "before its rows") != NULL);
		free(exact);
	}
	UNIT_EQ(cut.has.rows, true);
	UNIT_EQ(cut.rows.n, 0);
}

static void
refused(const struct image_message *from, const char *sentence)
{
	struct image_message m = *from;
	char why[IMAGE_WHY_BYTES] = "";

	CU_ASSERT(!image_connection_unfold(&m, why));
	CU_ASSERT_STRING_EQUAL(why, sentence);
}

UNIT_CASE(what_does_not_fit_is_told)
{
	static uint8_t folded[IMAGE_CONNECTION_MAX];
	struct image_message m = message_of(ip4s, 4), two;
	char why[IMAGE_WHY_BYTES];

	CU_ASSERT(image_connection_unfold(&m, why));
	CU_ASSERT(image_connection_fold(&m, folded));
#define TWICE(name_, ...)                                                                          \
	two = m;                                                                                   \
	IMAGE_SET(&two, name_, __VA_ARGS__);                                                       \
	refused(&two, "field 1010, connection: of the fields 1000 to 1007 and 1009, which it "     \
		      "stands for, some are there, too");
	TWICE(tern, 1)
	TWICE(local_address, bytes_of(ip4s, 4))
	TWICE(remote_address, bytes_of(ip4s, 4))
	TWICE(local_port, 1)
	TWICE(remote_port, 1)
	TWICE(state, 1)
	TWICE(service, bytes_of("echo", 4))
	TWICE(service_state, bytes_of("echo", 4))
	TWICE(rows, bytes_of(rows, sizeof(rows)))
	folded[6] = 5;
	refused(&m, "field 1010, connection: addresses of 5 bytes, where there are 4, or 16");
	folded[0] = 2;
	refused(&m, "field 1010, connection: layout 2 is none that is known here, as 1 is");
}

UNIT_MAIN(UNIT_RUN(what_is_folded_is_unfolded), UNIT_RUN(it_lies_as_the_header_says),
	  UNIT_RUN(what_it_cannot_say_stays), UNIT_RUN(cut_short_it_is_refused),
	  UNIT_RUN(what_does_not_fit_is_told))
