/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The shared object as packetdrill uses it: what a SYN looks like, when it is sent again on the
 * virtual clock, that settings are read again, and that a call that blocks on another thread
 * returns when virtual time has come.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

enum { SYN = 0x02, IP_BYTES = 20, SYN_BYTES = 60, SYN_BYTES_NO_TIMESTAMPS = 52 };

static struct packetdrill_interface ifc;
static unsigned int failures;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);             \
			failures++;                                                                \
		}                                                                                  \
	} while (0)

static struct sockaddr_in
remote(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(8080)};

	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	return to;
}

static int
start_connecting(void)
{
	struct sockaddr_in to = remote();
	int fd = ifc.socket(ifc.userdata, AF_INET, SOCK_STREAM, IPPROTO_TCP);

	CHECK(fd >= 0);
	CHECK(ifc.fcntl(ifc.userdata, fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0);
	CHECK(ifc.connect(ifc.userdata, fd, (struct sockaddr *)&to, sizeof(to)) == -1 &&
	      errno == EINPROGRESS);
	return fd;
}

/* The next packet's length and when it left; it must be a SYN. */
static size_t
next_syn(long long *at_us)
{
	uint8_t packet[2048];
	size_t bytes = sizeof(packet);

	CHECK(ifc.netdev_receive(ifc.userdata, packet, &bytes, at_us) == 0);
	CHECK(bytes > IP_BYTES + 13 && packet[0] == 0x45 && packet[IP_BYTES + 13] == SYN);
	return bytes;
}

static void
syn_and_again(void)
{
	long long first_us = 0, second_us = 0;
	int fd = start_connecting();

	CHECK(next_syn(&first_us) == SYN_BYTES);
	CHECK(next_syn(&second_us) == SYN_BYTES);
	CHECK(second_us - first_us == 1000000);
	CHECK(ifc.close(ifc.userdata, fd) == 0);
}

static void
settings_are_read_again(void)
{
	const char *path = getenv("TERN_SYSCTL_FILE");
	FILE *f = fopen(path, "a");
	long long at_us = 0;
	int fd;

	assert(f != NULL);
	fprintf(f, "net.ipv4.tcp_timestamps=0\n");
	fclose(f);
	fd = start_connecting();
	CHECK(next_syn(&at_us) == SYN_BYTES_NO_TIMESTAMPS);
	CHECK(ifc.close(ifc.userdata, fd) == 0);
}

static void *
connect_and_wait(void *result)
{
	struct sockaddr_in to = remote();
	struct timeval now;
	int fd = ifc.socket(ifc.userdata, AF_INET, SOCK_STREAM, IPPROTO_TCP);

	*(int *)result =
		ifc.connect(ifc.userdata, fd, (struct sockaddr *)&to, sizeof(to)) == -1 ? errno : 0;
	ifc.gettimeofday(ifc.userdata, &now, NULL);
	ifc.close(ifc.userdata, fd);
	return NULL;
}

static void
blocking_call_returns(void)
{
	long long at_us = 0;
	pthread_t thread;
	int result = -1;

	CHECK(pthread_create(&thread, NULL, connect_and_wait, &result) == 0);
	usleep(200000); /* real time: the thread blocks */
	next_syn(&at_us);
	CHECK(result == -1);
	for (int i = 0; i < 300; i++)
		ifc.usleep(ifc.userdata, 1000000);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(result == ETIMEDOUT);
}

int
main(int argc, char **argv)
{
	char path[] = "/tmp/tern-shim-XXXXXX";
	void (*init)(const char *flags, struct packetdrill_interface *out);
	int fd = mkstemp(path);
	void *object;

	assert(argc == 2 && fd >= 0);
	close(fd);
	setenv("TERN_SYSCTL_FILE", path, 1);
	object = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (object == NULL) {
		printf("%s\n", dlerror());
		return 1;
	}
	*(void **)&init = dlsym(object, "packetdrill_interface_init");
	assert(init != NULL);
	init("", &ifc);
	syn_and_again();
	settings_are_read_again();
	blocking_call_returns();
	ifc.free(ifc.userdata);
	unlink(path);
	printf("%u checks failed\n", failures);
	return failures != 0;
}
