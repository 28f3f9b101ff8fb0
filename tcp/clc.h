/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * CLC messages (RFC 7609 §4 and Appendix A.2, and what Linux's SMC adds to them: SMC-D, version 2):
 * reading and writing them, without a connection.
 *
 *      0            4     5        7              8
 *     | eyecatcher | type | length | version, path | body ... | eyecatcher |
 *                                          4 bits each
 *
 *     Proposal   what the client can do: SMC-R, SMC-D, in version 1 and 2; its addresses
 *     Accept     what the server makes of it
 *     Confirm    the client does the same
 *     Decline    instead of any of them: the connection stays TCP
 *
 * They are read strictly: a length that does not add up to what the message says of itself is no
 * message. What is inside (GIDs, keys, EIDs) is a transport's business.
 */
#ifndef TERN_TCP_CLC_H
#define TERN_TCP_CLC_H

#include <stdbool.h>
#include <stdint.h>

enum clc_type {
	CLC_PROPOSAL = 1,
	CLC_ACCEPT,
	CLC_CONFIRM,
	CLC_DECLINE,
};

enum {
	CLC_HEADER_BYTES = 8,
	CLC_DECLINE_BYTES = 28,    /* version 1 */
	CLC_DECLINE_V2_BYTES = 44, /* later ones */
	CLC_MAX_BYTES = 1024,      /* no message is longer: Proposals have at most 652 */
};

/* Why a connection stays TCP; Linux's numbers. */
enum {
	CLC_NO_DEVICE = 0x03030000,
	CLC_OUT_OF_SYNC = 0x04000000,
};

struct clc_header {
	enum clc_type type;
	uint16_t length; /* bytes of the whole message, possible for its type and version */
	uint8_t version; /* 1 or more */
	uint8_t path;    /* low 4 bits: as in RFC 7609's "path", and Linux's types of v1 and v2 */
	bool smcd;       /* the eyecatcher is SMC-D's */
};

/* Reads the first CLC_HEADER_BYTES of a message. False: they cannot begin one. */
bool clc_header_read(const uint8_t *bytes, struct clc_header *header);

/* Whether the bytes that header->length counts are a whole and consistent message. */
bool clc_message_is_good(const uint8_t *bytes, const struct clc_header *header);

/* Of a good Decline. */
uint32_t clc_decline_diagnosis(const uint8_t *bytes);

/*
 * Writes a Decline as an answer to, or in place of, messages of this version. Returns its length,
 * CLC_DECLINE_BYTES or CLC_DECLINE_V2_BYTES.
 */
unsigned int clc_decline_write(uint8_t version, uint32_t diagnosis, uint8_t *bytes);

#endif
