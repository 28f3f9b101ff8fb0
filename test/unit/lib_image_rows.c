/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/image_rows.c: rows are read as they were written, whichever are there; a writer that knew
 * fewer is understood, and of one that knew more what is known; what does not fit together is
 * refused with a sentence that says where.
 */
#include "unit.h"

#include "lib/image_rows.h"

enum { ROUNDS = 500 };

static uint64_t state = 1;

static uint64_t
draw(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return state >> 32 ^ state << 13;
}

/* Any numbers, a part of the rows set. */
static void
draw_rows(struct image_rows *rows, unsigned int share)
{
	image_rows_init(rows);
#define IMAGE_ROW(type, name, value)                                                               \
	if (draw() % 100 < share)                                                                  \
		IMAGE_SET(rows, name, (type)(draw() ^ draw() << 31));
#include "lib/image_rows.def"
}

static unsigned int
differences(const struct image_rows *a, const struct image_rows *b)
{
	unsigned int n = 0;

#define IMAGE_ROW(type, name, value)                                                               \
	if (a->name != b->name || a->has.name != b->has.name)                                      \
		n++, printf("\n  %s differs", #name);
#include "lib/image_rows.def"
	return n;
}

/* Reads from memory that ends where they end. */
static bool
read_rows(struct image_rows *rows, const uint8_t *bytes, size_t n, char why[IMAGE_WHY_BYTES])
{
	struct image_message message;
	uint8_t *exact = malloc(n + (n == 0));
	bool ok;

	image_message_init(&message);
	memcpy(exact, bytes, n);
	IMAGE_SET(&message, rows, (struct image_bytes){exact, n});
	ok = image_rows_read(rows, &message, why);
	free(exact);
	return ok;
}

UNIT_CASE(rows_are_read_as_written)
{
	uint8_t bytes[IMAGE_ROWS_MAX];
	struct image_rows rows, read;
	char why[IMAGE_WHY_BYTES];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		struct image_bytes written;

		draw_rows(&rows, i % 101);
		written = image_rows_write(&rows, bytes);
		CU_ASSERT_FATAL(written.at == bytes && written.n <= IMAGE_ROWS_MAX - 8);
		CU_ASSERT(read_rows(&read, written.at, written.n, why));
		UNIT_EQ(differences(&rows, &read), 0);
	}
}

/* The layout is a promise: so many bytes of bits, then numbers, little-endian. */
UNIT_CASE(they_lie_as_the_header_says)
{
	uint8_t bytes[IMAGE_ROWS_MAX];
	struct image_rows rows;
	struct image_bytes written;

	image_rows_init(&rows);
	IMAGE_SET(&rows, v6only, true);
	IMAGE_SET(&rows, iss, 0x01020304);
	IMAGE_SET(&rows, peer_mss, 1460);
	written = image_rows_write(&rows, bytes);
	UNIT_EQ(written.n, 1 + 18 + 1 + 4 + 2);
	UNIT_EQ(bytes[0], 18);
	UNIT_EQ(bytes[1], 1 << 1 | 1 << 6);
	UNIT_EQ(bytes[2], 1 << 2);
	UNIT_EQ(memcmp(bytes + 19, "\x01\x04\x03\x02\x01\xb4\x05", 7), 0);
	UNIT_EQ(IMAGE_ROW_v6only, 1);
	UNIT_EQ(IMAGE_ROW_iss, 6);
	UNIT_EQ(IMAGE_ROW_peer_mss, 10);
}

