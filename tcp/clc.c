/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * See clc.h. Offsets are from the beginning of the message, lengths in bytes:
 *
 *     Decline    8 peer id, 16 diagnosis (32 bits), 20 operating system << 4, then, in version 2,
 *                24 four words of diagnosis; eyecatcher
 *     Proposal   8 peer id, 16 GID, 32 MAC, 38 where the prefixes are, counted from 40 (16 bits);
 *                40 SMC-D's area, always there in version 2, and in it
 *                50 where the version 2 extension is, counted from 52 (16 bits);
 *                prefixes: 8, the last of them the number of IPv6 ones, of 17 each;
 *                extension: 40, the first of them the number of EIDs, of 32 each, the second that
 * of GIDs; then, if SMC-D is offered, 48 and GIDs of 10 each; eyecatcher Accept, Confirm   of one
 * length in version 1, of at least one later; eyecatcher
 */
#include "clc.h"

#include <string.h>

#include "wire.h"

enum {
	EYECATCHER_BYTES = 4,

	/* The low two bits of the path, and in version 2 the two above, for version 2. */
	PATH_SMCR = 0,
	PATH_SMCD = 1,
	PATH_NONE = 2,
	PATH_BOTH = 3,
	PATH_V2_SHIFT = 2,

	DIAGNOSIS_AT = 16,

	AREA_AT_AT = 38, /* where it says where the prefixes are */
	AREA_BASE = 40,
	AREA_MAX = 40,
	SMCD_AREA_BYTES = 40,
	EXTENSION_AT_AT = 50,
	EXTENSION_BASE = 52,
	PREFIXES_BYTES = 8,
	PREFIX_COUNT_AT = 7,
	PREFIX6_BYTES = 17,
	PREFIX6_MAX = 8,
	EXTENSION_BYTES = 40,
	EID_BYTES = 32,
	EIDS_MAX = 8,
	SMCD_EXTENSION_BYTES = 48,
	GID_BYTES = 10,
	GIDS_MAX = 8,

	PROPOSAL_MIN = AREA_BASE + PREFIXES_BYTES + EYECATCHER_BYTES,
	PROPOSAL_V1_MAX = PROPOSAL_MIN + AREA_MAX + PREFIX6_MAX * PREFIX6_BYTES,
	PROPOSAL_V2_MIN = AREA_BASE + SMCD_AREA_BYTES + EYECATCHER_BYTES,
	PROPOSAL_V2_MAX = PROPOSAL_V2_MIN + PREFIXES_BYTES + PREFIX6_MAX * PREFIX6_BYTES +
			  EXTENSION_BYTES + EIDS_MAX * EID_BYTES + SMCD_EXTENSION_BYTES +
			  GIDS_MAX * GID_BYTES,

	ACCEPT_SMCR_BYTES = 68,
	ACCEPT_SMCD_BYTES = 48,
	ACCEPT_SMCR_V2_MIN = 108,
	ACCEPT_SMCD_V2_MIN = 78,
};

static const uint8_t eyecatcher[EYECATCHER_BYTES] = {0xe2, 0xd4, 0xc3, 0xd9};      /* "SMCR" */
static const uint8_t smcd_eyecatcher[EYECATCHER_BYTES] = {0xe2, 0xd4, 0xc3, 0xc4}; /* "SMCD" */

static uint16_t
read16(const uint8_t *p)
{
	be16_t v;

	memcpy(&v, p, sizeof(v));
	return be16_get(v);
}

static unsigned int
path_v1(const struct clc_header *h)
{
	return h->path & 3u;
}

static unsigned int
path_v2(const struct clc_header *h)
{
	return (unsigned int)h->path >> PATH_V2_SHIFT & 3u;
}

static bool
is_between(unsigned int n, unsigned int least, unsigned int most)
{
	return n >= least && n <= most;
}

/* Of an Accept or a Confirm. SMC-D's have an eyecatcher of their own. */
static bool
accept_length_is_possible(const struct clc_header *h)
{
	bool smcd = path_v1(h) == PATH_SMCD;

	if (path_v1(h) > PATH_SMCD || h->smcd != smcd)
		return false;
	if (h->version == 1)
		return h->length == (smcd ? ACCEPT_SMCD_BYTES : ACCEPT_SMCR_BYTES);
	return is_between(h->length, smcd ? ACCEPT_SMCD_V2_MIN : ACCEPT_SMCR_V2_MIN, CLC_MAX_BYTES);
}

static bool
length_is_possible(const struct clc_header *h)
{
	bool v1 = h->version == 1;

	switch (h->type) {
	case CLC_PROPOSAL:
		return !h->smcd && (v1 ? is_between(h->length, PROPOSAL_MIN, PROPOSAL_V1_MAX)
				       : is_between(h->length, PROPOSAL_V2_MIN, PROPOSAL_V2_MAX));
	case CLC_ACCEPT:
	case CLC_CONFIRM:
		return accept_length_is_possible(h);
	case CLC_DECLINE:
		return !h->smcd && h->length == (v1 ? CLC_DECLINE_BYTES : CLC_DECLINE_V2_BYTES);
	default:
		return false;
	}
}

