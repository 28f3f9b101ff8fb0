/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The other end of ternd's control socket: one JSON request a line out, one JSON answer a line in.
 *
 * Long lists come as several answers; each but the last has "more": true. Every failure is said on
 * stderr, once, here; callers only pass it on.
 */
#ifndef TERN_LIB_CLIENT_H
#define TERN_LIB_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define CLIENT_FOLDER "/run/tern"

struct client {
	int fd;
	int got_fd; /* came with an answer; -1: none */
	char *buf;  /* received, not yet taken */
	size_t used, size;
};

/*
 * Finds the control socket: `given` if not NULL, else $TERN_SOCKET, else the only *.sock in
 * `folder`. Returns 0 with the path, or -1 when there is none or more than one.
 */
int client_find(const char *given, const char *folder, char *path, size_t size);

/* Connects. Returns 0 or -1; client_close() after success only. */
int client_open(struct client *client, const char *path);

/* The same in silence: 0 or a negative errno. */
int client_try(struct client *client, const char *path);
void client_close(struct client *client);

/* Sends a request, {"command": ...}; takes the reference. Returns 0 or -1. */
int client_request(struct client *client, json_t *request);

/* The same with a descriptor, which stays the caller's. */
int client_request_fd(struct client *client, json_t *request, int fd);

/* The descriptor that came with the last answer, which is the caller's then; -1: none came. */
int client_take_fd(struct client *client);

/* Reads one answer. Returns a new reference, NULL when the answer is an error or none comes. */
json_t *client_answer(struct client *client);

/* One request with one answer. */
json_t *client_ask(const char *path, json_t *request);

/*
 * One request whose answers carry a list under `key`: calls each() for every element. Returns 0,
 * or -1.
 */
int client_ask_list(const char *path, json_t *request, const char *key,
		    void (*each)(json_t *element, void *arg), void *arg);

/* The number under a key; 0 if there is none. */
long long client_number(const json_t *object, const char *key);

/* The text under a key, or what stands for none. */
const char *client_text(const json_t *object, const char *key, const char *none);

/* Writes an answer to stdout, for --json. */
void client_print(const json_t *answer);

#endif
