/* SPDX-License-Identifier: BSD-3-Clause */
/* See move_client.h; the requests are dataplane/commands_move.h's. */
#include "move_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

json_t *
move_restore(struct client *client, int memfd, const struct move_to *to)
{
	json_t *request = json_pack("{s:s,s:b,s:b}", "command", "restore", "listener", to->listener,
				    "together", to->together);

	if (to->service != NULL)
		json_object_set_new(request, "service", json_string(to->service));
	if (to->local != NULL) {
		json_object_set_new(request, "local", json_string(to->local));
		json_object_set_new(request, "remote", json_string(to->remote));
	}
	/* EPERM: it is sealed already. */
	if (fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) <
		    0 &&
	    errno != EPERM) {
		fprintf(stderr, "tern: images cannot be sealed: %s\n", strerror(errno));
		json_decref(request);
		return NULL;
	}
	if (client_request_fd(client, request, memfd) < 0)
		return NULL;
	return client_answer(client);
}

json_t *
move_checkpoint(struct client *client, json_t *which, int *memfd)
{
	json_t *answer = NULL;

	*memfd = -1;
	json_object_set_new(which, "command", json_string("checkpoint"));
	if (client_request(client, which) == 0)
		answer = client_answer(client);
	if (answer != NULL)
		*memfd = client_take_fd(client);
	return answer;
}

int
move_checkpoint_end(struct client *client, bool leave)
{
	json_t *answer = NULL;

	if (client_request(client, json_pack("{s:s,s:b}", "command", "checkpoint-end", "leave",
					     leave)) == 0)
		answer = client_answer(client);
	if (answer != NULL && client_number(answer, "gone") > 0)
		fprintf(stderr, "tern: %lld connections had ended meanwhile\n",
			client_number(answer, "gone"));
	json_decref(answer);
	return answer == NULL ? -1 : 0;
}

void
move_restore_end(struct client *client)
{
	if (client_request(client, json_pack("{s:s}", "command", "restore-end")) == 0)
		json_decref(client_answer(client));
}