bool
clc_header_read(const uint8_t *bytes, struct clc_header *h)
{
	bool smcr = memcmp(bytes, eyecatcher, sizeof(eyecatcher)) == 0;

	*h = (struct clc_header){
		.type = (enum clc_type)bytes[4],
		.length = read16(bytes + 5),
		.version = bytes[7] >> 4,
		.path = bytes[7] & 0xf,
		.smcd = memcmp(bytes, smcd_eyecatcher, sizeof(smcd_eyecatcher)) == 0,
	};
	return (smcr || h->smcd) && h->version > 0 && length_is_possible(h);
}

/* The prefixes that begin at `at`; 0 if they do not end before the eyecatcher. */
static unsigned int
prefixes_bytes(const uint8_t *bytes, const struct clc_header *h, unsigned int at)
{
	unsigned int n;

	if (at + PREFIXES_BYTES + EYECATCHER_BYTES > h->length)
		return 0;
	n = bytes[at + PREFIX_COUNT_AT];
	return n <= PREFIX6_MAX ? PREFIXES_BYTES + n * PREFIX6_BYTES : 0;
}

/* The version 2 extension, likewise. */
static unsigned int
extension_bytes(const uint8_t *bytes, const struct clc_header *h)
{
	unsigned int at = (unsigned int)EXTENSION_BASE + read16(bytes + EXTENSION_AT_AT), n;
	bool smcd = path_v2(h) == PATH_SMCD || path_v2(h) == PATH_BOTH;

	if (at < AREA_BASE + SMCD_AREA_BYTES ||
	    at + EXTENSION_BYTES + EYECATCHER_BYTES > h->length || bytes[at] > EIDS_MAX ||
	    (smcd && bytes[at + 1] > GIDS_MAX))
		return 0;
	n = EXTENSION_BYTES + bytes[at] * EID_BYTES;
	return smcd ? n + SMCD_EXTENSION_BYTES + bytes[at + 1] * GID_BYTES : n;
}

static bool
proposal_adds_up(const uint8_t *bytes, const struct clc_header *h)
{
	unsigned int offset = read16(bytes + AREA_AT_AT), prefixes = 0, extension = 0;
	bool v1 = h->version == 1;

	if (offset > AREA_MAX || (v1 && path_v1(h) == PATH_NONE))
		return false;
	if (path_v1(h) != PATH_NONE) {
		prefixes = prefixes_bytes(bytes, h, AREA_BASE + offset);
		if (prefixes == 0)
			return false;
	}
	if (v1)
		return h->length == AREA_BASE + offset + prefixes + EYECATCHER_BYTES;
	if (path_v2(h) != PATH_NONE) {
		extension = extension_bytes(bytes, h);
		if (extension == 0)
			return false;
	}
	return h->length == PROPOSAL_V2_MIN + prefixes + extension;
}

bool
clc_message_is_good(const uint8_t *bytes, const struct clc_header *h)
{
	const uint8_t *end = bytes + h->length - EYECATCHER_BYTES;

	/* As Linux, which is lenient with this one. */
	if (h->type == CLC_DECLINE)
		return true;
	if (memcmp(end, h->smcd ? smcd_eyecatcher : eyecatcher, EYECATCHER_BYTES) != 0)
		return false;
	return h->type != CLC_PROPOSAL || proposal_adds_up(bytes, h);
}

uint32_t
clc_decline_diagnosis(const uint8_t *bytes)
{
	be32_t v;

	memcpy(&v, bytes + DIAGNOSIS_AT, sizeof(v));
	return be32_get(v);
}

unsigned int
clc_decline_write(uint8_t version, uint32_t diagnosis, uint8_t *bytes)
{
	uint8_t said = version == 1 ? 1 : 2;
	uint16_t length = said == 1 ? CLC_DECLINE_BYTES : CLC_DECLINE_V2_BYTES;
	be16_t length_be = be16(length);
	be32_t diagnosis_be = be32(diagnosis);

	memset(bytes, 0, length);
	memcpy(bytes, eyecatcher, sizeof(eyecatcher));
	bytes[4] = CLC_DECLINE;
	memcpy(bytes + 5, &length_be, sizeof(length_be));
	bytes[7] = (uint8_t)(said << 4);
	memcpy(bytes + DIAGNOSIS_AT, &diagnosis_be, sizeof(diagnosis_be));
	memcpy(bytes + length - EYECATCHER_BYTES, eyecatcher, sizeof(eyecatcher));
	return length;
}
