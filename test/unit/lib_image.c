/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lib/image.c and image_message.c: no field is forgotten on the way through protobuf-c, whatever
 * its value; who knows CRIU's fields alone understands ours; and what is cut short or wrong is
 * refused with a sentence that says where.
 */
#include "unit.h"

#include <inttypes.h>

#include "image.pb-c.h"
#include "image_criu.pb-c.h"
#include "lib/image.h"

enum { ROUNDS = 2000, BUFFER = 64 << 10 };

static uint64_t state = 1;

static uint64_t
draw(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return state >> 32 ^ state << 13;
}

/* Small ones, large ones, and those at the edges of varints. */
static uint64_t
draw_number(void)
{
	uint64_t value = draw() ^ draw() << 31;

	switch (draw() % 4) {
	case 0:
		return value >> draw() % 64;
	case 1:
		return (UINT64_C(1) << draw() % 64) - draw() % 2;
	case 2:
		return UINT64_MAX - draw() % 3;
	default:
		return value;
	}
}

static const uint8_t some_bytes[] =
	"any bytes that are long enough, with a length of two bytes: "
	"0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqr";

/* Any message, a part of its fields set. */
static void
draw_message(struct image_message *m, unsigned int share)
{
	image_message_init(m);
#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	if (draw() % 100 < share)                                                                  \
		IMAGE_SET(m, name, (type)(sizeof(type) == 1 ? draw() % 2 : draw_number()));
#define IMAGE_BYTES(rule, kind, number, name, text)                                                \
	if (draw() % 100 < share)                                                                  \
		IMAGE_SET(m, name, (struct image_bytes){some_bytes, draw() % 120});
#include "image_fields.def"
}

/* ---- What protobuf-c sees */

static const Tern__Image no_message = TERN__IMAGE__INIT;

#define TWIN_HAS_REQUIRED(twin, name) true
#define TWIN_HAS_OPTIONAL(twin, name) (twin)->has_##name
#define HAS_REQUIRED(m, name) true
#define HAS_OPTIONAL(m, name) (m)->has.name

#define TWIN_BYTES(twin, name) (twin)->has_##name, (twin)->name.data, (twin)->name.len

static bool
same_bytes(const struct image_bytes *a, bool has, bool twin_has, const uint8_t *b, size_t n)
{
	return has == twin_has && (!has || (a->n == n && (n == 0 || memcmp(a->at, b, n) == 0)));
}

