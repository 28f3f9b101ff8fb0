/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A shared object through which packetdrill drives the engine: in process, without ports or lanes,
 * on a virtual clock.
 *
 *     packetdrill's main thread ----.                             .---> stack.c   engine, clock,
 * wire its thread of blocking calls -+-> calls.c    --> files.c --+ its LD_PRELOADed libc calls --'
 * transfer.c               '---> settings.c  sysctls, a file
 *
 * One lock, shim_lock(), is held by whoever is inside. Time moves in three ways only: a little with
 * each gettimeofday(), by usleep(), and while netdev_receive() waits for a packet. A call that
 * blocks sleeps on a condition; before time moves on, every call that could return has returned.
 */
#ifndef TERN_TEST_PACKETDRILL_SHIM_H
#define TERN_TEST_PACKETDRILL_SHIM_H

#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "tcp/tcp.h"

/* What packetdrill asks the object to fill in; order and types are packetdrill's. */
struct packetdrill_interface {
	void *userdata;
	void (*free)(void *userdata);
	int (*socket)(void *userdata, int domain, int type, int protocol);
	int (*bind)(void *userdata, int fd, const struct sockaddr *addr, socklen_t len);
	int (*listen)(void *userdata, int fd, int backlog);
	int (*accept)(void *userdata, int fd, struct sockaddr *addr, socklen_t *len);
	int (*connect)(void *userdata, int fd, const struct sockaddr *addr, socklen_t len);
	ssize_t (*read)(void *userdata, int fd, void *buf, size_t bytes);
	ssize_t (*readv)(void *userdata, int fd, const struct iovec *iov, int n);
	ssize_t (*recv)(void *userdata, int fd, void *buf, size_t bytes, int flags);
	ssize_t (*recvfrom)(void *userdata, int fd, void *buf, size_t bytes, int flags,
			    struct sockaddr *addr, socklen_t *len);
	ssize_t (*recvmsg)(void *userdata, int fd, struct msghdr *msg, int flags);
	ssize_t (*write)(void *userdata, int fd, const void *buf, size_t bytes);
	ssize_t (*writev)(void *userdata, int fd, const struct iovec *iov, int n);
	ssize_t (*send)(void *userdata, int fd, const void *buf, size_t bytes, int flags);
	ssize_t (*sendto)(void *userdata, int fd, const void *buf, size_t bytes, int flags,
			  const struct sockaddr *addr, socklen_t len);
	ssize_t (*sendmsg)(void *userdata, int fd, const struct msghdr *msg, int flags);
	int (*fcntl)(void *userdata, int fd, int command, ...);
	int (*ioctl)(void *userdata, int fd, unsigned long request, ...);
	int (*close)(void *userdata, int fd);
	int (*shutdown)(void *userdata, int fd, int how);
	int (*getsockopt)(void *userdata, int fd, int level, int name, void *value, socklen_t *len);
	int (*setsockopt)(void *userdata, int fd, int level, int name, const void *value,
			  socklen_t len);
	int (*poll)(void *userdata, struct pollfd *fds, nfds_t n, int timeout_ms);
	int (*netdev_send)(void *userdata, const void *packet, size_t bytes);
	int (*netdev_receive)(void *userdata, void *packet, size_t *bytes, long long *time_us);
	int (*usleep)(void *userdata, useconds_t us);
	int (*gettimeofday)(void *userdata, struct timeval *tv, struct timezone *tz);
	int (*epoll_create)(void *userdata, int size);
	int (*epoll_ctl)(void *userdata, int epfd, int op, int fd, struct epoll_event *event);
	int (*epoll_wait)(void *userdata, int epfd, struct epoll_event *events, int n,
			  int timeout_ms);
	int (*pipe)(void *userdata, int fds[2]);
	int (*splice)(void *userdata, int in, loff_t *in_off, int out, loff_t *out_off,
		      size_t bytes, unsigned int flags);
};

enum { SHIM_FILES = 1024, SHIM_WATCHES = 16 };

/* A descriptor of ours; its number is that of a real one, so that it collides with none. */
struct shim_file {
	enum { FILE_NONE, FILE_SOCKET, FILE_EPOLL } kind;
	bool nonblocking;
	int flags; /* what F_GETFL says */
	/* sockets */
	struct tcp_conn *c;
	uint64_t news; /* counts notifications, for edge-triggered watches */
	/* epoll instances */
	struct shim_watch {
		int fd; /* -1: free */
		struct epoll_event event;
		uint64_t seen; /* news already reported, plus 1 */
		bool off;      /* EPOLLONESHOT has fired */
	} watches[SHIM_WATCHES];
};

/* ---- stack.c */

void shim_stack_start(void);
void shim_stack_end(void);
struct tcp_engine *shim_engine(void);
void shim_lock(void);
void shim_unlock(void);
uint64_t shim_now_us(void);
/* Brings the engine to the present and sends what is due. Locked. */
void shim_settle(void);
/* Waits inside a blocking call until something happened or virtual time reached until_us. Locked.
 * Returns false when that time has come. */
bool shim_wait(uint64_t until_us);
int shim_netdev_send(void *userdata, const void *packet, size_t bytes);
int shim_netdev_receive(void *userdata, void *packet, size_t *bytes, long long *time_us);
int shim_usleep(void *userdata, useconds_t us);
int shim_gettimeofday(void *userdata, struct timeval *tv, struct timezone *tz);

/* ---- settings.c */

/* Fills in the suite's defaults and what the file named by TERN_SYSCTL_FILE says; false: nothing
 * has changed since the last time. */
bool shim_settings_read(struct tcp_config *config);
/* How often the file says that what is remembered of peers shall be forgotten. */
unsigned int shim_flushes(void);
/* Writes the engine's counters, if they have changed, behind the name of the settings' file. */
void shim_counters_write(const struct tcp_engine *engine);
/* The addresses that connecting sockets use: from --local_ip on the command line or in the script.
 */
struct ip_addr shim_local_ip(bool is4);
uint16_t shim_mtu(void);
/* The payload of the segments that a larger packet stands for; 0: packets are single segments. */
uint16_t shim_mss(void);

/* ---- files.c */

struct shim_file *shim_file(int fd); /* NULL: not ours */
int shim_file_new(int kind);         /* descriptor, or -1 with errno */
void shim_file_close(int fd);
void shim_files_end(void);
void shim_notify(struct tcp_conn *c, void *user);
int shim_poll(void *userdata, struct pollfd *fds, nfds_t n, int timeout_ms);
int shim_epoll_create(void *userdata, int size);
int shim_epoll_ctl(void *userdata, int epfd, int op, int fd, struct epoll_event *event);
int shim_epoll_wait(void *userdata, int epfd, struct epoll_event *events, int n, int timeout_ms);

/* ---- calls.c */

/* Enters the shim; NULL, with errno and having left again, if the descriptor is no socket of ours.
 */
struct shim_file *shim_enter(int fd);
/* Leaves it with what the engine answered: the result, or -1 with errno. */
int shim_leave(ssize_t status);
/* The socket again, after a wait in which it may have been closed: then NULL. */
struct shim_file *shim_wait_for(int fd);
int shim_take_address(const struct sockaddr *addr, socklen_t len, struct tcp_endpoint *out);
int shim_family_of(struct tcp_conn *c);
void shim_calls_fill(struct packetdrill_interface *ifc);

/* ---- transfer.c */

void shim_transfer_fill(struct packetdrill_interface *ifc);
ssize_t shim_sendfile(int out, int in, off_t *offset, size_t bytes);

#endif
