/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TCP sockets on Tern, for programs that are written for it.
 *
 * Each function does what the system call without its "tern_" does, as Linux documents and does it:
 * the same arguments, return values, and values of errno. Only what differs is said here. The first
 * call that needs it attaches the process to ternd: to the control socket that the environment's
 * TERN_SOCKET names, or the only one in /run/tern.
 *
 * Descriptors are numbers of this process like all others, but only the functions here do anything
 * useful with them; these functions do not take the kernel's descriptors, and answer EBADF, except
 * tern_poll() and tern_select().
 *
 * Signals: a call that waits ends with EINTR where the system call would. With SA_RESTART a read, a
 * write, accept and connect go on if all handlers that the process has installed ask for that.
 *
 * Threads: every function may be called by any thread at any time. errno beyond what the system
 * call's manual lists: ENXIO when no ternd can be found or it refuses this process; ECONNRESET once
 * ternd has gone.
 */
#ifndef TERN_H
#define TERN_H

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of GNU's, which not every program asks for. */
struct mmsghdr;

/*
 * socket(2). AF_INET or AF_INET6, SOCK_STREAM with SOCK_NONBLOCK and SOCK_CLOEXEC, 0 or
 * IPPROTO_TCP. Or AF_SMC (43), SOCK_STREAM, 0 for IPv4 or 1 for IPv6: a TCP socket that offers
 * SMC-R to its peer and declines it where he offers it, too (RFC 7609); connect() and accept() are
 * over when that is. What the peer says wrongly is EPROTO, silence ETIMEDOUT after 6 s, an early
 * end ECONNRESET. Fast Open's options make it an ordinary one. Until then, as for TCP, poll() says
 * nothing and send() and recv() answer EAGAIN, where Linux has ENOTCONN.
 */
int tern_socket(int domain, int type, int protocol);

/* bind(2), listen(2), connect(2). Addresses are ternd's own, not this machine's. */
int tern_bind(int fd, const struct sockaddr *address, socklen_t length);
int tern_listen(int fd, int backlog);
int tern_connect(int fd, const struct sockaddr *address, socklen_t length);

/* accept(2), accept4(2). */
int tern_accept(int fd, struct sockaddr *address, socklen_t *length);
int tern_accept4(int fd, struct sockaddr *address, socklen_t *length, int flags);

/*
 * recv(2) and its relatives. MSG_PEEK, MSG_WAITALL, MSG_DONTWAIT, MSG_TRUNC, MSG_OOB and
 * MSG_ERRQUEUE; RFC 9293 §3.10.3. tern_recvfrom() leaves the address alone, as TCP does on Linux.
 * tern_recvmsg() gives these control messages: TCP_INQ's, and from the error queue the reports of
 * MSG_ZEROCOPY; not SO_TIMESTAMP's. EFAULT comes for NULL and what lies next to it; other addresses
 * that are not the program's are met as in any library: by SIGSEGV.
 */
ssize_t tern_recv(int fd, void *buffer, size_t bytes, int flags);
ssize_t tern_recvfrom(int fd, void *buffer, size_t bytes, int flags, struct sockaddr *address,
		      socklen_t *length);
ssize_t tern_recvmsg(int fd, struct msghdr *message, int flags);
int tern_recvmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags,
		  struct timespec *timeout);
ssize_t tern_read(int fd, void *buffer, size_t bytes);
ssize_t tern_readv(int fd, const struct iovec *iov, int n);

/*
 * Reading in place. tern_recv_zc() waits like recv(2) and fills in up to n pieces of memory, of
 * which those behind the last one are empty, with where the next unread bytes lie; it returns how
 * many these are, 0 at the end of the stream. They are only to be looked at. tern_recv_zc_done()
 * says that the first `bytes` of them are read, perhaps none, and ends the loan; the others come
 * again. flags: MSG_DONTWAIT.
 *
 * One loan at a time: until it ends, all other reads of the socket, by any thread, answer EBUSY,
 * and poll says that it is readable. Closing the last descriptor ends a loan, as with unread bytes.
 * So do TCP_REPAIR, and fork(), in any thread: then the memory must not be looked at any more, and
 * tern_recv_zc_done() answers ESTALE and reads nothing. While another process has the socket
 * tern_recv_zc() answers EOPNOTSUPP: use tern_recv(). The child of a fork has no loan (EINVAL).
 */
ssize_t tern_recv_zc(int fd, struct iovec *iov, int n, int flags);
int tern_recv_zc_done(int fd, size_t bytes);

/*
 * Writing in place. tern_send_zc() waits like send(2) until something can be sent, points *buffer
 * at memory of ternd's, and returns for how many bytes there is room, at most `bytes` and at most
 * 65536. tern_send_zc_done() sends the first `bytes` of what was written there, as tern_send()
 * would with the same flags, with its return value and errno, and takes the memory back in any
 * case; 0 bytes only give it back. It may not send all, where another thread has sent meanwhile and
 * the socket does not wait. flags of tern_send_zc(): MSG_DONTWAIT.
 *
 * The memory is no socket's, and is not sent before tern_send_zc_done(): closing the socket leaves
 * it the program's, fork() leaves it the parent's alone. A process has 16 of them: ENOBUFS while
 * all are being written to. EINVAL for a buffer that is none.
 */
