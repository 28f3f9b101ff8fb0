/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The commands of Fast Open: the cache of cookies, the guard against black holes, and the keys.
 *
 * Each lane has the whole cache, and tells the others what it learns; a list is one lane's, by
 * default the first's, which has the programs' sockets. News that got lost on the way are learned
 * again when that lane connects. What is a secret, or changes something, is for root alone; whoever
 * may connect to the control socket may look.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dataplane/commands.h"
#include "dataplane/config_values.h"
#include "dataplane/daemon.h"

/* ---- The cache */

static int64_t
ms_ago(uint64_t now_us, uint64_t then_us)
{
	return now_us > then_us ? (int64_t)((now_us - then_us) / 1000) : 0;
}

static json_t *
cookie_text(const struct tcp_fastopen_cookie *cookie)
{
	char text[2 * TCP_FASTOPEN_COOKIE_MAX + 1] = "";

	for (unsigned int i = 0; i < cookie->len && i < TCP_FASTOPEN_COOKIE_MAX; i++)
		snprintf(text + (size_t)2 * i, 3, "%02x", cookie->bytes[i]);
	return json_string(text);
}

static json_t *
entry_of(const struct lane *lane, const struct tcp_fastopen_entry *entry, uint64_t now_us)
{
	char local[CONFIG_IP_TEXT], remote[CONFIG_IP_TEXT];
	json_t *object = json_pack("{s:i,s:s,s:s,s:I,s:i,s:I}", "lane", (int)lane->index, "source",
				   config_ip_text(&entry->local, local), "address",
				   config_ip_text(&entry->remote, remote), "age_ms",
				   (json_int_t)ms_ago(now_us, entry->changed_us), "mss",
				   (int)entry->mss, "losses", (json_int_t)entry->losses);

	if (entry->cookie.len > 0) {
		json_object_set_new(object, "kind",
				    json_integer(entry->cookie.experimental ? 254 : 34));
		json_object_set_new(object, "cookie", cookie_text(&entry->cookie));
	}
	if (entry->kinds_tried > 0)
		json_object_set_new(object, "kinds_tried", json_integer(entry->kinds_tried));
	if (entry->losses > 0)
		json_object_set_new(object, "lost_ms_ago",
				    json_integer(ms_ago(now_us, entry->lost_us)));
	return object;
}

/* The lane that a request names. False: there is none of this number. */
static bool
lane_of(const struct daemon *daemon, const json_t *request, struct lane **lane, const char **error)
{
	json_int_t index = json_integer_value(json_object_get(request, "lane"));

	if (index < 0 || index >= daemon->config.lanes) {
		*error = "there is no such lane";
		return false;
	}
	*lane = daemon->lanes[index];
	return true;
}

json_t *
commands_fastopen(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		  const char **error)
{
	struct lane_request *ask;
	struct lane *lane;
	json_t *array;

	if (!lane_of(daemon, request, &lane, error))
		return NULL;
	ask = lane_request_make(ASK_FASTOPEN);
	if (ask == NULL)
		return NULL;
	ask->cursor = cursor->at;
	if (lane_ask(lane, ask) < 0)
		return NULL;
	array = json_array();
	for (unsigned int i = 0; i < ask->n; i++)
		json_array_append_new(array, entry_of(lane, &ask->cookies[i], ask->now_us));
	cursor->at = ask->cursor;
	cursor->more = !ask->over;
	free(ask);
	return json_pack("{s:o}", "fastopen", array);
}

json_t *
commands_fastopen_guard(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
			const char **error)
{
	struct lane_request *ask;
	struct lane *lane;
	json_t *object;

	(void)cursor;
	if (!lane_of(daemon, request, &lane, error))
		return NULL;
	ask = lane_request_make(ASK_FASTOPEN_GUARD);
	if (ask == NULL || lane_ask(lane, ask) < 0)
		return NULL;
	object = json_pack("{s:I}", "times", (json_int_t)ask->guard.times);
	if (ask->guard.times > 0) {
		json_object_set_new(object, "found_ms_ago",
				    json_integer(ms_ago(ask->now_us, ask->guard.found_us)));
		json_object_set_new(object, "off_for_ms",
				    json_integer(ms_ago(ask->guard.until_us, ask->now_us)));
	}
	free(ask);
	return object;
}

