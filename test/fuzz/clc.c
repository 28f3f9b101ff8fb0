/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp/clc.c and clc_exchange.c: what a naive reading of the layouts says of arbitrary bytes is what
 * the engine's reader says, and it reads none but the message's own; and where they are a stream,
 * sent in pieces, the user gets what follows the message, to the byte.
 *
 * Input: the bytes that a peer sends. The last one also says in which pieces.
 */
#include <string.h>

#include "clc_exchange.h"
#include "fuzz.h"
#include "tcp/clc.h"

/* More pieces than the engine may hold buffers would be dropped. */
enum { MOST_BYTES = 2048, LEAST_PIECE = MOST_BYTES / FUZZ_HELD_BUFS + 1 };

/* A byte of the message; behind its end there is none. */
static int
at(const uint8_t *b, size_t n, size_t i)
{
	return i < n ? b[i] : -1;
}

static long
word(const uint8_t *b, size_t n, size_t i)
{
	return at(b, n, i + 1) < 0 ? -1 : (long)b[i] << 8 | b[i + 1];
}

static bool
has_eyecatcher(const uint8_t *b, size_t n, size_t i, int last)
{
	return at(b, n, i) == 0xe2 && at(b, n, i + 1) == 0xd4 && at(b, n, i + 2) == 0xc3 &&
	       at(b, n, i + 3) == last;
}

/* The length that a Proposal ought to have; 0 if it is none. */
static long
proposal_length(const uint8_t *b, size_t n)
{
	int version = b[7] >> 4, v1 = b[7] & 3, v2 = b[7] >> 2 & 3;
	long offset = word(b, n, 38), length = version == 1 ? 40 + offset : 80;

	if (offset < 0 || offset > 40 || (version == 1 && v1 == 2))
		return 0;
	if (v1 != 2) {
		int prefixes = at(b, n, (size_t)offset + 47);

		/* The prefixes lie before the eyecatcher. */
		if (prefixes < 0 || prefixes > 8 || (size_t)offset + 48 + 4 > n)
			return 0;
		length += 8 + 17 * prefixes;
	}
	if (version > 1 && v2 != 2) {
		long where = 52 + word(b, n, 50);
		int eids, gids;

		if (word(b, n, 50) < 0 || where < 80 || (size_t)where + 40 + 4 > n)
			return 0;
		eids = at(b, n, (size_t)where);
		gids = at(b, n, (size_t)where + 1);
		if (eids > 8 || (v2 != 0 && gids > 8))
			return 0;
		length += 40 + 32 * eids + (v2 != 0 ? 48 + 10 * gids : 0);
	}
	return length + 4;
}

/* The whole message's length, 0 if the bytes do not begin with a good one. */
static size_t
naive(const uint8_t *b, size_t n)
{
	bool r, d, smcd_type;
	size_t length;
	int version;

	if (n < 8)
		return 0;
	r = has_eyecatcher(b, n, 0, 0xd9);
	d = has_eyecatcher(b, n, 0, 0xc4);
	version = b[7] >> 4;
	length = (size_t)word(b, n, 5);
	if ((!r && !d) || version == 0 || length > n)
		return 0;
	if (b[4] == 4)
		return r && length == (version == 1 ? 28 : 44) ? length : 0;
	if (length < 12 || !has_eyecatcher(b, length, length - 4, r ? 0xd9 : 0xc4))
		return 0;
	if (b[4] == 1)
		return r && proposal_length(b, length) == (long)length ? length : 0;
	if (b[4] != 2 && b[4] != 3)
		return 0;
	smcd_type = (b[7] & 3) == 1;
	if ((b[7] & 3) > 1 || smcd_type != d)
		return 0;
	if (version == 1)
		return length == (d ? 48 : 68) ? length : 0;
	return length >= (d ? 78 : 108) && length <= 1024 ? length : 0;
}

/* In memory of just this size. */
static uint8_t *
copy(const uint8_t *data, size_t n)
{
	uint8_t *exact = malloc(n);

	memcpy(exact, data, n);
	return exact;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	exchange_start();
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint8_t *head, *whole, decline[CLC_DECLINE_V2_BYTES];
	struct clc_header header;
	bool good = false, taken;
	unsigned int said;

	if (n < CLC_HEADER_BYTES || n > MOST_BYTES)
		return 0;
	head = copy(data, CLC_HEADER_BYTES);
	if (clc_header_read(head, &header) && header.length <= n) {
		FUZZ_CHECK(header.length >= 28 && header.length <= CLC_MAX_BYTES, "%u bytes",
			   header.length);
		whole = copy(data, header.length);
		good = clc_message_is_good(whole, &header);
		free(whole);
	}
	free(head);
	FUZZ_CHECK((good ? header.length : 0) == naive(data, n), "%d, not %zu", good,
		   naive(data, n));
	/* A server takes a Proposal or a Decline. */
	taken = good && (data[4] == 1 || data[4] == 4);
	exchange_check(data, n, data[n - 1] % 64 + LEAST_PIECE, taken ? naive(data, n) : 0);
	/* An answer to it is good itself. */
	if (!good)
		return 0;
	said = clc_decline_write(header.version, CLC_NO_DEVICE, decline);
	FUZZ_CHECK(naive(decline, said) == said, "our own Decline is bad");
	FUZZ_CHECK((header.version == 1) == (decline[7] >> 4 == 1), "another version");
	return 0;
}
