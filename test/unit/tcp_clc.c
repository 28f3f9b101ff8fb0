/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp/clc.c: every message, every length that it may have, and every one beside. */
#include "unit.h"

#include "tcp/clc.h"

static const uint8_t smcr[] = {0xe2, 0xd4, 0xc3, 0xd9};
static const uint8_t smcd[] = {0xe2, 0xd4, 0xc3, 0xc4};

static uint8_t bytes[CLC_MAX_BYTES];

/* A message of this length, all zero between its ends. */
static void
make(unsigned int type, unsigned int length, unsigned int version, unsigned int path)
{
	const uint8_t *eye = type != CLC_PROPOSAL && (path & 3) == 1 ? smcd : smcr;

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, type == CLC_DECLINE ? smcr : eye, 4);
	bytes[4] = (uint8_t)type;
	bytes[5] = (uint8_t)(length >> 8);
	bytes[6] = (uint8_t)length;
	bytes[7] = (uint8_t)(version << 4 | path);
	if (length >= 12 && length <= sizeof(bytes))
		memcpy(bytes + length - 4, eye, 4);
}

/* In memory of just its size, so that a sanitizer sees a byte too many read. */
static bool
is_good(void)
{
	unsigned int length = (unsigned int)bytes[5] << 8 | bytes[6];
	struct clc_header header;
	uint8_t *exact;
	bool good;

	if (!clc_header_read(bytes, &header))
		return false;
	UNIT_EQ(header.length, length);
	exact = malloc(length);
	memcpy(exact, bytes, length);
	good = clc_message_is_good(exact, &header);
	free(exact);
	return good;
}

UNIT_CASE(declines)
{
	for (unsigned int version = 0; version < 16; version++) {
		for (unsigned int length = 0; length <= sizeof(bytes); length++) {
			bool right = version > 0 && length == (version == 1 ? 28 : 44);

			make(CLC_DECLINE, length, version, version & 8);
			CU_ASSERT(is_good() == right);
		}
	}
	make(CLC_DECLINE, 28, 1, 0);
	memcpy(bytes, smcd, 4);
	CU_ASSERT(!is_good());
}

UNIT_CASE(declines_are_written)
{
	static const uint8_t linux_one[CLC_DECLINE_BYTES] = {
		0xe2, 0xd4, 0xc3, 0xd9, 4,    0,    28, 0x10, 0, 0, 0,    0,    0,    0,
		0,    0,    0x03, 0x03, 0x00, 0x00, 0,  0,    0, 0, 0xe2, 0xd4, 0xc3, 0xd9,
	};

	UNIT_EQ(clc_decline_write(1, CLC_NO_DEVICE, bytes), 28);
	CU_ASSERT(memcmp(bytes, linux_one, sizeof(linux_one)) == 0);
	CU_ASSERT(is_good());
	UNIT_EQ(clc_decline_diagnosis(bytes), CLC_NO_DEVICE);
	for (uint8_t version = 2; version < 16; version++) {
		memset(bytes, 0xff, sizeof(bytes));
		UNIT_EQ(clc_decline_write(version, CLC_OUT_OF_SYNC, bytes), 44);
		UNIT_EQ(bytes[7], 0x20);
		CU_ASSERT(is_good());
		UNIT_EQ(clc_decline_diagnosis(bytes), CLC_OUT_OF_SYNC);
		CU_ASSERT(memcmp(bytes + 40, smcr, 4) == 0);
	}
}

/* Of all lengths those that the numbers in the message add up to, and no other. */
static void
only_length(unsigned int version, unsigned int path, unsigned int offset, unsigned int prefixes,
	    unsigned int right)
{
	for (unsigned int length = 12; length <= 700; length++) {
		make(CLC_PROPOSAL, length, version, path);
		bytes[39] = (uint8_t)offset;
		if (version == 1)
			bytes[40 + offset + 7] = (uint8_t)prefixes;
		memcpy(bytes + length - 4, smcr, 4);
		CU_ASSERT(is_good() == (length == right));
	}
}