static bool
is_root(const struct control_cursor *cursor, const char **error)
{
	*error = "only root may do this";
	return cursor->client.uid == 0;
}

json_t *
commands_fastopen_flush(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
			const char **error)
{
	const char *address = json_string_value(json_object_get(request, "address"));
	struct ip_addr remote = {0};
	json_int_t most = 0;

	if (!is_root(cursor, error))
		return NULL;
	*error = "not an address; write it as 198.18.0.1 or 2001:db8:18::1";
	if (address != NULL && (!config_ip(address, &remote) || ip_is_any(&remote)))
		return NULL;
	*error = "a lane does not answer";
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		struct lane_request *ask = lane_request_make(ASK_FASTOPEN_FLUSH);

		if (ask == NULL)
			return NULL;
		ask->flush = remote;
		if (lane_ask(daemon->lanes[i], ask) < 0)
			return NULL;
		most = ask->n > most ? ask->n : most;
		free(ask);
	}
	return json_pack("{s:I}", "forgotten", most);
}

/* ---- Keys */

/* Takes the keys that a request gives. Returns what is wrong with them, or NULL. */
static const char *
take_keys(const json_t *given, struct tcp_fastopen_keys *keys)
{
	const char *wrong, *text;

	memset(keys, 0, sizeof(*keys));
	if (json_array_size(given) < 1 || json_array_size(given) > 2)
		return "give a key, and perhaps a backup";
	for (size_t i = 0; i < json_array_size(given); i++) {
		text = json_string_value(json_array_get(given, i));
		wrong = text == NULL ? "" : config_fastopen_key(text, keys->key[keys->n++]);
		if (wrong != NULL)
			return "not a key; write 32 hexadecimal digits, or Linux's four groups of "
			       "8 with - between them";
	}
	return NULL;
}

/* A new primary one, and the one that it was for the cookies that it has made. */
static const char *
renew_keys(const struct tcp_fastopen_keys *now, struct tcp_fastopen_keys *keys)
{
	memset(keys, 0, sizeof(*keys));
	if (getrandom(keys->key[0], sizeof(keys->key[0]), 0) != sizeof(keys->key[0]))
		return "the kernel gives no random bytes";
	keys->n = 1;
	if (now->n > 0)
		memcpy(keys->key[keys->n++], now->key[0], sizeof(now->key[0]));
	return NULL;
}

/* Cookies of the one key or the other are valid meanwhile: no connection notices. */
static bool
set_keys(struct daemon *daemon, const struct tcp_fastopen_keys *keys)
{
	daemon->config.fastopen_keys = *keys;
	for (unsigned int i = 0; i < daemon->config.lanes; i++) {
		struct lane_request *ask = lane_request_make(ASK_FASTOPEN_KEYS);

		if (ask == NULL)
			return false;
		ask->keys = *keys;
		if (lane_ask(daemon->lanes[i], ask) < 0)
			return false;
		explicit_bzero(&ask->keys, sizeof(ask->keys));
		free(ask);
	}
	return true;
}

json_t *
commands_fastopen_key(struct daemon *daemon, const json_t *request, struct control_cursor *cursor,
		      const char **error)
{
	const json_t *given = json_object_get(request, "keys");
	bool renews = json_is_true(json_object_get(request, "new"));
	struct tcp_fastopen_keys keys;
	char text[CONFIG_KEY_TEXT];
	json_t *array;

	if (!is_root(cursor, error))
		return NULL;
	*error = NULL;
	if (renews)
		*error = renew_keys(&daemon->config.fastopen_keys, &keys);
	else if (given != NULL)
		*error = take_keys(given, &keys);
	if (*error != NULL)
		return NULL;
	*error = "a lane does not answer";
	if ((renews || given != NULL) && !set_keys(daemon, &keys))
		return NULL;
	array = json_array();
	for (unsigned int i = 0; i < daemon->config.fastopen_keys.n; i++)
		json_array_append_new(array, json_string(config_fastopen_key_text(
						     daemon->config.fastopen_keys.key[i], text)));
	return json_pack("{s:o}", "keys", array);
}
