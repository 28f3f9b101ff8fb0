/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The log's lines of connections that programs have moved: one for each, as long as there are not
 * many; of the others how many there were. All of them are counted (gateway_stats.def).
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "dataplane/log.h"
#include "dataplane/programs_log.h"

enum {
	LINES_AT_ONCE = 10,
	LINES_A_SECOND = 2, /* in the long run */
};

static int64_t
now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

/* Whether there may be one more line now. */
static bool
may_tell(struct programs_log *log)
{
	int64_t s = now_s();

	if (s != log->last_s) {
		int64_t more =
			log->last_s == 0 ? LINES_AT_ONCE : (s - log->last_s) * LINES_A_SECOND;

		log->left = log->left + more < LINES_AT_ONCE ? (uint32_t)(log->left + more)
							     : LINES_AT_ONCE;
		log->last_s = s;
	}
	if (log->left == 0)
		return false;
	log->left--;
	return true;
}

static const char *
endpoint_text(const struct ip_addr *ip, be16_t port, char *text, size_t size)
{
	char address[INET6_ADDRSTRLEN];
	bool is4 = ip_is4(ip);

	inet_ntop(is4 ? AF_INET : AF_INET6, is4 ? &ip->w[3] : ip->w, address, sizeof(address));
	snprintf(text, size, is4 ? "%s:%u" : "[%s]:%u", address, be16_get(port));
	return text;
}

static void
tell(const struct gateway_moved *line)
{
	static const char *const did[] = {
		[GATEWAY_CHECKPOINTED] = "has made an image of",
		[GATEWAY_TAKEN] = "has taken away",
		[GATEWAY_RESTORED] = "has restored",
	};
	char local[INET6_ADDRSTRLEN + 8], remote[INET6_ADDRSTRLEN + 8];

	if (line->kind == GATEWAY_CHECKPOINT_REFUSED || line->kind == GATEWAY_RESTORE_REFUSED) {
		log_line("process %d: %s refused: %s", (int)line->pid,
			 line->kind == GATEWAY_RESTORE_REFUSED ? "a restore" : "a checkpoint",
			 line->why);
		return;
	}
	log_line("process %d %s %s to %s: %" PRIu32 " bytes unread, %" PRIu32
		 " not acknowledged; %" PRIu32 " us",
		 (int)line->pid, did[line->kind],
		 endpoint_text(&line->tuple.local, line->tuple.lport, local, sizeof(local)),
		 endpoint_text(&line->tuple.remote, line->tuple.rport, remote, sizeof(remote)),
		 line->recvq_bytes, line->sendq_bytes, line->us);
}

void
programs_log_moves(struct programs_log *log, struct gateway *const *gateways, unsigned int n)
{
	uint64_t lost = 0;
	struct gateway_moved line;

	for (unsigned int i = 0; i < n; i++) {
		lost += gateway_journal_lost(gateways[i]);
		while (gateway_journal_take(gateways[i], &line)) {
			if (!may_tell(log)) {
				log->silent++;
				continue;
			}
			if (log->silent > 0)
				log_line("%" PRIu64 " more moves of programs before this are not "
					 "told; `tern stats` counts them",
					 log->silent);
			log->silent = 0;
			tell(&line);
		}
	}
	log->silent += lost - log->lost;
	log->lost = lost;
}