UNIT_CASE(proposals_of_version_1)
{
	for (unsigned int n = 0; n <= 8; n++) {
		only_length(1, 0, 0, n, 52 + 17 * n);
		only_length(1, 1, 40, n, 92 + 17 * n);
		only_length(1, 3, 20, n, 72 + 17 * n);
	}
	only_length(1, 0, 0, 9, 0);
	only_length(1, 0, 41, 0, 0);
	only_length(1, 2, 0, 0, 0); /* neither SMC-R nor SMC-D */
}

UNIT_CASE(proposals_of_version_2)
{
	for (unsigned int path = 0; path < 16; path++) {
		unsigned int v1 = path & 3, v2 = path >> 2;

		for (unsigned int n = 0; n <= 9; n++) {
			unsigned int at = 80, length = 80;

			make(CLC_PROPOSAL, 700, 2, path);
			bytes[39] = 40;
			if (v1 != 2) {
				bytes[87] = (uint8_t)n;
				at += 8 + 17 * n;
				length = at;
			}
			bytes[51] = (uint8_t)(at - 52);
			if (v2 != 2) {
				bytes[at] = (uint8_t)n;
				length += 40 + 32 * n;
			}
			if (v2 == 1 || v2 == 3) {
				bytes[at + 1] = (uint8_t)n;
				length += 48 + 10 * n;
			}
			length += 4;
			memset(bytes + 696, 0, 4);
			for (int off = -1; off <= 1; off++) {
				unsigned int said = length + (unsigned int)off;
				uint8_t kept[4];

				memcpy(kept, bytes + said - 4, 4);
				memcpy(bytes + said - 4, smcr, 4);
				bytes[5] = (uint8_t)(said >> 8);
				bytes[6] = (uint8_t)said;
				CU_ASSERT(is_good() ==
					  (off == 0 && (n <= 8 || (v1 == 2 && v2 == 2))));
				memcpy(bytes + said - 4, kept, 4);
			}
		}
	}
}

UNIT_CASE(extension_that_is_elsewhere)
{
	make(CLC_PROPOSAL, 132, 2, 0);
	bytes[39] = 40;
	bytes[51] = 36;
	CU_ASSERT(is_good());
	bytes[51] = 27; /* inside SMC-D's area */
	CU_ASSERT(!is_good());
	bytes[51] = 37; /* into the eyecatcher */
	CU_ASSERT(!is_good());
	bytes[50] = 0xff;
	CU_ASSERT(!is_good());
}

UNIT_CASE(accepts_and_confirms)
{
	for (unsigned int type = CLC_ACCEPT; type <= CLC_CONFIRM; type++) {
		for (unsigned int length = 12; length <= sizeof(bytes); length++) {
			make(type, length, 1, 0);
			CU_ASSERT(is_good() == (length == 68));
			make(type, length, 1, 9);
			CU_ASSERT(is_good() == (length == 48));
			make(type, length, 2, 8);
			CU_ASSERT(is_good() == (length >= 108));
			make(type, length, 3, 1);
			CU_ASSERT(is_good() == (length >= 78));
			make(type, length, 1, 2);
			CU_ASSERT(!is_good());
			make(type, length, 1, 3);
			CU_ASSERT(!is_good());
		}
	}
	/* An eyecatcher of the other kind, in front and behind. */
	make(CLC_ACCEPT, 68, 1, 0);
	memcpy(bytes, smcd, 4);
	CU_ASSERT(!is_good());
	make(CLC_ACCEPT, 68, 1, 0);
	memcpy(bytes + 64, smcd, 4);
	CU_ASSERT(!is_good());
}

UNIT_CASE(nothing_else)
{
	for (unsigned int type = 0; type < 256; type++) {
		make(type, 68, 1, 0);
		CU_ASSERT(is_good() == (type == CLC_ACCEPT || type == CLC_CONFIRM));
	}
	for (unsigned int i = 0; i < 4; i++) {
		make(CLC_DECLINE, 28, 1, 0);
		bytes[i] ^= 0x20;
		CU_ASSERT(!is_good());
	}
	memset(bytes, 0xff, sizeof(bytes));
	CU_ASSERT(!is_good());
}

UNIT_MAIN(UNIT_RUN(declines), UNIT_RUN(declines_are_written), UNIT_RUN(proposals_of_version_1),
	  UNIT_RUN(proposals_of_version_2), UNIT_RUN(extension_that_is_elsewhere),
	  UNIT_RUN(accepts_and_confirms), UNIT_RUN(nothing_else))