UNIT_CASE(who_knew_fewer_is_understood)
{
	struct image_rows rows;
	char why[IMAGE_WHY_BYTES];

	/* none at all; no bits; eight of them */
	CU_ASSERT(read_rows(&rows, (const uint8_t *)"", 0, why));
	CU_ASSERT(read_rows(&rows, (const uint8_t *)"\x00", 1, why));
	UNIT_EQ(rows.cwnd, 10);
	UNIT_EQ(rows.has.cwnd, false);
	CU_ASSERT(read_rows(&rows, (const uint8_t *)"\x01\x05\x01\x07", 4, why));
	UNIT_EQ(rows.ipv6, true);
	UNIT_EQ(rows.active, true); /* all but 0 is */
	UNIT_EQ(rows.has.timestamps, false);
	UNIT_EQ(rows.ttl, 64);
}

UNIT_CASE(of_who_knew_more_the_known_is_read)
{
	uint8_t bytes[IMAGE_ROWS_MAX + 64], more[IMAGE_ROWS_MAX + 64];
	struct image_rows rows, read;
	char why[IMAGE_WHY_BYTES];
	struct image_bytes written;

	draw_rows(&rows, 50);
	written = image_rows_write(&rows, bytes);
	/* two bytes of bits more, and a row of seven bytes */
	more[0] = IMAGE_ROWS_BITS + 2;
	memcpy(more + 1, bytes + 1, IMAGE_ROWS_BITS);
	more[IMAGE_ROWS_BITS + 1] = 0;
	more[IMAGE_ROWS_BITS + 2] = 4;
	memcpy(more + IMAGE_ROWS_BITS + 3, bytes + IMAGE_ROWS_HEAD, written.n - IMAGE_ROWS_HEAD);
	memset(more + written.n + 2, 0xee, 7);
	CU_ASSERT(read_rows(&read, more, written.n + 2 + 7, why));
	UNIT_EQ(differences(&rows, &read), 0);
	/* the same without its bit: bytes that are nothing */
	more[IMAGE_ROWS_BITS + 2] = 0;
	CU_ASSERT(!read_rows(&read, more, written.n + 2 + 7, why));
	CU_ASSERT_STRING_EQUAL(why, "field 1009, rows: 7 bytes behind its last row");
	/* the next one of all, in the last byte of ours */
	if (IMAGE_ROWS % 8 != 0) {
		bytes[IMAGE_ROWS_BITS] |= 1 << IMAGE_ROWS % 8;
		bytes[written.n] = 1;
		CU_ASSERT(read_rows(&read, bytes, written.n + 1, why));
		UNIT_EQ(differences(&rows, &read), 0);
	}
}

UNIT_CASE(cut_short_they_are_refused_wherever)
{
	uint8_t bytes[IMAGE_ROWS_MAX];
	struct image_rows rows, read;
	char why[IMAGE_WHY_BYTES];
	struct image_bytes written;

	draw_rows(&rows, 100);
	written = image_rows_write(&rows, bytes);
	UNIT_EQ(written.n, IMAGE_ROWS_MAX - 8);
	for (size_t cut = 1; cut < written.n; cut++) {
		why[0] = '\0';
		CU_ASSERT(!read_rows(&read, bytes, cut, why));
		CU_ASSERT_PTR_NOT_NULL(strstr(why, cut < IMAGE_ROWS_HEAD ? "of bits are to follow"
									 : "it ends inside"));
	}
	CU_ASSERT(!read_rows(&read, (const uint8_t *)"\x01\x40\x01\x02\x03", 5, why));
	CU_ASSERT_STRING_EQUAL(why, "field 1009, rows: it ends inside row 6, iss, with 3 bytes");
	CU_ASSERT(!read_rows(&read, (const uint8_t *)"\x09\x40", 2, why));
	CU_ASSERT_STRING_EQUAL(why, "field 1009, rows: it has 2 bytes, of which 9 of bits are to "
				    "follow the first");
}

UNIT_MAIN(UNIT_RUN(rows_are_read_as_written), UNIT_RUN(they_lie_as_the_header_says),
	  UNIT_RUN(who_knew_fewer_is_understood), UNIT_RUN(of_who_knew_more_the_known_is_read),
	  UNIT_RUN(cut_short_they_are_refused_wherever))