ssize_t tern_send_zc(int fd, void **buffer, size_t bytes, int flags);
ssize_t tern_send_zc_done(int fd, void *buffer, size_t bytes, int flags);

/*
 * send(2) and its relatives. MSG_MORE, MSG_EOR, MSG_DONTWAIT, MSG_NOSIGNAL, MSG_OOB and
 * MSG_ZEROCOPY (which copies, and reports so); RFC 9293 §3.10.2. MSG_FASTOPEN: see below. Control
 * messages are checked as on Linux, and have no effect. Without MSG_NOSIGNAL, EPIPE comes with
 * SIGPIPE. Bytes are taken when the call returns; whether they were sent, nobody knows, as with the
 * kernel.
 */
ssize_t tern_send(int fd, const void *buffer, size_t bytes, int flags);
ssize_t tern_sendto(int fd, const void *buffer, size_t bytes, int flags,
		    const struct sockaddr *address, socklen_t length);
ssize_t tern_sendmsg(int fd, const struct msghdr *message, int flags);
int tern_sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags);
ssize_t tern_write(int fd, const void *buffer, size_t bytes);
ssize_t tern_writev(int fd, const struct iovec *iov, int n);

/*
 * TCP Fast Open, RFC 7413, as tcp(7) and the kernel's ip-sysctl documentation describe it: the
 * first bytes travel in the SYN, once the server's cookie is known. ternd keeps cookies, and its
 * configuration says whether Fast Open is on ([tcp] fastopen).
 *
 * With TCP_FASTOPEN_CONNECT, tern_connect() answers 0 at once where a cookie is known, and sends
 * nothing: poll says that the socket is writable, tern_getsockname() tells its address,
 * tern_getpeername() fails with ENOTCONN. The first write, in whatever way, sends the SYN with as
 * much as has room there. A non-blocking one returns how much that was, or fails with EINPROGRESS
 * if the cookie has gone meanwhile or there was nothing to be sent; a blocking one waits for the
 * handshake, no longer than SO_SNDTIMEO, and sends the rest. Closing before sends nothing.
 *
 * tern_sendto() and its relatives connect and send in one call with MSG_FASTOPEN, by the same
 * rules. Where a signal ends a blocking one, it fails with EINTR, and the SYN has gone with its
 * bytes.
 *
 * Servers set TCP_FASTOPEN to the number of connections that may wait with data of their SYN. Then
 * tern_accept() returns before the handshake is over, and what came can be read and answered.
 * TCP_FASTOPEN_KEY and TCP_FASTOPEN_NO_COOKIE are as on Linux.
 */

/*
 * TCP_REPAIR and its sisters (TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS, TCP_TIMESTAMP,
 * TCP_REPAIR_WINDOW), as on Linux, for root and the members of [programs] repair_group: a
 * connection's state and queues are read, or put in, by socket calls. Here a connection in repair
 * is frozen: nothing arrives, nothing leaves, and no time passes for it; closed in repair it
 * vanishes without a packet, and its address is mute for a minute. So no packet filter is needed.
 * No call on a socket in repair waits: where Linux does, it fails with EAGAIN.
 */

/*
 * Checkpoint and restore, in one call each. Who may set TCP_REPAIR may do it; others get EPERM.
 *
 * tern_checkpoint() writes the image of a connection to memory, tern_checkpoint_to() to a
 * descriptor, the kernel's or Tern's. Both return its size in bytes. The image is all that there is
 * of the connection, unread and unacknowledged bytes included; it can be kept, copied, and restored
 * by another process, another ternd or another host to which its address has moved. Its format is
 * CRIU's, of which CRIU reads what it knows.
 *
 * `flags` say what becomes of the connection:
 *
 *     0             it goes on as before
 *     TERN_FREEZE   it stays in repair, as by TCP_REPAIR: set that to 0 and it goes on, close the
 *                   socket and it has left
 *     TERN_TAKE     it has left, without a packet: the socket, still to be closed, reads
 *                   ECONNABORTED once, then the end. Not before all of the image is written
 *
 * Whoever has left is expected back: for a minute nobody answers its peer. When a call fails, the
 * connection is as it was. EINVAL for what is no connection: closed, listening; every state with a
 * peer will do, halves of connections included. ENOBUFS where the memory is too small; with a NULL
 * buffer only the size is returned, and nothing happens: it is good for as long as the connection
 * stands still. EBUSY if other threads change it meanwhile. What tern_recv_zc() has lent comes back
 * as with TCP_REPAIR.
 */
#define TERN_FREEZE 1
#define TERN_TAKE 2

ssize_t tern_checkpoint(int fd, void *buffer, size_t bytes, int flags);
ssize_t tern_checkpoint_to(int fd, int to, int flags);