/* How many fields differ. */
static unsigned int
differences(const struct image_message *m, const Tern__Image *twin)
{
	unsigned int n = 0;

#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	if (m->name != (type)twin->name || HAS_##rule(m, name) != TWIN_HAS_##rule(twin, name))     \
		n++, printf("\n  %s differs", #name);
#define IMAGE_BYTES(rule, kind, number, name, text)                                                \
	if (!same_bytes(&m->name, m->has.name, TWIN_BYTES(twin, name)))                            \
		n++, printf("\n  %s differs", #name);
#include "image_fields.def"
	return n;
}

UNIT_CASE(the_fields_are_protocs)
{
	struct image_message m;
	unsigned int n = 0;

#define IMAGE_NUMBER(rule, kind, type, number, name, value) n++;
#define IMAGE_BYTES(rule, kind, number, name, text) n++;
#include "image_fields.def"
	UNIT_EQ(n, tern__image__descriptor.n_fields);
	image_message_init(&m);
#define IMAGE_NUMBER(rule, kind, type, number, name, value)                                        \
	UNIT_EQ(m.name, (type)no_message.name);                                                    \
	UNIT_EQ(m.has.name, false);
#include "image_fields.def"
	UNIT_EQ(m.congestion.n, 5);
	UNIT_EQ(no_message.congestion.len, 5);
	UNIT_EQ(memcmp(m.congestion.at, no_message.congestion.data, 5), 0);
}

UNIT_CASE(what_is_written_protobuf_reads)
{
	static uint8_t bytes[BUFFER];
	struct image_message m;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		Tern__Image *twin;
		size_t n;

		draw_message(&m, i % 101);
		CU_ASSERT_FATAL(image_message_room(&m) <= BUFFER);
		n = (size_t)(image_message_write(&m, bytes) - bytes);
		CU_ASSERT(n <= image_message_room(&m));
		twin = tern__image__unpack(NULL, n, bytes);
		CU_ASSERT_PTR_NOT_NULL_FATAL(twin);
		UNIT_EQ(differences(&m, twin), 0);
		UNIT_EQ(tern__image__get_packed_size(twin), n);
		tern__image__free_unpacked(twin, NULL);
	}
}

UNIT_CASE(what_protobuf_writes_is_read)
{
	static uint8_t bytes[BUFFER], again[BUFFER];
	struct image_message m, read;
	char why[IMAGE_WHY_BYTES];

	for (unsigned int i = 0; i < ROUNDS; i++) {
		Tern__Image *twin;
		size_t n;

		draw_message(&m, i % 101);
		n = (size_t)(image_message_write(&m, bytes) - bytes);
		twin = tern__image__unpack(NULL, n, bytes);
		CU_ASSERT_PTR_NOT_NULL_FATAL(twin);
		n = tern__image__pack(twin, again);
		CU_ASSERT(image_message_read(&read, again, n, 0, why));
		UNIT_EQ(differences(&read, twin), 0);
		UNIT_EQ(memcmp(bytes, again, n), 0);
		tern__image__free_unpacked(twin, NULL);
	}
}

/* ---- Who knows CRIU's fields only */

UNIT_CASE(criu_reads_ours_and_skips_what_is_not_its)
{
	static uint8_t bytes[BUFFER];
	struct image_message m;
	unsigned int ours = 0;
	Tern__Criu *criu;
	size_t n;

	draw_message(&m, 100);
	n = (size_t)(image_message_write(&m, bytes) - bytes);
	criu = tern__criu__unpack(NULL, n, bytes);
	CU_ASSERT_PTR_NOT_NULL_FATAL(criu);
	UNIT_EQ(tern__criu__descriptor.n_fields, 17);
	UNIT_EQ(criu->inq_len, m.inq_len);
	UNIT_EQ(criu->inq_seq, m.inq_seq);
	UNIT_EQ(criu->outq_len, m.outq_len);
	UNIT_EQ(criu->outq_seq, m.outq_seq);
	UNIT_EQ(criu->opt_mask, m.opt_mask);
	UNIT_EQ(criu->snd_wscale, m.snd_wscale);
	UNIT_EQ(criu->mss_clamp, m.mss_clamp);
	UNIT_EQ(criu->rcv_wscale, m.rcv_wscale);
	UNIT_EQ(criu->timestamp, m.timestamp);
	UNIT_EQ(criu->cork, m.cork);
	UNIT_EQ(criu->nodelay, m.nodelay);
	UNIT_EQ(criu->unsq_len, m.unsq_len);
	UNIT_EQ(criu->snd_wl1, m.snd_wl1);
	UNIT_EQ(criu->snd_wnd, m.snd_wnd);
	UNIT_EQ(criu->max_window, m.max_window);
	UNIT_EQ(criu->rcv_wnd, m.rcv_wnd);
	UNIT_EQ(criu->rcv_wup, m.rcv_wup);
	for (unsigned int i = 0; i < criu->base.n_unknown_fields; i++)
		ours += criu->base.unknown_fields[i].tag >= 1000;
	UNIT_EQ(ours, tern__image__descriptor.n_fields - 17);
	UNIT_EQ(criu->base.n_unknown_fields, ours);
	tern__criu__free_unpacked(criu, NULL);
}

/* An image as CRIU 4 writes it, by the description of its format: 3 bytes received, "hello" to
 * send. */
static const uint8_t criu_image[] = {
	0x19, 0x43, 0x56, 0x54, 0x06, 0x55, 0x46, 0x51, 68,   0,
	0,    0,    0x08, 3,    0x10, 0x80, 0xda, 0xc4, 0x09, /* inq_len, inq_seq 20000000 */
	0x18, 5,    0x20, 0xff, 0xff, 0xff, 0xff, 0x0f,       /* outq_len, outq_seq 4294967295 */
	0x28, 7,    0x30, 7,    0x38, 0xb4, 0x0b, /* opt_mask, snd_wscale, mss_clamp 1460 */
	0x40, 7,    0x48, 0xaa, 0xb4, 0x9e, 0x76, /* rcv_wscale, timestamp 247962154 */
	0x50, 0,    0x58, 1,                      /* cork, nodelay */
	0x60, 2,                                  /* unsq_len */
	0x68, 0xff, 0xd9, 0xc4, 0x09, 0x70, 0x80, 0xf6, 0x03, /* snd_wl1, snd_wnd 64256 */
	0x78, 0x80, 0xf6, 0x03, 0x80, 0x01, 0x80, 0xf4, 0x03, /* max_window, rcv_wnd 64000 */
	0x88, 0x01, 0x80, 0xda, 0xc4, 0x09,                   /* rcv_wup */
	0xa0, 0x06, 0x96, 0x01, 0xaa, 0x06, 2,    'h',  'i', /* fields 100, 101: of CRIUs to come */
	'a',  'b',  'c',  'h',  'e',  'l',  'l',  'o',
};

/* How many of its bytes are CRIU's head. */
enum { CRIU_QUEUES = 8, CRIU_HEAD = sizeof(criu_image) - CRIU_QUEUES };

UNIT_CASE(an_image_of_crius_is_read)
{
	struct image image;
	char why[IMAGE_WHY_BYTES];

	UNIT_EQ(criu_image[8], CRIU_HEAD - IMAGE_FRAME_BYTES);
	UNIT_EQ(image_head_wants(criu_image, sizeof(criu_image)), CRIU_HEAD);
	UNIT_EQ(image_read(&image, criu_image, sizeof(criu_image), why), sizeof(criu_image));
	UNIT_EQ(image.message.inq_seq, 20000000);
	UNIT_EQ(image.message.outq_seq, UINT32_MAX);
	UNIT_EQ(image.message.mss_clamp, 1460);
	UNIT_EQ(image.message.timestamp, 247962154);
	UNIT_EQ(image.message.cork, false);
	UNIT_EQ(image.message.has.cork, true);
	UNIT_EQ(image.message.nodelay, true);
	UNIT_EQ(image.message.unsq_len, 2);
	UNIT_EQ(image.message.rcv_wnd, 64000);
	UNIT_EQ(image.message.rcv_wup, 20000000);
	UNIT_EQ(image.message.has.tern, false);
	UNIT_EQ(image.message.state, 1);
	UNIT_EQ(memcmp(image.recvq, "abc", 3), 0);
	UNIT_EQ(memcmp(image.sendq, "hello", 5), 0);
}

/* ---- The frame */

static uint8_t whole[BUFFER];

/* An image with texts and queues; its size. */
static size_t
make_whole(struct image *image)
{
	image_init(image);
	draw_message(&image->message, 60);
	image->message.has.connection = false;
	IMAGE_SET(&image->message, inq_len, 11);
	IMAGE_SET(&image->message, outq_len, 7);
	IMAGE_SET(&image->message, unsq_len, 7);
	IMAGE_SET(&image->message, service, (struct image_bytes){(const uint8_t *)"echo", 4});
	image->recvq = (const uint8_t *)"what it got";
	image->sendq = (const uint8_t *)"goes on";
	return image_write(image, whole, sizeof(whole));
}

UNIT_CASE(an_image_is_what_was_written)
{
	struct image image, read;
	char why[IMAGE_WHY_BYTES];
	size_t n = make_whole(&image);

	UNIT_EQ(image_read(&read, whole, n, why), n);
	UNIT_EQ(read.message.inq_len, 11);
	UNIT_EQ(read.message.service.n, 4);
	UNIT_EQ(memcmp(read.message.service.at, "echo", 4), 0);
	UNIT_EQ(memcmp(read.recvq, image.recvq, 11), 0);
	UNIT_EQ(memcmp(read.sendq, image.sendq, 7), 0);
	/* A stream: what follows is not touched. */
	UNIT_EQ(image_read(&read, whole, n + 5, why), n);
}

UNIT_CASE(too_little_room_is_told)
{
	struct image image;
	size_t room, n = make_whole(&image);

	room = image_head_room(&image);
	CU_ASSERT(n <= room + 18);
	UNIT_EQ(image_write_head(&image, whole, room - 1), 0);
	UNIT_EQ(image_write_head(&image, whole, room), n - 18);
	UNIT_EQ(image_write(&image, whole, room - 1), 0);
	IMAGE_SET(&image.message, service_state,
		  (struct image_bytes){whole, IMAGE_SERVICE_STATE_MAX});
	CU_ASSERT(image_head_room(&image) <= IMAGE_HEAD_MAX);
	IMAGE_SET(&image.message, service_state, (struct image_bytes){whole, IMAGE_HEAD_MAX});
	UNIT_EQ(image_write_head(&image, whole, sizeof(whole)), 0);
}

UNIT_CASE(cut_short_it_is_refused_wherever)
{
	struct image image, read;
	char why[IMAGE_WHY_BYTES];
	size_t n = make_whole(&image), head = n - 18, wants;

	for (size_t cut = 0; cut < n; cut++) {
		uint8_t *exact = malloc(cut + 1);

		memcpy(exact, whole, cut);
		UNIT_EQ(image_read(&read, exact, cut, why), -1);
		CU_ASSERT_PTR_NOT_NULL(strstr(why, "it ends after"));
		wants = image_head_wants(exact, cut);
		UNIT_EQ(wants, cut < IMAGE_FRAME_BYTES ? IMAGE_FRAME_BYTES : head);
		free(exact);
	}
}

/* Each bit: never a crash, and if it is read, all that it points to is inside. */
UNIT_CASE(turned_bits_are_harmless)
{
	struct image image, read;
	char why[IMAGE_WHY_BYTES];
	size_t n = make_whole(&image);
	uint8_t *exact = malloc(n);

	memcpy(exact, whole, n);
	for (size_t bit = 0; bit < n * 8; bit++) {
		long got;

		exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(why, 0, sizeof(why));
		got = image_read(&read, exact, n, why);
		if (got < 0) {
			CU_ASSERT(why[0] != 0 && strlen(why) < IMAGE_WHY_BYTES - 1);
		} else {
			CU_ASSERT((size_t)got <= n);
			CU_ASSERT(read.recvq >= exact &&
				  read.sendq + read.message.outq_len <= exact + n);
			CU_ASSERT(read.message.service_state.n <= n);
		}
		exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	free(exact);
}

#define UNREADABLE                                                                                 \
	"the message: it is cut short, of another type than image.proto has it, or one of fields " \
	"1 to 7 is missing"

/* What is behind a good message, and what is said of it. */
static const struct {
	const char *bytes;
	size_t n;
	const char *why;
} wrong[] = {
#define WRONG(bytes, why)                                                                          \
	{                                                                                          \
		bytes, sizeof(bytes) - 1, why                                                      \
	}
	WRONG("\xc0\x3e\x80", "bytes 12 to 29, " UNREADABLE),
	WRONG("\xc5\x3e\x01\x02\x03\x04", "bytes 12 to 32, " UNREADABLE),
	WRONG("\xca\x3e\x05\x01\x02", "bytes 12 to 31, " UNREADABLE),
	WRONG("\x0b", "bytes 12 to 27, " UNREADABLE),
	WRONG("\x00\x00", "bytes 12 to 28, " UNREADABLE),
	WRONG("\x18\x81\x80\x80\x80\x04",
	      "the send queue has 1073741825 bytes: it can have 1073741824 at most"),
	WRONG("\x60\x01", "1 bytes of the send queue were never sent, but it has only 0"),
};

UNIT_CASE(a_wrong_message_is_told_with_its_place)
{
	/* 1 to 7, all 0 */
	static const char good[] = "\x08\x00\x10\x00\x18\x00\x20\x00\x28\x00\x30\x00\x38\x00";
	struct image image;
	char why[IMAGE_WHY_BYTES];
	uint8_t bytes[64];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memcpy(bytes, criu_image, 8);
		memset(bytes + 8, 0, 4);
		bytes[8] = (uint8_t)(14 + wrong[i].n);
		memcpy(bytes + 12, good, 14);
		memcpy(bytes + 26, wrong[i].bytes, wrong[i].n);
		UNIT_EQ(image_read(&image, bytes, 26 + wrong[i].n, why), -1);
		if (strcmp(why, wrong[i].why) != 0)
			printf("\n  \"%s\", expected \"%s\"", why, wrong[i].why);
		CU_ASSERT_STRING_EQUAL(why, wrong[i].why);
	}
	/* A required one is missing. */
	bytes[8] = 12;
	UNIT_EQ(image_read(&image, bytes, 24, why), -1);
	CU_ASSERT_STRING_EQUAL(why, "bytes 12 to 24, " UNREADABLE);
}

/* Fields that nobody knows take memory, too. */
UNIT_CASE(more_fields_than_there_is_memory_for_are_refused)
{
	static uint8_t bytes[IMAGE_HEAD_MAX];
	struct image image;
	char why[IMAGE_WHY_BYTES];
	size_t n = IMAGE_HEAD_MAX - IMAGE_FRAME_BYTES;

	memcpy(bytes, criu_image, CRIU_HEAD);
	for (size_t i = CRIU_HEAD; i + 3 <= sizeof(bytes); i += 3)
		memcpy(bytes + i, "\xa0\x06\x01", 3);
	n -= (sizeof(bytes) - CRIU_HEAD) % 3;
	bytes[8] = (uint8_t)n;
	bytes[9] = (uint8_t)(n >> 8);
	UNIT_EQ(image_read_head(&image, bytes, sizeof(bytes), why), -1);
	CU_ASSERT_PTR_NOT_NULL(strstr(why, "it has too many fields"));
}

UNIT_CASE(what_is_no_image_is_told)
{
	struct image image;
	char why[IMAGE_WHY_BYTES];
	uint8_t bytes[IMAGE_FRAME_BYTES];

	UNIT_EQ(image_read(&image, "#!/bin/bash\necho", 16, why), -1);
	CU_ASSERT_STRING_EQUAL(why, "no image of a TCP connection: it does not begin with "
				    "19 43 56 54 06 55 46 51");
	UNIT_EQ(image_head_wants("#!/bin", 6), 6);
	UNIT_EQ(image_head_wants("", 0), IMAGE_FRAME_BYTES);
	memcpy(bytes, criu_image, 8);
	memset(bytes + 8, 0xff, 4);
	UNIT_EQ(image_read(&image, bytes, sizeof(bytes), why), -1);
	CU_ASSERT_STRING_EQUAL(why, "at byte 8: a message of 4294967295 bytes: 32756 at most");
}

UNIT_MAIN(UNIT_RUN(the_fields_are_protocs), UNIT_RUN(what_is_written_protobuf_reads),
	  UNIT_RUN(what_protobuf_writes_is_read),
	  UNIT_RUN(criu_reads_ours_and_skips_what_is_not_its), UNIT_RUN(an_image_of_crius_is_read),
	  UNIT_RUN(an_image_is_what_was_written), UNIT_RUN(too_little_room_is_told),
	  UNIT_RUN(cut_short_it_is_refused_wherever), UNIT_RUN(turned_bits_are_harmless),
	  UNIT_RUN(a_wrong_message_is_told_with_its_place),
	  UNIT_RUN(more_fields_than_there_is_memory_for_are_refused),
	  UNIT_RUN(what_is_no_image_is_told))
