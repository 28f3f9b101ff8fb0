/* SPDX-License-Identifier: BSD-3-Clause */
/* The field `connection` in an image; see image_connection.h. */
#include "image_connection.h"

#include <stdio.h>
#include <string.h>

/* ---- Writing */

static bool
fits(const struct image_message *m)
{
	size_t n = m->local_address.n;

	return m->has.tern && m->tern == 1 && m->has.local_address && m->has.remote_address &&
	       m->has.local_port && m->has.remote_port && (n == 4 || n == 16) &&
	       m->remote_address.n == n && m->local_port <= UINT16_MAX &&
	       m->remote_port <= UINT16_MAX && m->state <= UINT8_MAX &&
	       m->service.n <= IMAGE_CONNECTION_NAME_MAX &&
	       m->service_state.n <= IMAGE_CONNECTION_STATE_MAX && m->rows.n <= IMAGE_ROWS_MAX &&
	       !m->has.connection;
}

static uint8_t *
put_u16(uint8_t *to, size_t value)
{
	*to++ = (uint8_t)value;
	*to++ = (uint8_t)(value >> 8);
	return to;
}

static uint8_t *
put_bytes(uint8_t *to, const struct image_bytes *bytes)
{
	if (bytes->n > 0)
		memcpy(to, bytes->at, bytes->n);
	return to + bytes->n;
}

bool
image_connection_fold(struct image_message *m, uint8_t to[IMAGE_CONNECTION_MAX])
{
	uint8_t *at = to;

	if (!fits(m))
		return false;
	*at++ = IMAGE_CONNECTION_LAYOUT;
	*at++ = (uint8_t)m->state;
	at = put_u16(at, m->local_port);
	at = put_u16(at, m->remote_port);
	*at++ = (uint8_t)m->local_address.n;
	*at++ = (uint8_t)m->service.n;
	at = put_u16(at, m->service_state.n);
	at = put_bytes(at, &m->local_address);
	at = put_bytes(at, &m->remote_address);
	at = put_bytes(at, &m->service);
	at = put_bytes(at, &m->service_state);
	at = put_bytes(at, &m->rows);
	m->has.tern = m->has.local_address = m->has.remote_address = m->has.local_port =
		m->has.remote_port = m->has.state = m->has.service = m->has.service_state =
			m->has.rows = false;
	m->local_address = m->remote_address = m->service = m->service_state = m->rows =
		(struct image_bytes){NULL, 0};
	IMAGE_SET(m, connection, (struct image_bytes){to, (size_t)(at - to)});
	return true;
}

/* ---- Reading */

static size_t
get_u16(const uint8_t *from)
{
	return from[0] | (size_t)from[1] << 8;
}

static struct image_bytes
take(const uint8_t **at, size_t n)
{
	struct image_bytes bytes = {*at, n};

	*at += n;
	return bytes;
}

/* How many bytes are before the rows; 0, with the reason, if they are not all there. */
static size_t
bytes_before_rows(const struct image_bytes *c, char why[IMAGE_WHY_BYTES])
{
	size_t n = IMAGE_CONNECTION_HEAD;

	if (c->n >= 1 && c->at[0] != IMAGE_CONNECTION_LAYOUT) {
		snprintf(why, IMAGE_WHY_BYTES,
			 "field %u, connection: layout %u is none that is known here, as 1 is",
			 IMAGE_FIELD_connection, c->at[0]);
		return 0;
	}
	if (c->n >= n && c->at[6] != 4 && c->at[6] != 16) {
		snprintf(why, IMAGE_WHY_BYTES,
			 "field %u, connection: addresses of %u bytes, where there are 4, or 16",
			 IMAGE_FIELD_connection, c->at[6]);
		return 0;
	}
	if (c->n >= n)
		n += 2u * c->at[6] + c->at[7] + get_u16(c->at + 8);
	if (c->n >= n)
		return n;
	snprintf(why, IMAGE_WHY_BYTES,
		 "field %u, connection: it ends after %zu bytes, before its rows, which begin at "
		 "byte %zu at least",
		 IMAGE_FIELD_connection, c->n, n);
	return 0;
}

bool
image_connection_unfold(struct image_message *m, char why[IMAGE_WHY_BYTES])
{
	const struct image_bytes all = m->connection;
	const uint8_t *at;
	size_t before;

	if (!m->has.connection)
		return true;
	if (m->has.tern || m->has.local_address || m->has.remote_address || m->has.local_port ||
	    m->has.remote_port || m->has.state || m->has.service || m->has.service_state ||
	    m->has.rows) {
		snprintf(why, IMAGE_WHY_BYTES,
			 "field %u, connection: of the fields 1000 to 1007 and 1009, which it "
			 "stands for, some are there, too",
			 IMAGE_FIELD_connection);
		return false;
	}
	before = bytes_before_rows(&all, why);
	if (before == 0)
		return false;
	at = all.at + IMAGE_CONNECTION_HEAD;
	m->has.connection = false;
	m->connection = (struct image_bytes){NULL, 0};
	IMAGE_SET(m, tern, 1);
	IMAGE_SET(m, state, all.at[1]);
	IMAGE_SET(m, local_port, (uint32_t)get_u16(all.at + 2));
	IMAGE_SET(m, remote_port, (uint32_t)get_u16(all.at + 4));
	IMAGE_SET(m, local_address, take(&at, all.at[6]));
	IMAGE_SET(m, remote_address, take(&at, all.at[6]));
	if (all.at[7] > 0)
		IMAGE_SET(m, service, take(&at, all.at[7]));
	if (get_u16(all.at + 8) > 0)
		IMAGE_SET(m, service_state, take(&at, get_u16(all.at + 8)));
	IMAGE_SET(m, rows, take(&at, all.n - before));
	return true;
}