/*
 * tern_restore() makes a connection of an image in memory, tern_restore_from() of one that it reads
 * from a descriptor, and not a byte more: where several follow each other, call it until it fails
 * with ENODATA. They return a socket, connected as it was, options and all. Its peer is asked what
 * it has and goes on, unless `flags` have TERN_FREEZE: then it is in repair. SOCK_NONBLOCK and
 * SOCK_CLOEXEC are as for accept4(2): the image does not know them.
 *
 * Images of CRIU's name no addresses: `target` gives them, and the state; else it is NULL. What
 * both say must be the same.
 *
 * EINVAL: it is no image, or contradicts itself; EDESTADDRREQ: it has no addresses, and none are
 * given; EADDRNOTAVAIL: they are in use, or not ternd's; ENETUNREACH: there is no way to the peer;
 * ENOENT: its congestion control is unknown; ENOBUFS, ENFILE, EMFILE, ENOMEM. Nothing is changed
 * then.
 */
struct tern_restore_target {
	const struct sockaddr *local, *remote; /* AF_INET or AF_INET6 both */
	int state;                             /* TCP_... of netinet/tcp.h; 0: TCP_ESTABLISHED */
};

int tern_restore(const void *image, size_t bytes, const struct tern_restore_target *target,
		 int flags);
int tern_restore_from(int from, const struct tern_restore_target *target, int flags);

/* Why the thread's last of these four calls failed: a sentence for people. Empty if it did not. */
const char *tern_checkpoint_error(void);

/*
 * sendfile(2). `in` is the kernel's: a regular file or a device. Its bytes are copied. Who moves
 * `in`'s own position at the same time gets some twice, as with pread(2).
 */
ssize_t tern_sendfile(int out, int in, off_t *offset, size_t bytes);

/*
 * shutdown(2), close(2), dup(2). The last descriptor of a socket closes it; with SO_LINGER's time,
 * tern_close() then waits until all is acknowledged, but not while another process has the socket.
 */
int tern_shutdown(int fd, int how);
int tern_close(int fd);
int tern_dup(int fd);

/* dup2(2), dup3(2): `to` is any descriptor, or none; what it names is closed. */
int tern_dup2(int from, int to);
int tern_dup3(int from, int to, int flags);

/*
 * execve(2). Sockets whose descriptors stay open over it live on in the new image if that is on
 * libtern, too; epoll sets lose them. fork(2) itself is enough for children; posix_spawn(3),
 * vfork(2) and libc's other functions that execute give their images no sockets.
 */
int tern_execve(const char *path, char *const argv[], char *const environment[]);

/*
 * Of IPPROTO_TCP, an int, 0 or 1: SYN and SYN-ACK say that this host can do SMC-R (RFC 7609). Set
 * before connect(2) or listen(2), else EINVAL. After the handshake it reads 1 if both sides said
 * so, also of a socket from accept(2): then what follows is the program's to do, beginning with the
 * CLC messages that the peer expects. Linux has no such option.
 */
#define TCP_SYN_SMC 0x534d43

/* setsockopt(2), getsockopt(2): the options that FEATURES.md lists; others answer ENOPROTOOPT. */
int tern_setsockopt(int fd, int level, int name, const void *value, socklen_t length);
int tern_getsockopt(int fd, int level, int name, void *value, socklen_t *length);

int tern_getsockname(int fd, struct sockaddr *address, socklen_t *length);
int tern_getpeername(int fd, struct sockaddr *address, socklen_t *length);

/* ioctl(2): FIONBIO, FIONREAD (SIOCINQ), SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK, and FIOCLEX and
 * FIONCLEX, whose argument does not matter; others answer ENOTTY. */
int tern_ioctl(int fd, unsigned long request, void *argument);

/* fcntl(2): F_GETFL and F_SETFL of O_NONBLOCK, F_GETFD, F_SETFD, F_DUPFD, F_DUPFD_CLOEXEC. */
int tern_fcntl(int fd, int command, long argument);

/* poll(2). The kernel's descriptors and Tern's may be mixed, sets of epoll among them. */
int tern_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int tern_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);

/* select(2), pselect(2): likewise. tern_select() leaves what remains of the time, as on Linux. Sets
 * may be larger than FD_SETSIZE. */
int tern_select(int n, fd_set *readable, fd_set *writable, fd_set *except, struct timeval *timeout);
int tern_pselect(int n, fd_set *readable, fd_set *writable, fd_set *except,
		 const struct timespec *timeout, const sigset_t *mask);

/*
 * epoll(7): level- and edge-triggered, EPOLLONESHOT, EPOLLRDHUP, and EPOLLEXCLUSIVE, which wakes
 * one thread of each process that shares the socket. The kernel's descriptors and Tern's may be
 * mixed in one set, sets be members of sets, and be polled.
 */
int tern_epoll_create1(int flags);
int tern_epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event);
int tern_epoll_wait(int epfd, struct epoll_event *events, int n, int timeout_ms);
int tern_epoll_pwait(int epfd, struct epoll_event *events, int n, int timeout_ms,
		     const sigset_t *mask);
int tern_epoll_pwait2(int epfd, struct epoll_event *events, int n, const struct timespec *timeout,
		      const sigset_t *mask);

#ifdef __cplusplus
}
#endif

#endif
