/* SPDX-License-Identifier: BSD-3-Clause */
#include "service_pair.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

uint32_t service_pair_fold_after_ms;
uint16_t service_pair_fastopen;

static void
give_up(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

uint8_t
service_pair_big_byte(size_t i)
{
	return (uint8_t)(i * 7 + i / 251);
}

void
service_pair_make_root(char root[64])
{
	strcpy(root, "/tmp/tern-unit-XXXXXX");
	if (mkdtemp(root) == NULL)
		give_up(root);
}

void
service_pair_file(const char *root, const char *name, const void *data, size_t bytes)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = 0;
		mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	if (f == NULL || fwrite(data, 1, bytes, f) != bytes || fclose(f) != 0)
		give_up(path);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
service_pair_remove_root(const char *root)
{
	nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
make_files(struct service_pair *b)
{
	uint8_t *big = malloc(SERVICE_PAIR_BIG);

	service_pair_make_root(b->root);
	for (size_t i = 0; i < SERVICE_PAIR_BIG; i++)
		big[i] = service_pair_big_byte(i);
	service_pair_file(b->root, "big.bin", big, SERVICE_PAIR_BIG);
	free(big);
	service_pair_file(b->root, "index.html", "<p>hello\n", 9);
	service_pair_file(b->root, "empty.txt", "", 0);
	service_pair_file(b->root, "a b/index.html", "<p>below\n", 9);
	service_pair_file(b->root, ".hidden", "x", 1);
}

static void
add_service(struct config *config, struct service_plugin *plugin, const char *name, uint16_t port)
{
	struct config_service *s = &config->services[config->n_services++];

	if (plugin == NULL)
		give_up(name);
	strcpy(s->name, name);
	s->plugin = plugin;
	s->listen[0].port = port;
	s->n_listen = 1;
	s->backlog = 32;
	s->idle_timeout_s = SERVICE_PAIR_IDLE_S;
}

static void
notify(void *ctx, struct tcp_conn *c, void *user)
{
	struct service_pair *b = ctx;

	service_set_notify(b->set, c, user);
}

static bool
may_fold(void *ctx, void *user)
{
	(void)ctx;
	return service_set_may_fold(user);
}

static void
fold(void *ctx, void *user, struct tcp_folded *folded)
{
	(void)ctx;
	service_set_fold(user, folded);
}

static void
unfold(void *ctx, void *user, struct tcp_conn *c)
{
	(void)ctx;
	service_set_unfold(user, c);
}

void
service_pair_start(struct service_pair *b)
{
	service_pair_start_with(b, NULL);
}

void
service_pair_start_with(struct service_pair *b, struct service_plugin *plugin)
{
	char why[TERN_SERVICE_WHY_BYTES];
	struct tcp_config tcp;
	struct service_set_config set;

	memset(b, 0, sizeof(*b));
	make_files(b);
	b->config.connections = SERVICE_PAIR_CONNS;
	b->config.lanes = 1;
	add_service(&b->config, service_plugin_built_in("http"), "http", 80);
	if (service_plugin_configure(b->config.services[0].plugin, "root", b->root, why) < 0)
		give_up(why);
	b->config.services[0].fastopen = SERVICE_PAIR_CONNS;
	add_service(&b->config, service_plugin_built_in("echo"), "echo", 7);
	add_service(&b->config, service_plugin_built_in("discard"), "discard", 9);
	add_service(&b->config, service_plugin_built_in("chargen"), "chargen", 19);
	if (plugin != NULL)
		add_service(&b->config, plugin, "plugin", SERVICE_PAIR_PORT);
	if (plugin != NULL && service_pair_fastopen != 0)
		b->config.services[4].fastopen = SERVICE_PAIR_CONNS;
	if (service_plugins_start(&b->config, stderr) < 0)
		exit(2);
	tcp_config_defaults(&tcp);
	tcp.sndbuf_max_bytes = tcp.sndbuf_bytes; /* tests fill it */
	tcp.max_conns = 4 * SERVICE_PAIR_CONNS;
	tcp.max_requests = SERVICE_PAIR_CONNS;
	tcp.max_timewait = 256;
	tcp.max_held_bufs = 8192;
	tcp.timewait_ms = 1000;
	tcp.fold_after_ms = service_pair_fold_after_ms;
	tcp.fastopen = TCP_FASTOPEN_CLIENT | TCP_FASTOPEN_SERVER | TCP_FASTOPEN_SERVER_BARE;
	if (service_pair_fastopen != 0)
		tcp.fastopen = service_pair_fastopen;
	pair_start(&b->pair, &tcp);
	set = (struct service_set_config){
		.config = &b->config,
		.engine = b->pair.side[1].engine,
		.ref_pool = b->pair.pools.ref,
		.socket_id = SOCKET_ID_ANY,
	};
	b->set = service_set_create(&set, stderr);
	if (b->set == NULL)
		exit(2);
	b->pair.side[1].notify = notify;
	b->pair.side[1].may_fold = may_fold;
	b->pair.side[1].fold = fold;
	b->pair.side[1].unfold = unfold;
	b->pair.side[1].notify_ctx = b;
	service_pair_run(b, 1);
}

bool
service_pair_end(struct service_pair *b)
{
	bool good;

	service_set_close(b->set);
	b->pair.side[1].notify = NULL;
	b->pair.side[1].may_fold = NULL;
	pair_run_until(&b->pair, b->pair.now_us + 120 * 1000000ull);
	service_set_destroy(b->set, stderr);
	good = pair_end(&b->pair);
	for (unsigned int i = 0; i < b->config.n_services; i++)
		service_plugin_close(b->config.services[i].plugin);
	service_pair_remove_root(b->root);
	return good;
}

void
service_pair_run(struct service_pair *b, uint64_t ms)
{
	for (uint64_t i = 0; i < ms; i++) {
		pair_run_until(&b->pair, b->pair.now_us + 1000);
		service_set_begin(b->set, b->pair.now_us);
		service_set_advance(b->set, b->pair.now_us);
		tcp_flush(b->pair.side[1].engine);
		tcp_flush(b->pair.side[0].engine);
	}
}

struct tcp_conn *
service_pair_connect(struct service_pair *b, uint16_t port)
{
	struct tcp_endpoint to = {b->pair.side[1].ip, port};
	struct tcp_conn *c = NULL;

	if (tcp_open(b->pair.side[0].engine, AF_INET, &c) < 0 ||
	    tcp_connect(c, &to) != -EINPROGRESS) {
		fprintf(stderr, "a client cannot connect\n");
		exit(2);
	}
	tcp_flush(b->pair.side[0].engine);
	service_pair_run(b, 4);
	return c;
}

void
service_pair_send(struct service_pair *b, struct tcp_conn *c, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	for (unsigned int idle = 0; bytes > 0 && idle < 1000;) {
		ssize_t n = tcp_send(c, p, bytes, 0);

		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
			idle = 0;
		}
		tcp_flush(b->pair.side[0].engine);
		if (bytes > 0)
			service_pair_run(b, 1);
		idle++;
	}
}

size_t
service_pair_read(struct service_pair *b, struct tcp_conn *c, void *buf, size_t bytes, int *end)
{
	size_t done = 0;
	int how = 0;

	for (unsigned int idle = 0; idle < 1000; idle++) {
		ssize_t n = tcp_recv(c, (uint8_t *)buf + done, bytes - done, 0);

		if (n > 0) {
			done += (size_t)n;
			idle = 0;
		}
		if (done == bytes)
			break;
		if (n == 0 || (n < 0 && n != -EAGAIN)) {
			how = n == 0 ? 1 : (int)n;
			break;
		}
		service_pair_run(b, 1);
	}
	if (end != NULL)
		*end = how;
	return done;
}

uint64_t
service_pair_own(const struct service_pair *b, unsigned int service, const char *name)
{
	const struct tern_service_counter *counters =
		service_plugin_ops(b->config.services[service].plugin)->counters;

	for (unsigned int i = 0; counters[i].name != NULL; i++)
		if (strcmp(counters[i].name, name) == 0)
			return service_counter_read(b->set, service, i);
	give_up(name);
	return 0;
}

struct service_stats
service_pair_stats(const struct service_pair *b)
{
	struct service_stats stats;

	service_stats_read(b->set, &stats);
	return stats;
}
