/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A ternd of the tool's own: its configuration in a temporary file, its log in another, which is
 * shown only if it does not start. It ends with the tool, however that ends.
 */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_ternd.h"
#include "client.h"

enum {
	PATH_BYTES = 4096,
	START_MS = 120000, /* while it lives: a busy machine takes its time */
	LOOK_MS = 20,
	SERVICE_PORTS = 8, /* that a section may listen on */
	LOG_LINES = 12,    /* of its end, that are shown */
	/* More than a generator opens at a time. */
	FASTOPEN_PENDING = 1024,
};

static int
fail(const char *what, const char *why)
{
	fprintf(stderr, "tern: %s: %s\n", what, why);
	return -1;
}

static FILE *
temporary(char *path, size_t size, const char *name)
{
	FILE *f;
	int fd;

	snprintf(path, size, "/tmp/tern-%s-XXXXXX", name);
	fd = mkstemp(path);
	f = fd < 0 ? NULL : fdopen(fd, "w");
	if (f == NULL) {
		fail(path, strerror(errno));
		path[0] = '\0';
	}
	return f;
}

FILE *
bench_ternd_config(struct bench_ternd *ternd)
{
	return temporary(ternd->config, sizeof(ternd->config), "bench");
}

/* The value of `key = value`, if the line is that; cut at a comment and blanks. */
static bool
value_of(const char *line, const char *key, char *value, size_t size)
{
	size_t n = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, n) != 0)
		return false;
	line += n + strspn(line + n, " \t");
	if (*line != '=')
		return false;
	line += 1 + strspn(line + 1, " \t");
	n = strcspn(line, ";\r\n");
	while (n > 0 && isspace((unsigned char)line[n - 1]))
		n--;
	snprintf(value, size, "%.*s", (int)n, line);
	return true;
}

int
bench_ternd_copy(struct bench_ternd *ternd, const char *path)
{
	FILE *from = fopen(path, "re"), *to;
	bool has_bench = false, in_dataplane = false;
	char line[4096], name[256] = "tern";

	if (from == NULL)
		return fail(path, strerror(errno));
	to = bench_ternd_config(ternd);
	if (to == NULL) {
		fclose(from);
		return -1;
	}
	while (fgets(line, sizeof(line), from) != NULL) {
		const char *text = line + strspn(line, " \t");

		if (text[0] == '[')
			in_dataplane = strncmp(text, "[dataplane]", 11) == 0;
		has_bench |= strncmp(text, "[service bench]", 15) == 0 ||
			     strncmp(text, "[service bench ", 15) == 0;
		if (in_dataplane)
			value_of(line, "name", name, sizeof(name));
		fputs(line, to);
	}
	if (!has_bench)
		fputs("\n[service bench]\n", to);
	fclose(from);
	snprintf(ternd->socket, sizeof(ternd->socket), CLIENT_FOLDER "/%s.sock", name);
	return fclose(to) == 0 ? 0 : fail(ternd->config, strerror(errno));
}

/* ---- Both sides in one */

/* A memif's buffers, for frames of this MTU. */
static unsigned int
buffer_bytes(const struct bench_local *local)
{
	enum { DEFAULT_BYTES = 2048, ETHERNET_BYTES = 14, LINE_BYTES = 64 };
	unsigned int frame = local->mtu + ETHERNET_BYTES;

	return frame <= DEFAULT_BYTES ? DEFAULT_BYTES
				      : (frame + LINE_BYTES - 1) / LINE_BYTES * LINE_BYTES;
}

/*
 * Its rings, the logarithm of how many frames: the driver's 1024 of small ones, for a lane sends
 * some 130 at a time, and what finds no room waits and is lost in the end; of large ones only 256
 * stay in a cache.
 */
static unsigned int
ring_bits(const struct bench_local *local)
{
	return buffer_bytes(local) > 2048 ? 8 : 10;
}

/* Of port n of a pair: even ones are made first. What shares memory by a file needs it in one. */
static void
write_device(FILE *f, const struct bench_local *local, const char *name, unsigned int n)
{
	if (strcmp(local->over, "ring") == 0)
		fprintf(f, "device = ring,%u\n", n / 2);
	else if (strcmp(local->over, "virtio") == 0 && n % 2 == 0)
		fprintf(f, "device = net_vhost%u,iface=/tmp/tern-%s.%u,queues=1\n", n / 2, name,
			n / 2);
	else if (strcmp(local->over, "virtio") == 0)
		fprintf(f, "device = net_virtio_user%u,path=/tmp/tern-%s.%u,queues=1\n", n / 2,
			name, n / 2);
	else
		fprintf(f, "device = net_memif%u,role=%s,id=%u,socket=@%s,bsize=%u,rsize=%u\n", n,
			n % 2 == 0 ? "server" : "client", n / 2, name, buffer_bytes(local),
			ring_bits(local));
}

void
bench_ternd_target(unsigned int pair, char *text, size_t size)
{
	snprintf(text, size, "198.18.%u.2:%d", pair, BENCH_LOCAL_PORT);
}

static void
write_port(FILE *f, const struct bench_local *local, const char *name, unsigned int n)
{
	fprintf(f, "[port %u]\nlanes = %u\nipv4 = 198.18.%u.%u/24\n", n, n, n / 2, n % 2 + 1);
	if (local->mtu != 0)
		fprintf(f, "mtu = %u\n", local->mtu);
	if (local->gateways)
		fprintf(f, "gateway4 = 198.18.%u.%u\n", n / 2, 2 - n % 2);
	write_device(f, local, name, n);
}

int
bench_ternd_local(struct bench_ternd *ternd, const struct bench_local *local)
{
	FILE *f = bench_ternd_config(ternd);
	char name[32];

	if (f == NULL)
		return -1;
	snprintf(name, sizeof(name), "bench-%d", (int)getpid());
	snprintf(ternd->socket, sizeof(ternd->socket), CLIENT_FOLDER "/%s.sock", name);
	fprintf(f, "[dataplane]\nname = %s\nlanes = %u\nidle = poll\n", name, 2 * local->pairs);
	fprintf(f, "eal = --no-pci%s\n",
		strcmp(local->over, "virtio") == 0 ? " --single-file-segments" : "");
	for (unsigned int n = 0; n < 2 * local->pairs; n++)
		write_port(f, local, name, n);
	if (local->idle)
		fprintf(f, "[tcp]\nfold_after = 1\n");
	if (local->fastopen)
		fprintf(f, "[tcp]\nfastopen = client, server\n");
	fprintf(f, "[limits]\nconnections = %llu\nrequests = %llu\n",
		local->connections + local->connections / 4 + 1024, local->connections / 4 + 4096);
	for (unsigned int i = 0; i < local->ports; i++) { /* a service listens on a few */
		if (i % SERVICE_PORTS == 0)
			fprintf(f,
				"\n[service bench %u]\nbacklog = 65536\nfastopen = %d\nlisten = ",
				i, local->fastopen ? FASTOPEN_PENDING : 0);
		else
			fputs(", ", f);
		fprintf(f, "*:%u", BENCH_LOCAL_PORT + i);
	}
	fputc('\n', f);
	return fclose(f) == 0 ? 0 : fail(ternd->config, strerror(errno));
}

/* ---- Starting and ending it */

/* Beside this tool, where the build or an installation puts it; else by PATH. */
static void
find_ternd(char *path, size_t size)
{
	static const char *const places[] = {"ternd", "../dataplane/ternd", "../sbin/ternd"};
	char self[PATH_BYTES];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, size, "%.*s/%s", (int)(slash - self), self, places[i]);
		if (access(path, X_OK) == 0)
			return;
	}
	snprintf(path, size, "ternd");
}

static void
execute(const struct bench_ternd *ternd, const char *program, FILE *log, pid_t parent)
{
	dup2(fileno(log), STDOUT_FILENO);
	dup2(fileno(log), STDERR_FILENO);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	execlp(program, "ternd", "-c", ternd->config, (char *)NULL);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* The last lines that it said. */
static void
tell_log(const struct bench_ternd *ternd)
{
	char lines[LOG_LINES][512];
	FILE *f = fopen(ternd->log, "re");
	unsigned int n = 0;

	fputs("tern: ternd does not start:\n", stderr);
	while (f != NULL && fgets(lines[n % LOG_LINES], sizeof(lines[0]), f) != NULL)
		n++;
	for (unsigned int i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++)
		fprintf(stderr, "  %s", lines[i % LOG_LINES]);
	if (f != NULL)
		fclose(f);
}

static long long
clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* Whether it answers on its socket, and not another that has left or has the same one: as long as
 * there is time, for it listens before it is ready. */
static bool
is_ready(const struct bench_ternd *ternd, long long end_ms)
{
	long long left_ms = end_ms - clock_ms();
	struct timeval patience = {.tv_sec = left_ms / 1000 + 1};
	struct client client;
	json_t *answer = NULL;
	bool ready;

	/* The path is there before somebody listens, or is that of one that was killed. */
	if (client_try(&client, ternd->socket) < 0)
		return false;
	setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (client_request(&client, json_pack("{s:s}", "command", "version")) == 0)
		answer = client_answer(&client);
	client_close(&client);
	ready = answer != NULL && client_number(answer, "pid") == ternd->pid;
	json_decref(answer);
	return ready;
}

static int
wait_until_ready(struct bench_ternd *ternd)
{
	const struct timespec look = {.tv_nsec = LOOK_MS * 1000000L};
	long long end_ms = clock_ms() + START_MS;

	do {
		if (waitpid(ternd->pid, NULL, WNOHANG) == ternd->pid) {
			ternd->pid = 0;
			break;
		}
		if (is_ready(ternd, end_ms))
			return 0;
		nanosleep(&look, NULL);
	} while (clock_ms() < end_ms);
	tell_log(ternd);
	return -1;
}

int
bench_ternd_start(struct bench_ternd *ternd)
{
	FILE *log = temporary(ternd->log, sizeof(ternd->log), "bench-log");
	char program[2 * PATH_BYTES];
	pid_t parent = getpid();

	if (log == NULL)
		return -1;
	find_ternd(program, sizeof(program));
	ternd->pid = fork();
	if (ternd->pid == 0)
		execute(ternd, program, log, parent);
	fclose(log);
	if (ternd->pid < 0) {
		ternd->pid = 0;
		return fail("fork", strerror(errno));
	}
	return wait_until_ready(ternd);
}

void
bench_ternd_stop(struct bench_ternd *ternd)
{
	int status = 0;

	if (ternd->pid > 0) {
		kill(ternd->pid, SIGTERM);
		waitpid(ternd->pid, &status, 0);
		if (WIFSIGNALED(status))
			fprintf(stderr, "tern: bench: ternd ended by signal %d\n",
				WTERMSIG(status));
		ternd->pid = 0;
	}
	if (ternd->config[0] != '\0')
		unlink(ternd->config);
	if (ternd->log[0] != '\0')
		unlink(ternd->log);
}
